"""The header of a space: its parts as plain values, and back, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from torch import Tensor

from langsteer.edits.scope import Scope
from langsteer.errors import SpaceError
from langsteer.space.facts import CorpusFacts
from langsteer.space.fields import Fields, number
from langsteer.space.identity import ModelIdentity
from langsteer.space.increments import Increments
from langsteer.space.point import OperatingPoint, PairPoint, layers_of
from langsteer.space.trained import SHAPES, Trained, name_of

LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True)
class Extra:
    """What a newer version wrote that this one does not know: it is kept, and written again.

    `header` holds unknown fields in their places; `tensors` unknown tensors by name.
    """

    header: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def without(self, name: str) -> Extra:
        """The same without what belongs to one part of the header."""
        return Extra({key: one for key, one in self.header.items() if key != name}, self.tensors)


def model_of(header: Fields) -> ModelIdentity:
    """The model in a header."""
    model = header.fields("model")
    weights = model.fields("weights")
    shapes = model.fields("shapes") if model.has("shapes") else Fields({}, "model.shapes")
    return ModelIdentity(
        name=model.text("name"),
        model_type=model.text("model_type"),
        width=model.whole("width", 1),
        depth=model.whole("depth", 1),
        revision=model.optional_text("revision"),
        tokenizer=model.optional_text("tokenizer"),
        weights={name: weights.numbers(name) for name in weights.values},
        base_tokens=model.whole("base_tokens") if model.has("base_tokens") else None,
        shapes={name: shapes.wholes(name) for name in shapes.values},
    )


def corpus_of(header: Fields) -> CorpusFacts:
    """The corpus in a header."""
    corpus = header.fields("corpus")
    return CorpusFacts(
        name=corpus.text("name"),
        digest=corpus.text("digest"),
        texts=corpus.counts("texts"),
        tokens=corpus.counts("tokens"),
        chat=corpus.optional_text("chat"),
    )


def point_of(header: Fields) -> OperatingPoint | None:
    """The operating point in a header, if it has one."""
    if not header.has("operating_point"):
        return None
    point = header.fields("operating_point")
    pairs = point.items("pairs") if point.has("pairs") else []
    return OperatingPoint(
        **_place(point),
        split=point.optional_text("split") or "",
        pairs=tuple(
            _pair(Fields.of(own, f"operating_point.pairs[{i}]")) for i, own in enumerate(pairs)
        ),
        evidence=point.fields("evidence").values if point.has("evidence") else {},
    )


def increments_of(header: Fields, tensors: dict[str, Tensor], width: int) -> tuple[Increments, ...]:
    """The increments in a header; their tensors are taken out of `tensors`."""
    if not header.has("increments"):
        return ()
    found = []
    for i, values in enumerate(header.items("increments")):
        one = Fields.of(values, f"increments[{i}]")
        part = Increments(layers_of(one.wholes("layers")), one.text("scope"))
        shifts = {}
        for pair in one.items("pairs"):
            if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_tag, pair))):
                raise SpaceError(f"increments[{i}].pairs has {pair!r} for a pair of languages")
            name = part.name((pair[0], pair[1]))
            shifts[pair[0], pair[1]] = _rows(tensors, name, len(part.layers), width)
        found.append(Increments(part.layers, part.scope, shifts))
    return tuple(found)


def trained_of(header: Fields, tensors: dict[str, Tensor], width: int) -> Trained | None:
    """The trained vectors in a header; their tensors are taken out of `tensors`."""
    if not header.has("trained"):
        return None
    one = header.fields("trained")
    layers, shape = layers_of(one.wholes("layers")), one.text("shape")
    if shape not in SHAPES:
        raise SpaceError(f"trained.shape is {shape!r}, but should be one of {', '.join(SHAPES)}")
    size = 2 if shape in ("pairs", "roles") else 1
    vectors = {}
    for key in one.items("keys"):
        if not (isinstance(key, list) and len(key) == size and all(map(_is_tag, key))):
            raise SpaceError(f"trained.keys has {key!r} for the shape {shape!r}")
        vectors[tuple(key)] = _rows(tensors, name_of(tuple(key)), len(layers), width)
    scope = str(Scope.parse(one.text("scope")))
    record = one.fields("record").values if one.has("record") else {}
    return Trained(layers, scope, cast(Any, shape), vectors, record)


def trained_as_json(trained: Trained | None) -> dict[str, Any] | None:
    """Trained vectors without their tensors."""
    if trained is None:
        return None
    return {
        "layers": list(trained.layers),
        "scope": trained.scope,
        "shape": trained.shape,
        "keys": [list(key) for key in trained.vectors],
        "record": dict(trained.record),
    }


def versions_of(header: Fields) -> dict[str, str]:
    """The versions in a header."""
    versions = header.fields("versions")
    return {name: versions.text(name) for name in versions.values}


def check_places(model: ModelIdentity, layers: tuple[int, ...], languages: tuple[str, ...]) -> None:
    """Require layers inside the model and tags of languages, each once."""
    if max(layers_of(layers)) >= model.depth:
        raise SpaceError(f"statistics.layers has layer {max(layers)} of {model.depth}")
    for language in languages:
        if not _is_tag(language):
            raise SpaceError(f"statistics.languages has {language!r}, which is no language tag")
    if len(set(languages)) != len(languages) or not languages:
        raise SpaceError(f"statistics.languages is {list(languages)}: not each language once")


def check_point(point: OperatingPoint, layers: tuple[int, ...], languages: tuple[str, ...]) -> None:
    """Require that the layers and languages of a point are there."""
    every: list[OperatingPoint | PairPoint] = [point, *point.pairs]
    for own in every:
        if missing := set(own.layers) - set(layers):
            raise SpaceError(f"the operating point has layer {min(missing)}, but the space has not")
    for pair in point.pairs:
        for language in (pair.source, pair.target):
            if language not in languages:
                said = f"the operating point has the language {language!r}"
                raise SpaceError(f"{said}, but the space has not")


def increments_as_json(increments: tuple[Increments, ...]) -> list[dict[str, Any]]:
    """Increments without their tensors."""
    return [
        {
            "layers": list(one.layers),
            "scope": one.scope,
            "estimator": "difference",
            "pairs": [list(pair) for pair in one.shifts],
        }
        for one in increments
    ]


def unknown(raw: Any, ours: Any) -> Any:
    """What is in `raw`, but not in `ours`: the same nesting of objects, unknown fields alone."""
    if not isinstance(raw, Mapping) or not isinstance(ours, Mapping):
        return {}
    found = {key: value for key, value in raw.items() if key not in ours}
    for key in raw.keys() & ours.keys():
        if inner := unknown(raw[key], ours[key]):
            found[key] = inner
    return found


def joined(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields with those that are unknown to us in their places."""
    whole_ = dict(ours)
    for key, value in extra.items():
        mine = whole_.get(key)
        if isinstance(mine, Mapping) and isinstance(value, Mapping):
            whole_[key] = joined(mine, value)
        else:
            whole_.setdefault(key, value)
    return whole_


def point_as_json(point: OperatingPoint | None) -> dict[str, Any] | None:
    """An operating point as plain values."""
    return None if point is None else asdict(point)


def _place(point: Fields) -> dict[str, Any]:
    """The fields that every point has."""
    scores = point.fields("scores") if point.has("scores") else Fields({}, "scores")
    return {
        "layers": tuple(point.wholes("layers")),
        "strength": point.number("strength"),
        "scope": point.text("scope"),
        "estimator": point.text("estimator"),
        "scores": {
            name: number(value, f"{scores.where}.{name}")
            for name, value in scores.values.items()
            if value is not None
        },
    }


def _pair(own: Fields) -> PairPoint:
    return PairPoint(source=own.text("source"), target=own.text("target"), **_place(own))


def _rows(tensors: dict[str, Tensor], name: str, layers: int, width: int) -> Tensor:
    if name not in tensors:
        raise SpaceError(f"there is no tensor {name!r}")
    value = tensors.pop(name)
    if tuple(value.shape) != (layers, width) or not value.is_floating_point():
        raise SpaceError(f"the tensor {name!r} has the shape {list(value.shape)}")
    return value


def _is_tag(value: object) -> bool:
    return isinstance(value, str) and LANGUAGE.fullmatch(value) is not None
