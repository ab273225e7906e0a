"""`langsteer serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from langsteer.cli.options import Loading, ModelName, escaped, out


def serve(
    model: ModelName,
    space: Annotated[
        list[Path] | None,
        typer.Option(
            "--space", "-s", metavar="FILE", help="Space of the model; the first is the default."
        ),
    ] = None,
    spaces: Annotated[
        Path | None,
        typer.Option(
            "--spaces", metavar="FOLDER", help="Where the admin API finds spaces, by their names."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What requests call the model. Default: its folder."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    keep_language: Annotated[
        bool,
        typer.Option(
            "--keep-language",
            help="Keep answers in the language of the user's last message, where a request names "
            "none: what drifts is written anew before it is shown.",
        ),
    ] = False,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            envvar="LANGSTEER_API_KEY", help="Ask requests for this key. Can be repeated."
        ),
    ] = None,
    admin_key: Annotated[
        str | None,
        typer.Option(envvar="LANGSTEER_ADMIN_KEY", help="Lets spaces be loaded and unloaded."),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, help="The most new tokens of an answer.")
    ] = 2048,
    queue: Annotated[
        int, typer.Option(min=1, help="Requests that wait at most; others get status 429.")
    ] = 256,
    rows: Annotated[int, typer.Option(min=1, help="Answers that are written at a time.")] = 32,
    log_prompts: Annotated[
        bool, typer.Option("--log-prompts", help="Write prompts into the log. Default: do not.")
    ] = False,
    loading: Loading = Loading(),
) -> None:
    """Serve the OpenAI API, each request in its own language.

    A request says "language": "de", or names the model as NAME:de; without it nothing is steered.
    The page at the address is a playground. SIGTERM lets answers end that are being written.
    """
    from langsteer.errors import LangsteerError, optional_imports
    from langsteer.space.space import Space

    with optional_imports():
        from langsteer.serving.keeping import heard
        from langsteer.serving.run import serve_app
        from langsteer.serving.settings import Limits, Settings
        from langsteer.serving.steering import Served
    files = space or []
    stems = [file.stem for file in files]
    if len(set(stems)) < len(stems):
        raise LangsteerError(
            "Two spaces have the same name. Rename one: names are their file names."
        )
    if spaces is not None and not spaces.is_dir():
        raise LangsteerError(f"{spaces} is no folder. Give one with spaces in it.")
    if keep_language and not files and spaces is None:
        raise LangsteerError("--keep-language needs a space to steer with. Give --space.")
    loaded_spaces = {file.stem: Space.load(file) for file in files}
    loaded = loading.load(model)
    for one in loaded_spaces.values():
        one.check(loaded)
    served = Served(loaded, name or Path(model).name, loaded_spaces)
    limits = Limits(tokens=max_tokens, queue=queue, rows=rows)
    settings = Settings(tuple(api_key or ()), admin_key, spaces, keep_language, log_prompts, limits)
    if keep_language:
        heard("", served.languages())  # reads the detector's tables now, if they are there
    languages = ", ".join(served.languages()) or "none: give --space"

    def listening(port: int) -> None:
        address = f"http://{host}:{port}"
        out.print(f"[bold]{escaped(served.name)}[/bold] at {address}, languages: {languages}")
        out.print(f"playground: {address}/   API: {address}/v1   stop with Ctrl-C", highlight=False)

    serve_app(served, settings, host, port, listening)
