"""Maps of a latent, one file each; `registry` lists them."""

from langsteer.edits.maps.affine import Affine, affine
from langsteer.edits.maps.base import Map
from langsteer.edits.maps.diagonal import Diagonal
from langsteer.edits.maps.low_rank import LowRank
from langsteer.edits.maps.registry import MAPS, map_kind
from langsteer.edits.maps.shift import Shift

__all__ = ["MAPS", "Affine", "Diagonal", "LowRank", "Map", "Shift", "affine", "map_kind"]
