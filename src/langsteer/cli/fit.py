"""`langsteer fit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from langsteer.cli.chat_options import ChatTemplate
from langsteer.cli.corpus_options import CorpusColumns
from langsteer.cli.options import (
    AsJson,
    Languages,
    Layers,
    Loading,
    ModelName,
    numbers,
    tags,
)
from langsteer.errors import LangsteerError

if TYPE_CHECKING:
    from langsteer.data.corpus import Corpus
    from langsteer.engines.transformers.model import Model
    from langsteer.fitting.processes import Processes
    from langsteer.fitting.reading import Reading
    from langsteer.space.space import Space


def fit(
    model: ModelName,
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="JSONL, CSV or TSV file, also packed (.gz), Parquet file, a folder with one text "
            "file per language, or the name of a Hugging Face data set.",
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
    columns: CorpusColumns = CorpusColumns(),
    estimator: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME…]",
            help="Also store what these estimators need, such as second moments. The means, which "
            "difference, mean and effects need, are always stored.",
        ),
    ] = "difference",
    chat: Annotated[
        bool,
        typer.Option(
            "--chat",
            help="Put each text into the model's chat template. Only its own tokens count.",
        ),
    ] = False,
    turn: Annotated[
        str,
        typer.Option(
            metavar="SPEAKER",
            help="With --chat: whose turn a text is, assistant (an answer) or user (a question, "
            "after which the answer begins).",
        ),
    ] = "assistant",
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With --chat: the system message.")
    ] = None,
    template_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="With --chat: option of the chat template, such as enable_thinking=false. May be "
            "repeated.",
        ),
    ] = None,
    increments: Annotated[
        str | None,
        typer.Option(
            metavar="I,I[,I…]",
            help="Also fit edits at these layers together, such as 3,4,5, for --layer 3,4,5 later. "
            "All pairs of K languages at L layers take (K - 1)(L - 1) times as long as the rest.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TAG[,TAG…]", help="With --increments: only from these languages."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TAG[,TAG…]", help="With --increments: only to these languages."
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE",
            help="Read a language no further when its differences from all others are known to "
            "this cosine, such as 0.99, with 95 % confidence.",
        ),
    ] = None,
    shuffle: Annotated[
        int | None,
        typer.Option(
            metavar="SEED",
            min=0,
            help="Read the texts in an order shuffled by this seed, translations together. With "
            "--precision they are shuffled anyway.",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Read only this part of the texts, such as 1/4: the parts may be read at the same "
            "time, anywhere, and `langsteer merge` joins them. Several processes of one machine "
            "are easier started by torchrun.",
        ),
    ] = None,
    mergeable: Annotated[
        bool,
        typer.Option(
            "--mergeable",
            help="Keep what `langsteer merge` needs to be exact: all digits, and of matched means "
            "the equations. Parts have it.",
        ),
    ] = False,
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

    What is read is kept in FILE.reading once a minute: after an interruption the same command goes
    on from there. Under `torchrun --nproc-per-node N -m langsteer fit …` each of N processes reads
    a part, and the first writes the space.
    """
    from langsteer.cli.tables import show_written
    from langsteer.data.files import check_output
    from langsteer.engines.transformers.checkpoint import TENSOR_PARALLEL
    from langsteer.estimators.registry import keep_for
    from langsteer.fitting.processes import Processes
    from langsteer.fitting.reading import Reading
    from langsteer.statistics.scatter import GIBIBYTE

    check_output(output, inputs=(corpus, model))
    _check(pooling, chat, (turn, system, template_option), part)
    together = _together(increments, source, target, part)
    texts = columns.read(corpus)
    keep = keep_for((name.strip() for name in estimator.split(",")), pooling=pooling)
    if languages is not None:
        texts = texts.select(tags(languages, texts.languages))
    texts.require_languages()
    options = Reading(
        layers=numbers(layers),
        pooling=cast(Any, pooling),
        keep=replace(keep, limit=int(memory * GIBIBYTE)),
        precision=precision,
        shuffle=shuffle,
        chat=cast(Any, turn) if chat else None,
        conversation=ChatTemplate(True, system, template_option).options(),
    )
    with Processes.joined(divided=loading.device_map == TENSOR_PARALLEL) as processes:
        loaded = loading.load(model)
        state = output.with_name(f"{output.name}.reading")
        space = _read(loaded, texts, processes, options, state, part, progress=not as_json)
        if space is not None:
            space.save(output, mergeable=mergeable or part is not None)
        processes.wait()
        processes.own(state).unlink(missing_ok=True)
    if space is None:
        return
    if together is not None:
        pairs = pairs_of(space.languages, source, target)
        space = space.with_increments(loaded, texts, together, pairs, progress=not as_json)
        space.save(output)
    show_written(space, output, as_json=as_json)


def _check(
    pooling: str, chat: bool, of_chat: tuple[str, str | None, list[str] | None], part: str | None
) -> None:
    """Refuse what is known to be wrong before a model is loaded."""
    from langsteer.fitting.shard import Shard
    from langsteer.statistics.pooling import POOLINGS

    if pooling not in POOLINGS:
        raise LangsteerError(f"--pooling {pooling!r} is unknown. Use one of {', '.join(POOLINGS)}.")
    turn, system, template_option = of_chat
    if not chat and (turn != "assistant" or system is not None or template_option):
        raise LangsteerError("--turn, --system and --template-option need --chat. Give that too.")
    if part is not None:
        Shard.parse(part)


def _together(
    increments: str | None, source: str | None, target: str | None, part: str | None
) -> list[int] | None:
    """The layers that edits are fitted at together."""
    from langsteer.fitting.processes import started

    together = numbers(increments)
    if together is None and (source is not None or target is not None):
        raise LangsteerError("--from and --to choose the pairs of --increments. Give that as well.")
    if together is not None and len(together) < 2:
        raise LangsteerError(f"--increments {increments} names one layer, which needs none.")
    if together is not None and (part is not None or started() > 1):
        raise LangsteerError(
            "--increments are fitted on all texts, in one process. Leave them out here."
        )
    return together


def _read(
    model: Model,
    texts: Corpus,
    processes: Processes,
    options: Reading,
    state: Path,
    part: str | None,
    *,
    progress: bool,
) -> Space | None:
    """The space of the texts, or of a part; None in all but the first of several processes."""
    from langsteer.fitting.fit import fit as fit_space
    from langsteer.fitting.fit import fit_together
    from langsteer.fitting.shard import Shard

    if part is None:
        return fit_together(model, texts, processes, options, state=state, progress=progress)
    if processes.count > 1:
        raise LangsteerError(
            "--part is for one process; several, started together, divide the texts themselves"
        )
    shard = Shard.parse(part)
    return fit_space(model, texts, options, state=state, shard=shard, progress=progress)


def pairs_of(
    languages: tuple[str, ...], source: str | None, target: str | None
) -> list[tuple[str, str]]:
    """The ordered pairs of languages from those of one list to those of another.

    Raises:
        LanguageError: a language is not among those at hand.
        LangsteerError: there is no pair.
    """
    froms, tos = tags(source, languages), tags(target, languages)
    pairs = [(one, other) for one in froms for other in tos if one != other]
    if not pairs:
        raise LangsteerError(f"There is no pair of languages from {source} to {target}.")
    return pairs
