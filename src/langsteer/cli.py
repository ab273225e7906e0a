"""The commands. Thin: each reads its options, calls the library and prints what came back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from langsteer.errors import LangsteerError

if TYPE_CHECKING:
    from langsteer.loading import Loaded
    from langsteer.space import OperatingPoint, Space

USER_ERROR = 2
CHECK_FAILED = 1
INTERRUPTED = 130

out = Console()
err = Console(stderr=True)

app = typer.Typer(
    name="langsteer",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help=(
        "Change the output language of a causal language model, inside its residual stream.\n\n"
        "A [bold]space[/bold] holds what was estimated for one model: where its languages lie in "
        "the latents of every block. [bold]fit[/bold] makes one from texts, [bold]tune[/bold] "
        "chooses layer, strength and scope, [bold]generate[/bold] uses it, [bold]evaluate[/bold] "
        "proves it. [bold]demo[/bold] does all of that on a small model that comes along."
    ),
    epilog=(
        "Exit status: 0 done; 1 a check failed; 2 wrong input. Languages are BCP-47 tags (en, zh, "
        "pt-BR). Layers are outputs of decoder blocks, counted from 0."
    ),
)

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder of a model, or its name on the hub.")
]
SpaceFile = Annotated[
    Path,
    typer.Option("--space", "-s", metavar="FILE", help="The space that [bold]fit[/bold] wrote."),
]
Device = Annotated[
    str, typer.Option(help="Where to run: cpu, cuda, cuda:1, mps, or auto to spread the model.")
]
Dtype = Annotated[str, typer.Option(help="auto (as stored), float32, bfloat16 or float16.")]
Blocks = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Module path of the decoder blocks, if they are not found."),
]
Trust = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Run code that comes with the model. Off by default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Layers = Annotated[
    str | None,
    typer.Option(
        "--layer", "-l", metavar="I[,I…]", help="Layers, counted from 0. Default: see below."
    ),
]
Languages = Annotated[
    str | None,
    typer.Option(metavar="TAG[,TAG…]", help="Use only these languages. Default: all there are."),
]


def main() -> None:
    """Run the command line; errors for the user become one message and exit status 2."""
    try:
        app()
    except LangsteerError as error:
        err.print(f"[bold red]error:[/bold red] {escape(str(error))}", highlight=False)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        err.print("interrupted; nothing was left half-written")
        sys.exit(INTERRUPTED)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for what it makes.")
    ] = Path("demo"),
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Seed of the choice of prompts.")] = 0,
) -> None:
    """The main job, end to end, on the embedded model: fit, tune, steer, prove, show.

    Writes the model, the corpus, the prompts, the space and an HTML report to the output folder,
    all in the formats of the other commands. Takes about a minute on two cores, and no network.
    """
    from langsteer.atlas.demo import run_demo

    found = run_demo(output, seed=seed, quiet=as_json)
    if as_json:
        _print_json(found.as_json())
    else:
        found.print(out)


@app.command()
def fit(
    model: Model,
    corpus: Annotated[
        str,
        typer.Argument(
            metavar="CORPUS",
            help="JSONL, CSV or TSV file, a folder with one text file per language, or the name of "
            "a Hugging Face data set.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The space to write.")],
    languages: Languages = None,
    layers: Layers = None,
    pooling: Annotated[
        str,
        typer.Option(
            help="tokens: mean over all tokens; text: mean of text means; last: last token; "
            "matched: languages compared at the same tokens, for plain text."
        ),
    ] = "tokens",
    text_column: Annotated[str, typer.Option(help="Column or key of the text.")] = "text",
    language_column: Annotated[str, typer.Option(help="Column or key of the tag.")] = "language",
    concept_column: Annotated[
        str, typer.Option(help="Column or key that translations of one text share.")
    ] = "concept",
    split: Annotated[str | None, typer.Option(help="Split of a Hugging Face data set.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use at most this many texts of each language.")
    ] = None,
    estimator: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME…]",
            help="Keep what these estimators need: second moments, a sample of latents. The means, "
            "which difference, mean and effects need, are always kept.",
        ),
    ] = "difference",
    device: Device = "cpu",
    dtype: Dtype = "auto",
    blocks: Blocks = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Estimate where the languages of CORPUS lie in the residual stream of MODEL.

    One pass over the corpus serves all layers and all estimators. Prints how well the difference of
    every two languages is known, and how many more texts are needed where it is not.
    """
    from langsteer.corpus import read_corpus
    from langsteer.estimators.registry import keep_for
    from langsteer.fitting import fit as fit_space
    from langsteer.loading import load
    from langsteer.tables import inspection, print_inspection

    texts = read_corpus(
        corpus,
        text_column=text_column,
        language_column=language_column,
        concept_column=concept_column,
        split=split,
    )
    if languages is not None:
        texts = texts.select(_tags(languages, texts.languages))
    if limit is not None:
        texts = texts.limit(limit)
    texts.require_languages()
    loaded = load(
        model, device=device, dtype=dtype, blocks=blocks, trust_remote_code=trust_remote_code
    )
    space = fit_space(
        loaded,
        texts,
        layers=_numbers(layers),
        pooling=_pooling(pooling),
        keep=keep_for(name.strip() for name in estimator.split(",")),
        progress=not as_json,
    )
    space.save(output)
    found = inspection(space)
    if as_json:
        _print_json({"space": str(output), **found})
    else:
        print_inspection(found, out)
        out.print(f"\nwrote [bold]{escape(str(output))}[/bold]", highlight=False)


