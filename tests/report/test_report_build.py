"""The report's first sentences say what was really done."""

from types import SimpleNamespace

import pytest

from langsteer.report.build import _summary
from langsteer.space.space import OperatingPoint


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (OperatingPoint((2,)), "At the output of layer 2 the difference of the means of two"),
        (OperatingPoint((2, 3, 5), estimator="trained"), "layers 2, 3 and 5 vectors that were tr"),
        (
            OperatingPoint((1,), estimator="erasure:4"),
            "the map of the estimator erasure:4 was used",
        ),
    ],
)
def test_the_summary_names_layers_and_estimator(point: OperatingPoint, said: str) -> None:
    corpus = SimpleNamespace(texts={"de": 2})
    space = SimpleNamespace(corpus=corpus, languages=("de",), layers=(0,))
    rate = SimpleNamespace(language_rate=SimpleNamespace(value=0.5))
    found = _summary(SimpleNamespace(space=space, point=point), {"all": {"steered": rate}})
    assert said in " ".join(found)
