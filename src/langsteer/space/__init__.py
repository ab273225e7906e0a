"""The artifact: what was estimated for one model, with where it came from."""

from langsteer.space.space import CorpusFacts, OperatingPoint, PairPoint, Space

__all__ = ["CorpusFacts", "OperatingPoint", "PairPoint", "Space"]
