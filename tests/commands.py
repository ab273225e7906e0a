"""The command line, run inside the process of the tests."""

import sys

from langsteer.cli import main


def run(*words: object) -> int:
    """The exit status of a command."""
    argv, sys.argv = sys.argv, ["langsteer", *map(str, words)]
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = argv
    return 0
