"""A model type for lm-evaluation-harness: any of its tasks, steered.

    python -m langsteer.lm_eval --model langsteer \\
        --model_args pretrained=MODEL,space=SPACE,to=de --tasks TASK

That is the harness' own command, which knows the type `langsteer` then; in Python, importing this
module is enough. The answer and what is scored count as generated, and the context as the prompt,
so scopes and guards act as everywhere, and padding is never edited.
"""

from langsteer.errors import optional_imports

with optional_imports():
    from langsteer.lm_eval.steered import SteeredLM

__all__ = ["SteeredLM"]
