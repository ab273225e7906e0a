"""Everything that estimators know about a corpus: one pass, every layer, mergeable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from langsteer.errors import LatentError, SpaceError
from langsteer.statistics.alignment import Alignment
from langsteer.statistics.matching import Matching
from langsteer.statistics.moments import Moments
from langsteer.statistics.results import Results
from langsteer.statistics.sample import Sample
from langsteer.statistics.scatter import POOLED, Keep, Scatter


@dataclass(slots=True)
class Statistics:
    """Float64 statistics of text latents, per layer and language; activations are not kept.

    `layers` are 0-based layers, in the order of every tensor's first dimension. `dropped` counts
    tokens that were left out, by reason; `duplicates` the copies of texts that were, by language.
    With a `matching`, the means are those of the languages at the same tokens, `matched_error`
    `[layers, K, K]` is their sampling covariance, summed over coordinates, and scatter is of the
    texts as they are.
    """

    layers: tuple[int, ...]
    width: int
    pooling: str
    moments: dict[str, Moments]
    alignment: Alignment
    scatter: Scatter
    sample: Sample
    dropped: dict[str, int] = field(default_factory=dict)
    matching: Matching | None = None
    matched_error: Tensor | None = None
    duplicates: dict[str, int] = field(default_factory=dict)
    _memo: Results = field(default_factory=Results, repr=False)

    @classmethod
    def empty(
        cls,
        layers: Sequence[int],
        width: int,
        languages: Sequence[str],
        *,
        pooling: str = "tokens",
        keep: Keep | None = None,
        device: torch.device | None = None,
    ) -> Statistics:
        """Statistics of no text. Raises `SpaceError` when `keep` needs more than its limit.

        On another `device` than the CPU they only take texts; bring them back with `to`.
        """
        keep = keep or Keep()
        keep.check(layers, width, len(languages))
        at = [list(layers).index(layer) for layer in keep.at(layers)]
        return cls(
            layers=tuple(layers),
            width=width,
            pooling=pooling,
            moments={language: Moments.empty(len(layers), width, device) for language in languages},
            alignment=Alignment.empty(languages, len(layers), width, device),
            scatter=Scatter.empty(
                keep.second_moments, at, width, languages, keep.observation, device
            ),
            sample=Sample.empty(keep.sample, at, width, languages),
        )

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in the order of `alignment`."""
        return tuple(self.moments)

    def update(
        self,
        means: Tensor,
        weights: Tensor,
        languages: Sequence[str],
        concepts: Sequence[str | None],
        *,
        tokens: Sequence[int] | None = None,
    ) -> None:
        """Fold texts in. A call should hold all texts of the concepts in it.

        `means [n, layers, d]`: mean latent of each text; `weights [n]` positive: its number of
        tokens under pooling 'tokens', else 1. `tokens`: its number of tokens, for the record.
        Where second moments are of tokens, `scatter.add_within` takes what tokens have beyond this.
        Raises `LatentError` when a mean is not finite, naming layer and text.
        """
        if self.matching is not None:
            raise ValueError("Matched statistics take no more texts; merge them with others.")
        self._memo.clear()
        means = means.detach().to(self.alignment.moment)
        weights = weights.detach().to("cpu", torch.float64)
        self._check(means, weights, languages)
        rows: dict[str, list[int]] = {}
        for i, language in enumerate(languages):
            rows.setdefault(language, []).append(i)
        for language, chosen in rows.items():
            count = sum(tokens[i] for i in chosen) if tokens is not None else 0
            part, w = means[chosen], weights[chosen]
            batch = Moments.of(part, w, count)
            self.scatter.add(language, part - batch.mean, w)
            self._join(language, batch)
            self.sample.add(language, part, w, [concepts[i] for i in chosen])
        known = self.alignment.languages
        aligned = Alignment.of(means, weights, languages, concepts, known)
        if aligned.concepts:
            self.alignment = self.alignment.merge(aligned)

    def to(self, device: torch.device) -> Statistics:
        """The same statistics, on a device."""
        return replace(
            self,
            moments={language: part.to(device) for language, part in self.moments.items()},
            alignment=self.alignment.to(device),
            scatter=self.scatter.to(device),
        )

    def match(self, matching: Matching) -> None:
        """Put the language means where they would be if all languages had the same tokens.

        `matching` is of the same texts (its `gains` say which model). The mean over all languages
        stays where it is.
        """
        self._memo.clear()
        moments = self._unmatched()
        plain = torch.stack([part.mean for part in moments.values()], 1)
        placed = matching.over(self.languages, matching.tokens)
        self.matching = replace(placed, plain=plain)
        known = bool(self.matching.jackknife.tokens.any())
        self.matched_error = self.matching.error() if known else None
        weights = [part.weight for part in moments.values()]
        means = self.matching.means(torch.tensor(weights, dtype=torch.float64))
        for i, (language, part) in enumerate(moments.items()):
            self.moments[language] = replace(part, mean=means[:, i])

    def merge(self, other: Statistics) -> Statistics:
        """Statistics of the texts of both, as one pass would have given them, to rounding.

        A text that is in both counts twice, and errors are too small by that: copies are only found
        within one corpus. Divide a corpus so that copies stay together, or leave them out before.
        Of matched statistics this holds if both were made with one table of tokens: see `Matching`.

        Raises `SpaceError` when layers, width or pooling differ.
        """
        mine = (self.layers, self.width, self.pooling)
        theirs = (other.layers, other.width, other.pooling)
        if mine != theirs:
            raise SpaceError(
                f"Statistics of (layers, width, pooling) {mine} and {theirs} cannot be merged. "
                "Collect both from one model with the same settings."
            )
        if self.pooling == "matched" and (self.matching is None or other.matching is None):
            raise SpaceError(
                "Matched statistics that come from a file hold means alone and cannot be merged, "
                "unless they were saved to be merged. Fit again with --mergeable (on the command "
                "line) or save with mergeable=True, and merge those."
            )
        languages = tuple(dict.fromkeys(self.languages + other.languages))
        first, second = self._unmatched(), other._unmatched()
        blank = Moments.empty(len(self.layers), self.width)
        merged = Statistics(
            layers=self.layers,
            width=self.width,
            pooling=self.pooling,
            moments={language: first.get(language, blank) for language in languages},
            alignment=self.alignment.over(languages).merge(other.alignment.over(languages)),
            scatter=self.scatter.merge(other.scatter),
            sample=self.sample.merge(other.sample),
            dropped=_added(self.dropped, other.dropped),
            duplicates=_added(self.duplicates, other.duplicates),
        )
        for language, part in second.items():
            merged._join(language, part)
        if self.matching is not None and other.matching is not None:
            merged.match(self.matching.merge(other.matching))
        return merged

    def at(self, layer: int) -> int:
        """Position of `layer` in the tensors; `SpaceError` where it was not collected."""
        if layer not in self.layers:
            raise SpaceError(
                f"Layer {layer} is not in these statistics, which have the layers "
                f"{_ranges(self.layers)}. Choose one of those, or fit again with layer {layer}."
            )
        return self.layers.index(layer)

    def mean(self, language: str, layer: int) -> Tensor:
        """`[d]`: mean latent of a language at `layer`."""
        return self.moments[language].mean[self.at(layer)]

    def means(self, layer: int) -> Tensor:
        """`[K, d]`: mean latents of all languages at `layer`, in the order `languages`."""
        return torch.stack([self.mean(language, layer) for language in self.languages])

    def within_variance(self) -> Tensor:
        """`[layers, d]`: variance of the latents within languages, pooled; 0 with a text each."""
        parts = [part for part in self.moments.values() if part.texts > 1]
        if not parts:
            return torch.zeros(len(self.layers), self.width, dtype=torch.float64)
        scatter = torch.stack([part.scatter for part in parts]).sum(0)
        return scatter / sum(part.degrees for part in parts)

    def covariance(self, layer: int, language: str | None = None) -> Tensor:
        """`[d, d]`: covariance within `language`, or pooled within all languages (None).

        Raises `SpaceError` when the second moments were not collected there.
        """
        mode, position = self.scatter.mode, self.at(layer)
        wanted = "pooled" if language is None else "language"
        if mode == "none" or (language is not None and mode == "pooled"):
            raise SpaceError(
                f"Second moments ({wanted}) are needed at layer {layer}, but these statistics "
                f"were collected with second_moments={mode!r}. Fit again with "
                f"second_moments={wanted!r}."
            )
        if position not in self.scatter.at:
            have = _ranges([self.layers[i] for i in self.scatter.at])
            raise SpaceError(
                f"Second moments were collected at the layers {have} only, not at {layer}. "
                "Choose one of those, or fit again with that layer."
            )
        i = self.scatter.at.index(position)
        if language is not None:
            return self.scatter.sums[language][i].double() / self._degrees(language)
        degrees = sum(self._degrees(one) for one in self.moments)
        if mode == "pooled":
            return self.scatter.sums[POOLED][i].double() / degrees
        whole = torch.zeros(self.width, self.width, dtype=torch.float64)
        for sums in self.scatter.sums.values():
            whole += sums[i]
        return whole / degrees

    def memo(self, key: tuple[object, ...], make: Callable[[], Tensor]) -> Tensor:
        """What `make` gave for `key` before, if the statistics have not changed since."""
        found = self._memo.get(key)
        return self._memo.keep(key, make()) if found is None else found

    def _degrees(self, language: str) -> float:
        """What the scatter of a language is divided by to be a covariance without bias."""
        part = self.moments[language]
        if self.scatter.observation == "texts":
            return part.degrees
        return part.weight - 1 if part.texts else 0.0

    def _unmatched(self) -> dict[str, Moments]:
        """The moments with the means of the texts as they are."""
        if self.matching is None:
            return self.moments
        plain = self.matching.plain
        return {
            language: replace(part, mean=plain[:, i])
            for i, (language, part) in enumerate(self.moments.items())
        }

    def _join(self, language: str, batch: Moments) -> None:
        """Merge `batch` into a language, with the scatter due to the distance of the means."""
        old = self.moments[language]
        if old.texts and batch.texts:
            mass = old.weight * batch.weight / (old.weight + batch.weight)
            gap = (batch.mean - old.mean)[None]
            self.scatter.add(language, gap, torch.tensor([mass], dtype=torch.float64))
        self.moments[language] = old.merge(batch)

    def _check(self, means: Tensor, weights: Tensor, languages: Sequence[str]) -> None:
        expected = (len(weights), len(self.layers), self.width)
        if tuple(means.shape) != expected:
            raise ValueError(f"Means have the shape {tuple(means.shape)}, expected {expected}.")
        if not bool((weights > 0).all()):
            raise ValueError("The weight of a text must be positive.")
        if unknown := set(languages) - set(self.moments):
            raise ValueError(f"Languages that these statistics are not about: {sorted(unknown)}.")
        broken = (~means.isfinite()).any(-1).nonzero()
        if len(broken):
            text, layer = broken[0].tolist()
            raise LatentError(
                f"The latent of text {text} of this batch is not finite at layer "
                f"{self.layers[layer]}. Run the model in float32 or bfloat16, or leave that text "
                "out."
            )


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The counts of both, zeros among them."""
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _ranges(layers: Sequence[int]) -> str:
    """'0-5' for consecutive numbers, else the numbers."""
    numbers = list(layers)
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))
