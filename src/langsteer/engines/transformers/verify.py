"""Is the edit exact on this model? What a user runs when in doubt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.steered import steering
from langsteer.engines.transformers.stream import ResidualStream, find_layers
from langsteer.errors import LangsteerError
from langsteer.space.space import Space

_NEW, _NEIGHBOURS = 3, 4
_SCOPES = ("all", "prompt", "prompt_last", "generated")
_STRENGTH = 0.5  # of the median norm of a latent: enough to show above rounding


@dataclass(frozen=True)
class Check:
    """One thing that was checked: its name, whether it held, and what was seen."""

    name: str
    ok: bool
    detail: str


class _FailedError(Exception):
    """A check did not hold; the message says what was seen."""


def verify(loaded: Model, space: Space | None = None) -> list[Check]:
    """Check that steering is exact on this model, and that a space fits it.

    Nothing here depends on what the model has learnt: random tokens and random shifts are used.
    """
    checks = verify_stream(loaded.stream)
    if space is not None:
        checks.append(_check("space", lambda: _space(loaded, space)))
    return checks


def verify_stream(stream: ResidualStream) -> list[Check]:
    """Check that steering is exact on the model of this stream."""
    prober = _Prober(stream)
    return [
        _check("layers", prober.layers),
        _check("strength 0", prober.strength_zero),
        _check("positions", prober.positions),
        _check("unsteered rows", prober.unsteered_rows),
        _check("batch equals single", prober.batch_equals_single),
        _check("cached equals uncached", prober.cached_equals_uncached),
        _check("first generated token", prober.first_token),
    ]


def _check(name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(name, True, run())
    except _FailedError as failure:
        return Check(name, False, str(failure))
    except Exception as error:  # the model's own code may fail in any way; the user is told how
        return Check(name, False, f"{type(error).__name__}: {error}")


class _Prober:
    """The checks on one stream."""

    def __init__(self, stream: ResidualStream) -> None:
        self._stream = stream
        generator = torch.Generator().manual_seed(0)
        vocabulary = cast(Tensor, stream.model.get_input_embeddings().weight).shape[0]
        special = {
            token
            for name in ("bos_token_id", "eos_token_id", "pad_token_id", "image_token_id")
            for token in [getattr(stream.model.config.get_text_config(decoder=True), name, None)]
            if isinstance(token, int)
        }
        plain = torch.tensor(
            [token for token in range(min(vocabulary, 512)) if token not in special]
        )
        draw = torch.randint(len(plain), (2, 6), generator=generator)
        self._ids = plain[draw].to(stream.device)
        self._vector = torch.randn(stream.width, generator=generator)
        self._layer = stream.depth // 2

    def layers(self) -> str:
        """The layers are still those that were bound, and run once each, in order."""
        stream = self._stream
        found = find_layers(stream.model, stream.path)
        if found.layers != stream.layers:
            raise _FailedError(
                f"the layers at {stream.path} are not those that were bound; bind the model again"
            )
        return (
            f"{stream.path}: {stream.depth} layers of {type(stream.layers[0]).__name__}, "
            f"width {stream.width}, each ran once, in order"
        )

    def strength_zero(self) -> str:
        """Strength 0 gives the unsteered logits, bit for bit, in every scope."""
        plain = self._logits(self._ids)
        beside = 0.0
        for scope in _SCOPES:
            zero = self._edit(scope, 0.0)
            with steering(self._stream, zero):
                found = self._logits(self._ids)
            if not torch.equal(found, plain):
                raise _FailedError(f"the logits differ by {_gap(found, plain):.1e}")
            beside = max(beside, self._untouched([zero, self._edit(scope)], 0))
        return f"the logits are those of the unsteered model, {_exactly(beside)}"

    def positions(self) -> str:
        """At every layer the change is the shift at the chosen position and nothing elsewhere."""
        chosen, norms = 2, []
        for layer in range(self._stream.depth):
            (before,) = self._stream.read(self._ids, None, [layer])
            with steering(self._stream, self._edit(f"start[{chosen}:{chosen + 1}]", layer=layer)):
                (after,) = self._stream.read(self._ids, None, [layer])
            change = (after.float() - before.float()).norm(dim=-1)
            others = [column for column in range(change.shape[1]) if column != chosen]
            if bool(change[:, others].any()):
                raise _FailedError(f"at layer {layer} positions outside the scope changed")
            if not bool((change[:, chosen] > 0).all()):
                raise _FailedError(f"at layer {layer} nothing changed in the scope")
            norms.append(float(change[:, chosen].mean()))
        low, high = min(norms), max(norms)
        return (
            f"all {len(norms)} hooks fired; the change has norm {low:.3g} to {high:.3g}, "
            "and 0 elsewhere"
        )

    def unsteered_rows(self) -> str:
        """A row without an edit is bit-exactly unsteered beside one with."""
        edits = [self._edit("all"), None]
        gap = self._untouched(edits, 1)
        with steering(self._stream, edits):
            mixed = self._logits(self._ids)
        if torch.equal(mixed[0], self._logits(self._ids)[0]):
            raise _FailedError("the steered row did not change")
        return f"unsteered beside a steered row, {_exactly(gap)}"

    def batch_equals_single(self) -> str:
        """A short row, padded on the left beside a long one, equals the same row alone."""
        width, short = self._ids.shape[1], 4
        mask = torch.ones_like(self._ids)
        mask[1, : width - short] = 0

        def gap(edit: Edit | None) -> float:
            with steering(self._stream, edit):
                together = self._generate(self._ids, mask)
                alone = self._generate(self._ids[1:, width - short :], None)
            return _gap(together[:1, 1], alone[:1, 0])

        return self._same(gap)

    def cached_equals_uncached(self) -> str:
        """Every step's logits are those of the whole sequence, recomputed."""

        def gap(edit: Edit | None) -> float:
            with steering(self._stream, edit):
                cached = self._generate(self._ids, None)
                uncached = self._generate(self._ids, None, use_cache=False)
            return _gap(cached, uncached)

        return self._same(gap)

    def first_token(self) -> str:
        """`generated` steers the token that the prompt's last position decides."""
        plain = self._generate(self._ids, None)
        with steering(self._stream, self._edit("generated")):
            steered = self._generate(self._ids, None)
        if torch.equal(plain[0], steered[0]):
            raise _FailedError("the first generated token is not steered")
        return "steered by the scope `generated`"

    def _untouched(self, edits: list[Edit | None], row: int) -> float:
        """Require that the edits leave this row alone; how much its logits differ.

        They must not differ at all, unless the model itself computes its rows together (experts
        do): then a row's rounding depends on its neighbours, in the unsteered model as well.
        """
        plain = self._logits(self._ids)[row]
        (before,) = self._stream.read(self._ids, None, [self._layer])
        with steering(self._stream, edits):
            (after,) = self._stream.read(self._ids, None, [self._layer])
            found = self._logits(self._ids)[row]
        gap = _gap(found, plain)
        if not torch.equal(before[row], after[row]):
            raise _FailedError(f"its latents at layer {self._layer} changed")
        if gap and gap > 10 * self._mixing(row):
            raise _FailedError(f"its logits differ by {gap:.1e}")
        return gap

    def _mixing(self, row: int) -> float:
        """How much a row's logits depend on its neighbour's tokens in the unsteered model."""
        plain, gaps = self._logits(self._ids)[row], []
        for turn in range(1, _NEIGHBOURS + 1):
            ids = self._ids.clone()
            ids[1 - row] = self._ids.flatten().roll(turn)[: ids.shape[1]]
            gaps.append(_gap(self._logits(ids)[row], plain))
        return max(gaps)

    def _same(self, gap: Callable[[Edit | None], float]) -> str:
        """Require that two ways of running agree, or differ no more than they do unsteered."""
        tolerance = 1e-3 if self._stream.model.dtype == torch.float32 else 6e-2
        steered = gap(self._edit("generated"))
        if steered <= tolerance:
            return f"to rounding: {steered:.1e} of the range of the logits"
        unsteered = gap(None)
        if steered <= 3 * unsteered:
            return (
                f"differ by {steered:.1e}, but so they do in the unsteered model "
                f"({unsteered:.1e}): that is the model's own"
            )
        raise _FailedError(
            f"the logits differ by {steered:.1e} of their range, unsteered by {unsteered:.1e}"
        )

    def _edit(self, scope: str, strength: float = 1.0, layer: int | None = None) -> Edit:
        layer = self._layer if layer is None else layer
        (latents,) = self._stream.read(self._ids, None, [layer])
        size = latents.float().norm(dim=-1).median().cpu() * _STRENGTH
        vector = self._vector / self._vector.norm() * size
        return Edit({layer: Shift(vector)}, strength, Scope.parse(scope))

    def _logits(self, ids: Tensor) -> Tensor:
        with torch.inference_mode():
            return cast(Tensor, self._stream.model(input_ids=ids, use_cache=False).logits)

    def _generate(self, ids: Tensor, mask: Tensor | None, use_cache: bool = True) -> Tensor:
        """The logits [steps, rows, vocabulary] of a few greedy steps."""
        options: dict[str, Any] = {"eos_token_id": None, "pad_token_id": 0, "do_sample": False}
        out = cast(Any, self._stream.model).generate(
            ids,
            attention_mask=torch.ones_like(ids) if mask is None else mask,
            max_new_tokens=_NEW,
            use_cache=use_cache,
            return_dict_in_generate=True,
            output_logits=True,
            **options,
        )
        return torch.stack(out.logits)


def _space(loaded: Model, space: Space) -> str:
    try:
        space.check(loaded.stream, loaded.tokenizer)
    except LangsteerError as error:
        raise _FailedError(str(error)) from error
    return "was fitted on this model"


def _exactly(gap: float) -> str:
    if not gap:
        return "bit for bit"
    return f"to {gap:.1e}: the model computes its rows together, so the rounding depends on all"


def _gap(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a part of the largest value."""
    scale = wanted.float().abs().max().clamp(min=1e-9)
    return float((found.float() - wanted.float()).abs().max() / scale)