@app.command()
def generate(
    model: Model,
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT…", help="What to answer.")],
    space: SpaceFile,
    to: Annotated[str, typer.Option(metavar="TAG", help="The language to answer in.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TAG",
            help="The language it would answer in; auto: the one that the stream is in at the end "
            "of the prompt.",
        ),
    ] = "auto",
    layer: Layers = None,
    strength: Annotated[
        float | None, typer.Option(help="0 is the unsteered model, 1 the map itself.")
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(help="Positions to edit: all, prompt, prompt_last, generated, or a window."),
    ] = None,
    estimator: Annotated[str | None, typer.Option(help="How the map is estimated.")] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Length of the answer.")] = 128,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw tokens instead of the best.")
    ] = False,
    temperature: Annotated[float, typer.Option(min=0.0, help="With --sample.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="With --sample.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="With --sample.")] = None,
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--plain", help="Use the chat template. Default: if there is one."),
    ] = None,
    guard: Annotated[
        bool,
        typer.Option("--guard", help="Steer only while the stream is in another language."),
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Print the unsteered answer beside the steered one.")
    ] = False,
    device: Device = "cpu",
    dtype: Dtype = "auto",
    blocks: Blocks = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Answer in another language. Streams one prompt; several share batches.

    Layer, strength, scope and estimator default to the operating point in the space. A space
    without one is used at the block at 60 % of the depth, strength 1, scope all.
    """
    from langsteer.answering import Request, answer

    loaded, fitted = _fitted(model, space, device, dtype, blocks, trust_remote_code)
    request = Request(
        target=to,
        source=None if source == "auto" else source,
        point=_point(fitted, layer, strength, scope, estimator),
        max_new_tokens=max_new_tokens,
        sample=sample,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        chat=chat,
        compare=compare,
        guard=guard,
    )
    streams = len(prompts) == 1 and not as_json and not compare
    shown = (
        (lambda text: out.print(text, end="", markup=False, highlight=False)) if streams else None
    )
    answers = answer(loaded, fitted, prompts, request, on_text=shown)
    if as_json:
        _print_json([one.as_json() for one in answers])
    elif streams:
        out.print()
        answers[0].print_guard(out)
    else:
        for one in answers:
            one.print(out)


@app.command()
def inspect(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="The space that fit wrote.")],
    layer: Annotated[
        int | None,
        typer.Option("--layer", "-l", help="Layer for the languages. Default: see help."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a space: languages, layers, norms of Δ, uncertainty, nearest languages.

    The languages are shown at the operating point's layer, or else at 60 % of the depth.
    """
    from langsteer.space import Space
    from langsteer.tables import inspection, print_inspection

    found = inspection(Space.load(space), layer)
    if as_json:
        _print_json(found)
    else:
        print_inspection(found, out)


