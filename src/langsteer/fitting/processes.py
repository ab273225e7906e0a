"""Several processes read one corpus: each a part, and the first puts the parts together.

They are started by `torchrun`, `accelerate launch` or whatever else sets the variables that
`torch.distributed` reads. Statistics travel as safetensors, along a tree.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import load, save

from langsteer.errors import LangsteerError
from langsteer.fitting.shard import WHOLE, Shard
from langsteer.statistics import Statistics
from langsteer.statistics.storage import pack, unpack

PATIENCE = timedelta(hours=12)
"""How long the first process to end waits for the last one."""
VALUES = "values"


@dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that read together: number `rank`, 0-based, of `count`.

    `divided`: whether they hold one model, each a part of every layer, and so read the same texts.
    """

    rank: int = 0
    count: int = 1
    divided: bool = False

    @classmethod
    @contextmanager
    def joined(cls, *, divided: bool = False) -> Iterator[Processes]:
        """The processes that were started together, joined as long as the context lasts.

        One alone where nobody started several.

        Args:
            divided: whether they are to hold one model.

        Raises:
            LangsteerError: the variables of the environment make no sense, or nobody answers.
        """
        if started() < 2:
            yield cls()
            return
        try:
            # Statistics are on the CPU, and so is what carries them, whatever runs the model.
            gpus = divided and torch.cuda.is_available()
            dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise LangsteerError(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the processes did not find each "
                f"other: {str(error).splitlines()[0]}. Start them with `torchrun "
                "--nproc-per-node N -m langsteer …`, or unset WORLD_SIZE."
            ) from error
        try:
            yield cls(dist.get_rank(), dist.get_world_size(), divided)
        finally:
            dist.destroy_process_group()

    @property
    def shard(self) -> Shard:
        """The part of the corpus that this process reads."""
        return WHOLE if self.divided else Shard(self.rank, self.count)

    def own(self, path: Path) -> Path:
        """This process's own file in the place of one that all would write."""
        if self.count == 1:
            return path
        return path.with_name(f"{path.name}.{self.rank + 1}-of-{self.count}")

    def wait(self) -> None:
        """Wait until all are here.

        Raises:
            LangsteerError: another process died.
        """
        if self.count > 1:
            with _alive("another"):
                dist.barrier()

    def reduced(self, statistics: Statistics) -> Statistics | None:
        """In the first process the statistics of all, in the others None.

        Raises:
            LangsteerError: another process died.
        """
        if self.divided:
            return None if self.rank else statistics
        step = 1
        while step < self.count:
            if self.rank % (2 * step):
                _send(statistics, self.rank - step)
                return None
            if self.rank + step < self.count:
                statistics = statistics.merge(_receive(self.rank + step))
            step *= 2
        return statistics


def started() -> int:
    """How many processes were started together, as the environment says."""
    said = os.environ.get("WORLD_SIZE", "1")
    return int(said) if said.isdecimal() else 1


def _send(statistics: Statistics, to: int) -> None:
    tensors, values = pack(statistics, equations=True)
    data = torch.frombuffer(
        bytearray(save(tensors, metadata={VALUES: json.dumps(values)})), dtype=torch.uint8
    )
    with _alive(f"number {to + 1}"):
        dist.send(torch.tensor([len(data)]), to)
        dist.send(data, to)


def _receive(origin: int) -> Statistics:
    size = torch.zeros(1, dtype=torch.int64)
    with _alive(f"number {origin + 1}"):
        dist.recv(size, origin)
        data = torch.empty(int(size), dtype=torch.uint8)
        dist.recv(data, origin)
    whole = data.numpy().tobytes()
    length = int.from_bytes(whole[:8], "little")
    values = json.loads(json.loads(whole[8 : 8 + length])["__metadata__"][VALUES])
    return unpack(load(whole), values)[0]


@contextmanager
def _alive(other: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LangsteerError(
            f"of the processes that read together, {other} is gone before it was done. Start the "
            "same command again: each goes on from its state"
        ) from error
