"""`langsteer import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from langsteer.cli.options import AsJson, escaped, out, print_json
from langsteer.cli.terminal import err

if TYPE_CHECKING:
    from langsteer.interchange.import_ import Imported


def import_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Means of CLaS-Bench or ReCoVeR, one file a language; or one direction: GGUF, "
            "a dictionary of torch, .svec, or a request of EasySteer.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="SPACE", help="Where to write the space.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Folder or hub name of the model that the files are for; its shape is compared. "
            "Needed for directions.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="TAG", help="The language that a direction leads from."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--to", metavar="TAG", help="The language that a direction leads to."),
    ] = None,
    layer_base: Annotated[
        int | None,
        typer.Option(
            "--layer-base",
            min=0,
            max=1,
            help="What the files call the first layer. Default: as found, which is shown.",
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option(help="Multiply all vectors, as those of norm 1 have lost their size.")
    ] = 1.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what is in the files, and write nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a space from vectors of other tools. Nothing in the files is run.

    What was found is shown first: the format, the language, how layers are counted, norms.
    """
    from langsteer.data.files import check_output
    from langsteer.errors import SpaceError
    from langsteer.interchange.import_ import ImportOptions, import_files

    check_output(output, inputs=files, error=SpaceError)
    options = ImportOptions(model, source, target, layer_base=layer_base, scale=scale)
    found = import_files(files, options)
    if as_json:
        print_json({"files": _facts(found), "notes": list(found.notes), "output": str(output)})
    else:
        _show(found)
    if dry_run:
        return
    found.space.save(output)
    if not as_json:
        out.print(f"wrote [bold]{escaped(str(output))}[/bold]", soft_wrap=True)


def _facts(found: Imported) -> list[dict[str, Any]]:
    return [
        {
            "file": str(path),
            "format": one.format,
            "kind": one.kind,
            "language": one.language,
            "layers": sorted(one.vectors),
            "numbering": one.numbering,
            "width": one.width,
            "unit_norm": one.unit_norm,
            "tokens": one.tokens,
        }
        for path, one in found.files.items()
    ]


def _show(found: Imported) -> None:
    table = Table(box=box.SIMPLE)
    for name in ("file", "format", "what", "layers", "width", "norms"):
        table.add_column(name)
    for path, one in found.files.items():
        norms = [float(vector.norm()) for vector in one.vectors.values()]
        what = f"mean, {one.language}" if one.kind == "mean" else " to ".join(found.space.languages)
        layers = sorted(one.vectors)
        table.add_row(
            escaped(path.name),
            one.format,
            escaped(what),
            f"{layers[0]} to {layers[-1]}" if len(layers) > 1 else str(layers[0]),
            str(one.width),
            "1 (unit)" if one.unit_norm else f"{min(norms):.3g} to {max(norms):.3g} (natural)",
        )
    out.print(table)
    first = next(iter(found.files.values()))
    model = found.space.model
    kind = f" of the kind {model.model_type}" if model.model_type else ""
    out.print(f"numbering: {escaped(first.numbering)}", highlight=False, soft_wrap=True)
    out.print(escaped(f"model: {model.depth} layers of width {model.width}{kind}"), highlight=False)
    for note in found.notes:
        err.print(f"[yellow]note:[/yellow] {escaped(note)}", highlight=False)
