"""The command of lm-evaluation-harness, which knows the model type `langsteer`."""

from lm_eval.__main__ import cli_evaluate

import langsteer.lm_eval  # noqa: F401 - registers the type

if __name__ == "__main__":
    cli_evaluate()
