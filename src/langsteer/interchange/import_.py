"""Make a space from files of other tools.

An importer is one file with an :class:`Importer`, and one line in ``MODULES``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor

from langsteer.data.files import spoken
from langsteer.errors import LanguageError, SpaceError
from langsteer.interchange.importer import Found, Importer, LayerNumbers, size_of
from langsteer.interchange.model_config import Shape, shape_of
from langsteer.space.facts import CorpusFacts
from langsteer.space.identity import ModelIdentity
from langsteer.space.increments import Increments
from langsteer.space.point import OperatingPoint
from langsteer.space.space import Space
from langsteer.statistics import Moments, Statistics
from langsteer.text.tags import normalise

MODULES = (
    "read_clas_bench",
    "read_steering_vectors",
    "read_recover",
    "read_gguf",
    "read_json",
)
"""The files with an importer, each called ``IMPORTER`` there."""
MOST_SAID = 300
"""Letters of a message that may quote what is in a file."""
IMPORTERS: tuple[Importer, ...] = tuple(
    import_module(f"langsteer.interchange.{name}").IMPORTER for name in MODULES
)


@dataclass(frozen=True)
class ImportOptions:
    """What the files do not say.

    `model` is the folder of their model or its hub name, of which the configuration is read.
    `source` and `target` are the languages of a direction. `layer_base` is the number of the first
    layer in the files. `scale` multiplies all vectors.
    """

    model: str | None = None
    source: str | None = None
    target: str | None = None
    layer_base: int | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Imported:
    """A space, and what was found in each file."""

    space: Space
    files: Mapping[Path, Found]
    notes: tuple[str, ...]


def import_files(paths: Sequence[Path], options: ImportOptions = ImportOptions()) -> Imported:
    """The space that files of other tools make: means of languages, or one direction.

    Of means the differences are those of the space. A direction from one language to another
    becomes an edit at all of its layers at once, as in the tool that it comes from, and the
    operating point; single layers can be asked for.

    Raises:
        SpaceError: a file is of no known format or damaged, files do not belong together, or
            something must be said that they do not say.
        LanguageError: a language is no tag.
        ModelError: the configuration of the model cannot be read.
    """
    if not torch.isfinite(torch.tensor(options.scale)) or not options.scale:
        raise SpaceError(f"the scale is {options.scale}; give a finite number that is not 0")
    shape = None if options.model is None else shape_of(options.model)
    numbers = LayerNumbers(options.layer_base, None if shape is None else shape.depth)
    found = {path: _scaled(_read(path, numbers), options.scale) for path in paths}
    _require_alike(found, shape)
    if next(iter(found.values())).kind == "mean":
        space = _of_means(found, options, shape)
    else:
        space = _of_direction(found, options, shape)
    return Imported(space, found, _notes(found, shape))


def _read(path: Path, numbers: LayerNumbers) -> Found:
    """What is in a file, by whichever importer knows it."""
    size_of(path)
    with path.open("rb") as file:
        begin = file.read(8)
    try:
        for importer in IMPORTERS:
            if begin.lstrip().startswith(importer.begins):
                found = importer.read(path, numbers)
                if found is not None:
                    return found
    except SpaceError as error:
        said = " ".join(str(error).split())[:MOST_SAID].rstrip(".")
        raise SpaceError(f"{spoken(path)}: {said}.") from error
    known = "; ".join(importer.summary for importer in IMPORTERS)
    raise SpaceError(f"{spoken(path)} is of no format that can be imported: {known}.")


def _scaled(found: Found, scale: float) -> Found:
    if scale == 1:
        return found
    vectors = {layer: (one.double() * scale).float() for layer, one in found.vectors.items()}
    return replace(found, vectors=vectors)


def _require_alike(found: Mapping[Path, Found], shape: Shape | None) -> None:
    """All files must be of one kind and shape, and that of the model."""
    first_path, first = next(iter(found.items()))
    for path, one in found.items():
        mine, other = (one.kind, one.width), (first.kind, first.width)
        if mine != other or set(one.vectors) != set(first.vectors):
            raise SpaceError(
                f"{spoken(path)} does not belong to {spoken(first_path)}: a {one.kind} of width "
                f"{one.width} at {len(one.vectors)} layers, and a {first.kind} of width "
                f"{first.width} at {len(first.vectors)}."
            )
    if shape is None:
        return
    if first.width != shape.width or (first.depth or shape.depth) != shape.depth:
        raise SpaceError(
            f"{spoken(first_path)} is of another model: its vectors are {first.width} wide "
            f"{'' if first.depth is None else f'at {first.depth} layers '}and the model has "
            f"{shape.depth} layers of width {shape.width}."
        )


def _of_means(found: Mapping[Path, Found], options: ImportOptions, shape: Shape | None) -> Space:
    means: dict[str, Found] = {}
    for path, one in found.items():
        language = _language(path, one)
        if language in means:
            raise SpaceError(f"{spoken(path)} is a second mean of {language}. Give one of each.")
        means[language] = one
    if len(means) < 2:
        raise SpaceError("one mean alone makes no difference. Give the files of two languages.")
    vectors = {language: one.vectors for language, one in means.items()}
    first = next(iter(means.values()))
    tokens = {language: one.tokens for language, one in means.items()}
    return _space(vectors, first, tokens, options, shape)


def _of_direction(
    found: Mapping[Path, Found], options: ImportOptions, shape: Shape | None
) -> Space:
    (path, one), *others = found.items()
    if others:
        raise SpaceError(
            f"{spoken(path)} and {spoken(others[0][0])} are directions; import one at a time."
        )
    if options.source is None or options.target is None:
        raise SpaceError(
            f"{spoken(path)} is a direction and does not say between which languages. Give both, "
            "such as --from en --to de."
        )
    source, target = normalise(options.source), normalise(options.target)
    if source == target:
        raise LanguageError(f"the direction leads from {source} to itself. Give two languages.")
    if one.depth is None:
        raise SpaceError(
            f"{spoken(path)} does not say how many layers its model has. Name the model's folder "
            "with --model."
        )
    # Half on each side: only the difference of the two is known, and comes out bit for bit.
    half = {layer: vector.double() / 2 for layer, vector in one.vectors.items()}
    vectors = {source: {layer: -vector for layer, vector in half.items()}, target: half}
    space = _space(vectors, one, {source: 0, target: 0}, options, shape)
    layers = tuple(sorted(one.vectors))
    if len(layers) == 1:
        return replace(space, operating_point=OperatingPoint(layers=layers))
    whole = torch.stack([one.vectors[layer] for layer in layers])
    shifts = {(source, target): whole, (target, source): -whole}
    return replace(
        space,
        increments=(Increments(layers, "all", shifts),),
        operating_point=OperatingPoint(layers=layers),
    )


def _language(path: Path, found: Found) -> str:
    given = found.language
    if given is None:
        raise SpaceError(
            f"{spoken(path)} does not say its language. Call it as its tool does, such as "
            "vector.de.llama or deu.npy."
        )
    try:
        return normalise(given)
    except LanguageError as error:
        raise LanguageError(f"{spoken(path)}: {error}") from error


def _space(
    vectors: Mapping[str, Mapping[int, Tensor]],
    found: Found,
    tokens: Mapping[str, int],
    options: ImportOptions,
    shape: Shape | None,
) -> Space:
    layers = sorted(next(iter(vectors.values())))
    statistics = Statistics.empty(layers, found.width, list(vectors), pooling=found.pooling)
    for language, mine in vectors.items():
        mean = torch.stack([mine[layer] for layer in layers]).double()
        blank = Moments.empty(len(layers), found.width)
        # One text: what it is the mean of is not in the file, so its error is not known.
        statistics.moments[language] = replace(
            blank, texts=1, tokens=tokens[language], weight=1.0, weight2=1.0, mean=mean
        )
    model = ModelIdentity(
        name=options.model or "",
        model_type=found.model_type if shape is None else shape.model_type,
        width=found.width,
        depth=found.depth or len(layers),
        revision=None,
        tokenizer=None,
        weights={},
    )
    facts = CorpusFacts(
        name=f"imported from {found.format}",
        digest="",
        texts=dict.fromkeys(vectors, 1),
        tokens=dict(tokens),
    )
    return Space(model=model, corpus=facts, statistics=statistics)


def _notes(found: Mapping[Path, Found], shape: Shape | None) -> tuple[str, ...]:
    first = next(iter(found.values()))
    notes = list(first.notes)
    if first.unit_norm:
        notes.append(
            "all vectors have norm 1: their natural size is lost, so strength 1 is a step of that "
            "length; give --scale, or tune the strength"
        )
    hint = first.model_type
    if (
        shape is not None
        and hint
        and hint not in (shape.model_type, shape.model_type.split("_")[0])
    ):
        notes.append(f"the file is for a {hint}, and the model is a {shape.model_type}")
    if shape is None:
        notes.append("no model was named, so that only shapes can be compared with one")
    return tuple(notes)
