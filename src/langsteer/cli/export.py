"""`langsteer export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.options import AsJson, Override, escaped, out, print_json
from langsteer.cli.terminal import err


def export(
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="Space written by langsteer fit.")],
    source: Annotated[
        str, typer.Option("--from", metavar="TAG", help="The language that the model would use.")
    ],
    target: Annotated[str, typer.Option("--to", metavar="TAG", help="The language it shall use.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="PATH", help="File or folder to write.")
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="NAME",
            help="gguf (llama.cpp), folded (a checkpoint), lora (an adapter), steering-vectors, "
            "repeng, easysteer, lm-eval or pt (plain tensors). Default: by the suffix.",
        ),
    ] = None,
    override: Override = Override(),
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Folder or hub name of the model, for folded, lora and lm-eval. Default: the one "
            "that the space was fitted on.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an edit for another engine: llama.cpp, vLLM, plain transformers, and other tools.

    Strength and layers are those of the operating point, or as given, and are folded in. What a
    format cannot say of the edit is refused, or said when it is written.
    """
    from langsteer.interchange import Origin
    from langsteer.interchange import export as write
    from langsteer.interchange.same_model import require_same
    from langsteer.space.space import Space
    from langsteer.text.tags import choose

    fitted = Space.load(space)
    edit = fitted.edit(source, target, point=override.point(fitted), estimator=override.estimator)
    if model is not None:
        require_same(model, fitted.model)
    origin = Origin(
        model or fitted.model.name,
        fitted.model.model_type,
        choose(source, fitted.languages),
        choose(target, fitted.languages),
    )
    found = write(edit, output, format, origin)
    if as_json:
        files = [str(file) for file in found.files]
        print_json({"files": files, "notes": list(found.notes), "use": found.use})
        return
    for file in found.files:
        out.print(f"wrote [bold]{escaped(str(file))}[/bold]", soft_wrap=True)
    if found.use:
        out.print(escaped(found.use), soft_wrap=True, highlight=False)
    for note in found.notes:
        err.print(f"[yellow]note:[/yellow] {escaped(note)}", highlight=False)