@app.command()
def tune(
    model: Model,
    space: SpaceFile,
    prompts: Annotated[
        Path, typer.Option("--prompts", "-p", metavar="FILE", help="Prompts for tuning, as JSONL.")
    ],
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            "--layer",
            "-l",
            metavar="I[,I…]",
            help="Candidates, counted from 0. Default: a third, those that promise most by the "
            "statistics in the space.",
        ),
    ] = None,
    scopes: Annotated[
        str, typer.Option(metavar="SCOPE[,SCOPE…]", help="Candidates.")
    ] = "all,generated",
    estimators: Annotated[
        str, typer.Option(metavar="NAME[,NAME…]", help="Candidates.")
    ] = "difference",
    budget: Annotated[int, typer.Option(min=1, help="Tokens to generate, about.")] = 50_000,
    languages: Languages = None,
    per_pair: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many prompts per family and pair. Default: all."),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Length of the answers.")] = 48,
    seed: Annotated[int, typer.Option(help="Seed of the order of the prompts.")] = 0,
    device: Device = "cpu",
    dtype: Dtype = "auto",
    blocks: Blocks = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Choose layer, scope, estimator and strength on prompts kept for that.

    Many configurations are tried on few prompts, the best on many; then the strength is searched.
    Writes the choice into the space, with the evidence, and an own one for each pair of languages
    that was shown to need one. What is answered is kept beside the space in SPACE.tuning.jsonl
    until the end: after a kill, the same command goes on from there to the same choice.
    """
    from langsteer.tables import print_trials, trials_as_json
    from langsteer.tuning import tune_space

    loaded, fitted = _fitted(model, space, device, dtype, blocks, trust_remote_code)
    journal = space.with_name(f"{space.name}.tuning.jsonl")
    tuned = tune_space(
        loaded,
        fitted,
        _prompts(prompts),
        layers=_numbers(layers),
        scopes=[name.strip() for name in scopes.split(",")],
        estimators=[name.strip() for name in estimators.split(",")],
        languages=_tags(languages, fitted.languages),
        per_pair=per_pair,
        budget=budget,
        max_new_tokens=max_new_tokens,
        split=prompts.stem,
        journal=journal,
        quiet=as_json,
        seed=seed,
    )
    fitted.with_operating_point(tuned.point).save(space)
    journal.unlink(missing_ok=True)
    if as_json:
        _print_json(trials_as_json(tuned))
    else:
        print_trials(tuned, out)
        out.print(f"\nwrote the operating point into [bold]{escape(str(space))}[/bold]")


@app.command()
def evaluate(
    model: Model,
    space: SpaceFile,
    prompts: Annotated[
        Path,
        typer.Option(
            "--prompts",
            "-p",
            metavar="PATH",
            help="Prompts for testing: JSONL, the questions of CLaS-Bench, or test sets of the "
            "language confusion benchmark.",
        ),
    ],
    languages: Languages = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TAG",
            help="Language that the model falls into on test sets of the language confusion "
            "benchmark. Default: en.",
        ),
    ] = None,
    layer: Layers = None,
    strength: Annotated[float | None, typer.Option(help="Default: the operating point's.")] = None,
    scope: Annotated[str | None, typer.Option(help="Default: the operating point's.")] = None,
    estimator: Annotated[str | None, typer.Option(help="Default: the operating point's.")] = None,
    per_pair: Annotated[
        int | None, typer.Option(min=1, help="At most this many prompts per family and pair.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Length of the answers.")] = 48,
    chat: Annotated[
        bool | None,
        typer.Option("--chat/--plain", help="Use the chat template. Default: if there is one."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FOLDER", help="Write an HTML report there.")
    ] = None,
    device: Device = "cpu",
    dtype: Dtype = "auto",
    blocks: Blocks = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Measure on prompts with known answers: right language, right meaning, with intervals.

    Beside the steered answers stand three controls: the unsteered model, a random vector of the
    same norm, and the request in the prompt to answer in the language. A second table has code
    switching, repetition, perplexity and the other metrics; then comes what steering costs where it
    should do nothing. Prompts whose references are a list, the same for all languages, count only
    there.
    """
    from langsteer.proof import prove

    loaded, fitted = _fitted(model, space, device, dtype, blocks, trust_remote_code)
    proof = prove(
        loaded,
        fitted,
        _prompts(prompts, source),
        _point(fitted, layer, strength, scope, estimator),
        languages=_tags(languages, fitted.languages),
        per_pair=per_pair,
        max_new_tokens=max_new_tokens,
        chat=chat,
        quiet=as_json,
    )
    page = None if report is None else proof.write_report(report)
    if as_json:
        _print_json(proof.as_json() | ({} if page is None else {"report": str(page)}))
    else:
        proof.print(out)
        if page is not None:
            out.print(f"\nreport: [bold]{escape(str(page))}[/bold]", highlight=False)


