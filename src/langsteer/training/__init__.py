"""Maps trained by teacher forcing through the frozen model."""

from langsteer.training.options import TrainingOptions
from langsteer.training.run import train

__all__ = ["TrainingOptions", "train"]
