"""How often the language of a prompt is read right: `python benchmarks/source.py [MODEL SPACE …]`.

Without arguments: the embedded model, its questions in 12 languages, without a chat template and
with six, and spaces with each pooling. With a model and spaces of it: the questions of
`chat_fit.py`, plain and in the model's own template.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chat_fit import QUESTIONS
from langsteer.data.corpus import Corpus
from langsteer.data.prompts import read_prompts
from langsteer.demo.run import export
from langsteer.engines.transformers.chat import PLAIN, ChatOptions, Rendered, render
from langsteer.engines.transformers.model import Model
from langsteer.engines.transformers.source import source_languages
from langsteer.fitting.fit import fit
from langsteer.fitting.reading import Reading
from langsteer.space.space import Space

EACH = 8
LAYERS = (1, 3, 5)
TEMPLATES = {
    "ChatML": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "headers": "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m.role }}"
    "<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    "turns": "<bos>{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
    "prefix": "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "[INST]": "<s>{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
    "other": "Question: {{ messages[-1].content }}\nAnswer:",
}


def main() -> None:
    """Print one row a space, layer and template."""
    print("| pooling | layer | template | right | taken for another |")
    print("|---|---|---|---|---|")
    if len(sys.argv) > 2:
        model = Model.from_pretrained(sys.argv[1], device="cpu")
        for path in sys.argv[2:]:
            show(model, Space.load(path), QUESTIONS, {"plain": PLAIN, "own": ChatOptions()})
        return
    with tempfile.TemporaryDirectory() as folder:
        files = export(Path(folder))
        model = Model.from_pretrained(files.model, device="cpu")
        corpus = Corpus.read(files.corpus)
        questions: dict[str, list[str]] = {}
        for prompt in read_prompts(files.test).prompts:
            mine = questions.setdefault(prompt.language, [])
            if prompt.family == "question" and len(mine) < EACH:
                mine.append(prompt.text)
        for pooling in ("tokens", "text", "last", "matched"):
            space = fit(model, corpus, Reading(layers=LAYERS, pooling=pooling))
            show(model, space, questions, dict.fromkeys(("plain", *TEMPLATES), ChatOptions()))


def show(
    model: Model,
    space: Space,
    questions: Mapping[str, Sequence[str]],
    ways: dict[str, ChatOptions],
) -> None:
    """Print the rows of one space."""
    for layer in space.layers:
        for name, options in ways.items():
            if len(ways) > 2:
                model.tokenizer.chat_template = TEMPLATES.get(name)
            asked = list(_rendered(model, questions, options))
            found = source_languages(model, [prompt for _, prompt in asked], space, layer)
            pairs = [(goal, got) for (goal, _), got in zip(asked, found, strict=True)]
            right = sum(goal == got for goal, got in pairs)
            wrong = Counter(f"{goal}>{got}" for goal, got in pairs if goal != got)
            shown = ", ".join(f"{pair} {count}" for pair, count in wrong.most_common(4))
            print(
                f"| {space.pooling} | {layer} | {name} | {right} of {len(pairs)} | {shown} |",
                flush=True,
            )


def _rendered(
    model: Model, questions: Mapping[str, Sequence[str]], options: ChatOptions
) -> Iterator[tuple[str, Rendered]]:
    for language, texts in questions.items():
        for text in texts:
            yield language, render(model.tokenizer, text, options)


if __name__ == "__main__":
    main()