@app.command()
def score(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="JSON lines or a table with [bold]answer[/bold] and [bold]target[/bold], outputs "
            "of the language confusion benchmark, results of CLaS-Bench, or a folder of these.",
        ),
    ],
    languages: Annotated[
        str | None,
        typer.Option(
            metavar="TAG[,TAG…]",
            help="Languages that answers may be in. Default: all that can be told. Fewer are "
            "faster and more certain.",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TAG", help="Target of answers that name none.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="Numbers for each group of the file, each target, or each pair.")
    ] = "group",
    meaning: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="What is meaning in the combined score: judged, contained, exact, normalised, "
            "chrf or similarity. Default: judged or else contained.",
        ),
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="English words, one a line: only they are errors by word. Default: all Latin "
            "words are.",
        ),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="OpenAI-compatible API for --judge and --embedding. Key: OPENAI_API_KEY.",
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Let this model rate the answers.")
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Compare embeddings of answers and references."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Verdicts: JSONL, CSV or TSV."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score answers that were made elsewhere: language, meaning, degeneration. Needs no model.

    Every metric has a 95 % interval. Within a group every pair of languages weighs the same.
    """
    from langsteer.evaluation.measuring import score_file
    from langsteer.evaluation.scoring import parts_of, print_scores, write_verdicts

    if by not in ("group", "target", "pair"):
        raise LangsteerError(f"--by {by!r} is unknown. Use group, target or pair.")
    measured = score_file(
        file,
        languages=None if languages is None else languages.split(","),
        to=to,
        words=words,
        endpoint=endpoint,
        judge=judge,
        embedding=embedding,
    )
    parts = parts_of(measured, cast(Any, by), meaning)
    if output is not None:
        write_verdicts(measured, output)
    if as_json:
        _print_json([part.as_json() for part in parts])
    else:
        print_scores(parts, out, meaning)
        if output is not None:
            out.print(f"wrote [bold]{escape(str(output))}[/bold]", highlight=False)


@app.command()
def verify(
    model: Model,
    space: Annotated[
        Path | None, typer.Option("--space", "-s", metavar="FILE", help="Check its edits as well.")
    ] = None,
    device: Device = "cpu",
    dtype: Dtype = "auto",
    blocks: Blocks = None,
    trust_remote_code: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Check that edits of this model are exact. Exits with 1 if any check fails.

    Says which blocks were found and how; that strength 0 is the unsteered model bit for bit; where
    an edit acts, and that it acts nowhere else; that batches equal single prompts and cached
    decoding equals uncached.
    """
    from langsteer.loading import load
    from langsteer.space import Space
    from langsteer.verify import verify as checks_of

    loaded = load(
        model, device=device, dtype=dtype, blocks=blocks, trust_remote_code=trust_remote_code
    )
    checks = checks_of(loaded, None if space is None else Space.load(space))
    if as_json:
        _print_json([asdict(check) for check in checks])
    else:
        table = Table("check", "", "what was found")
        for check in checks:
            mark = "[green]ok[/green]" if check.ok else "[bold red]failed[/bold red]"
            table.add_row(check.name, mark, escape(check.detail))
        out.print(table)
    if not all(check.ok for check in checks):
        raise typer.Exit(CHECK_FAILED)


def _fitted(
    model: str, space: Path, device: str, dtype: str, blocks: str | None, trust_remote_code: bool
) -> tuple[Loaded, Space]:
    """The model and the space, which must fit it."""
    from langsteer.loading import load
    from langsteer.space import Space

    loaded = load(
        model, device=device, dtype=dtype, blocks=blocks, trust_remote_code=trust_remote_code
    )
    fitted = Space.load(space)
    fitted.check(loaded.stream, loaded.tokenizer)
    return loaded, fitted


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise LangsteerError(
            f"--layer {text!r} is not a list of numbers. Write block numbers such as 5 or 3,4,5."
        ) from None


def _tags(text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    from langsteer.languages import choose

    return known if text is None else tuple(choose(tag.strip(), known) for tag in text.split(","))


def _pooling(name: str) -> Any:
    if name not in ("tokens", "text", "last", "matched"):
        raise LangsteerError(f"--pooling {name!r} is unknown. Use tokens, text, last or matched.")
    return name


def _prompts(path: Path, source: str | None = None) -> Any:
    from langsteer.evaluation.layouts import read_any

    return read_any(path, source)


def _point(
    space: Space,
    layer: str | None,
    strength: float | None,
    scope: str | None,
    estimator: str | None,
) -> OperatingPoint:
    """The operating point of the space, or the default, with what the user overrides."""
    from langsteer.steering import Scope

    point = space.operating_point or space.default_point()
    changes: dict[str, Any] = {}
    if layer is not None:
        changes["layers"] = tuple(_numbers(layer) or ())
    if strength is not None:
        changes["strength"] = strength
    if scope is not None:
        changes["scope"] = str(Scope.parse(scope))
    if estimator is not None:
        changes["estimator"] = estimator
    # What is asked for holds for all pairs, also for those that tuning gave a point of their own,
    # and was chosen on no split.
    return replace(point, **changes, pairs=(), scores={}, split="") if changes else point


if __name__ == "__main__":
    main()
