"""Which things hang together."""

from __future__ import annotations

import torch
from torch import Tensor


def components(linked: Tensor) -> list[list[int]]:
    """The connected components of a graph with the adjacency `linked [n, n]`, each ascending."""
    left = set(range(len(linked)))
    found = []
    while left:
        reach = frontier = {min(left)}
        while frontier:
            near = torch.nonzero(linked[sorted(frontier)].any(0)).flatten().tolist()
            frontier = set(near) - reach
            reach = reach | frontier
        found.append(sorted(reach))
        left -= reach
    return found
