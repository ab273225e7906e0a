"""A control: a random direction with the norm of the difference."""

from __future__ import annotations

import hashlib

import torch

from langsteer.edits.maps import Shift
from langsteer.estimators.base import Estimator, Problem


def random_direction(problem: Problem) -> Shift:
    """Shift by a uniformly random direction: always the same for two languages and a layer."""
    delta = problem.delta()
    seed = f"{problem.source} {problem.target} {problem.layer}".encode()
    number = int.from_bytes(hashlib.blake2b(seed, digest_size=7).digest(), "big")
    generator = torch.Generator().manual_seed(number)
    direction = torch.randn(len(delta), dtype=torch.float64, generator=generator)
    return Shift((direction * (delta.norm() / direction.norm())).float())


RANDOM = Estimator("random", "a random direction with the norm of Δ", random_direction)
