"""Several layers of the embedded model: increments arrive, plain differences overshoot."""

import pytest

from langsteer.demo.run import MODEL
from langsteer.demo.tasks import matching_corpus, prompts
from langsteer.edits.edit import Edit
from langsteer.edits.maps import Shift
from langsteer.edits.scope import Scope
from langsteer.engines.transformers.generation import Generation
from langsteer.engines.transformers.model import Model
from langsteer.fitting.collect import collect
from langsteer.fitting.increments import fit_increments
from langsteer.fitting.reading import Reading

pytestmark = pytest.mark.slow


def test_on_a_trained_model_they_reach_the_language_and_plain_differences_do_not() -> None:
    """Six layers of the embedded model, from English: differences go four times the way."""
    layers, scope, targets = range(1, 7), Scope.parse("generated"), ("ru", "ja")
    model = Model.from_pretrained(str(MODEL))
    corpus = matching_corpus("fit", per_family=12).select(("en", *targets))
    statistics = collect(model, corpus, Reading(pooling="last"))
    asked = [p for p in prompts("test", 6).prompts if p.language == "en" and p.lexical]
    asked = [p for p in asked if set(targets) <= set(p.references)][:10]

    def right(maps: dict[int, Shift], target: str) -> int:
        """How many answers hold the right name in the target language."""
        texts = model.generate(
            [prompt.text for prompt in asked],
            Edit(maps, scope=scope),
            Generation(max_new_tokens=10),
        )
        return sum(
            any(name in text for way in prompt.references[target] for name in way)
            for prompt, text in zip(asked, texts, strict=True)
        )

    for target in targets:
        plain = {
            layer: Shift((statistics.mean(target, layer) - statistics.mean("en", layer)).float())
            for layer in layers
        }
        found = fit_increments(
            model, corpus, layers, "en", target, options=Reading(pooling="last"), scope="generated"
        )
        assert right(found, target) >= 8
        assert right(plain, target) <= 2
