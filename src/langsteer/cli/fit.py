"""`langsteer fit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from langsteer.cli.options import (
    AsJson,
    Languages,
    Layers,
    Loading,
    ModelName,
    escaped,
    numbers,
    out,
    print_json,
    tags,
)
from langsteer.errors import LangsteerError


def fit(
    model: ModelName,
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="JSONL, CSV or TSV file, a folder with one text file per language, or the name of "
            "a Hugging Face data set.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write the space.")
    ],
    languages: Languages = None,
    layers: Layers = None,
    pooling: Annotated[
        str,
        typer.Option(
            help="What is averaged. tokens: all tokens; text: one mean for each text; last: the "
            "last token of each text; matched: tokens that the languages share, for plain text."
        ),
    ] = "tokens",
    text_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column or key of the text.")
    ] = "text",
    language_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column or key of the language tag.")
    ] = "language",
    concept_column: Annotated[
        str,
        typer.Option(metavar="NAME", help="Column or key that all translations of one text share."),
    ] = "concept",
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Split of a Hugging Face data set.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use at most this many texts of each language.")
    ] = None,
    estimator: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME…]",
            help="Also store what these estimators need, such as second moments. The means, which "
            "difference, mean and effects need, are always stored.",
        ),
    ] = "difference",
    memory: Annotated[
        float, typer.Option("--memory", min=0, help="Memory limit for what is stored, in GiB.")
    ] = 4.0,
    loading: Loading = Loading(),
    as_json: AsJson = False,
) -> None:
    """Estimate where the languages of CORPUS lie in the residual stream of MODEL.

    One pass over the corpus serves every layer and every estimator. The command then prints how
    precisely the difference between each two languages is known and, where that is not precise
    enough, how many more texts are needed.
    """
    from langsteer.cli.tables import inspection, print_inspection
    from langsteer.data.corpus import read_corpus
    from langsteer.data.files import check_output
    from langsteer.estimators.registry import keep_for
    from langsteer.fitting.fit import fit as fit_space
    from langsteer.fitting.reading import Reading
    from langsteer.statistics.pooling import POOLINGS
    from langsteer.statistics.scatter import GIBIBYTE

    check_output(output, inputs=(corpus, model))
    if pooling not in POOLINGS:
        raise LangsteerError(f"--pooling {pooling!r} is unknown. Use one of {', '.join(POOLINGS)}.")
    texts = read_corpus(
        corpus,
        text_column=text_column,
        language_column=language_column,
        concept_column=concept_column,
        split=split,
    )
    keep = keep_for((name.strip() for name in estimator.split(",")), pooling=pooling)
    if languages is not None:
        texts = texts.select(tags(languages, texts.languages))
    if limit is not None:
        texts = texts.limit(limit)
    texts.require_languages()
    loaded = loading.load(model)
    space = fit_space(
        loaded,
        texts,
        Reading(
            layers=numbers(layers),
            pooling=cast(Any, pooling),
            keep=replace(keep, limit=int(memory * GIBIBYTE)),
        ),
        progress=not as_json,
    )
    space.save(output)
    found = inspection(space)
    if as_json:
        print_json({"space": str(output), **found})
    else:
        print_inspection(found, out)
        out.print(f"\nwrote [bold]{escaped(output)}[/bold]", highlight=False)
