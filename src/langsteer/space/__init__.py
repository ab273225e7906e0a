"""The artifact: what was estimated for one model, with where it came from."""

from langsteer.space.point import OperatingPoint, PairPoint
from langsteer.space.space import CorpusFacts, Space

__all__ = ["CorpusFacts", "OperatingPoint", "PairPoint", "Space"]
