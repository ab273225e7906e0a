"""Which cases are asked, and in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from langsteer.evaluation.cases import Case


def in_order(cases: Sequence[Case], seed: int = 0) -> list[Case]:
    """The cases in a random order of which every beginning is spread over pairs and families.

    They come in rounds. In each round a pair of languages has one case, of another family each
    time; and within a round the families take turns.
    """
    generator = random.Random(seed)
    families = list(dict.fromkeys(case.prompt.family for case in cases))
    left: dict[tuple[str, str], dict[str, list[Case]]] = {}
    for case in generator.sample(cases, len(cases)):
        of_pair = left.setdefault((case.source, case.target), {})
        of_pair.setdefault(case.prompt.family, []).append(case)
    pairs = sorted(left)
    generator.shuffle(pairs)
    found: list[Case] = []
    turn = 0
    while any(left.values()):
        for place, pair in enumerate(pairs):
            groups = left[pair]
            if not groups:
                continue
            wanted = [
                families[(place + turn + step) % len(families)] for step in range(len(families))
            ]
            family = next(name for name in wanted if name in groups)
            found.append(groups[family].pop())
            if not groups[family]:
                del groups[family]
        turn += 1
    return found
