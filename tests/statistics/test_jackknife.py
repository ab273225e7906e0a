"""The error of matched means is that of matched means: a simulation says how far they scatter."""

import pytest
import torch
from torch import Tensor

from langsteer.statistics import Matching, Statistics, TokenTable
from langsteer.statistics.contrasts import Contrasts
from langsteer.statistics.folds import FOLDS, fold_of
from langsteer.statistics.jackknife import SKETCH, Jackknife, sketch
from langsteer.statistics.uncertainty import pairs

LANGUAGES = ("de", "fr", "ja")
VOCABULARY, WIDTH, TEXTS, TOKENS, RUNS = 30, SKETCH + 8, 60, 12, 60
BOTH = torch.triu_indices(3, 3, 1)


def sample(seed: int, aligned: bool) -> Statistics:
    """Texts with an effect of their own, a large one of each token, and translations alike."""
    fixed = torch.Generator().manual_seed(0)
    token_effect = 5 * torch.randn(VOCABULARY, WIDTH, generator=fixed, dtype=torch.float64)
    language_effect = torch.randn(3, WIDTH, generator=fixed, dtype=torch.float64)
    often = torch.rand(3, VOCABULARY, generator=fixed) + 0.02
    g = torch.Generator().manual_seed(seed + 1)
    topics = torch.randn(TEXTS, WIDTH, generator=g, dtype=torch.float64)
    rows: list[tuple[str, str, Tensor, Tensor]] = []
    for i, language in enumerate(LANGUAGES):
        for number in range(TEXTS):
            ids = often[i].multinomial(TOKENS, True, generator=g)
            own = 0.5 * torch.randn(WIDTH, generator=g, dtype=torch.float64)
            topic = topics[number] if aligned else torch.randn(WIDTH, generator=g).double()
            noise = torch.randn(TOKENS, WIDTH, generator=g, dtype=torch.float64)
            z = token_effect[ids] + language_effect[i] + topic + own + noise
            rows.append((language, f"{number}" if aligned else f"{i} {number}", ids, z))
    folds = [fold_of(concept, "") for _, concept, _, _ in rows]
    table = TokenTable.of(LANGUAGES, [(one[0], one[2].tolist()) for one in rows], folds)
    found = Statistics.empty((0,), WIDTH, LANGUAGES, pooling="matched")
    matching = Matching.empty(LANGUAGES, table.groups()[1], 1, WIDTH)
    matching.gains = False
    means = torch.stack([one[3].mean(0)[None] for one in rows])
    weights = torch.full((len(rows),), float(TOKENS))
    found.update(means, weights, [one[0] for one in rows], [one[1] for one in rows])
    ids, z = torch.cat([one[2] for one in rows]), torch.cat([one[3] for one in rows])
    at = torch.tensor([LANGUAGES.index(one[0]) for one in rows]).repeat_interleave(TOKENS)
    where = torch.tensor(folds).repeat_interleave(TOKENS)
    compared = Contrasts.of(table).tokens(ids, at, where, dtype=torch.float64)
    matching.count(compared)
    matching.add(0, compared, z[compared.rows])
    found.match(matching)
    return found


def contrasts_of(table: TokenTable, ids: Tensor, language: Tensor) -> Tensor:
    """`e_l - n_c / N_c` of each token `[n, K]`, by the definition; 0 where the table lacks it."""
    rows = torch.zeros(len(ids), len(table.languages), dtype=torch.float64)
    for row, (token, spoken) in enumerate(zip(ids.tolist(), language.tolist(), strict=True)):
        if token in table.ids.tolist():
            counts = table.counts[table.ids.tolist().index(token)]
            rows[row] = -counts / counts.sum()
            rows[row, spoken] += 1
    return rows


@pytest.mark.parametrize("aligned", [False, True])
def test_predicted_errors_are_those_that_are_seen(aligned: bool) -> None:
    runs = [sample(seed, aligned) for seed in range(RUNS)]
    means = torch.stack([one.means(0) for one in runs])
    apart = means[:, BOTH[1]] - means[:, BOTH[0]]
    seen = apart.var(0).sum(-1)
    said = torch.stack([pairs(one).error[0][BOTH[0], BOTH[1]].square() for one in runs]).mean(0)
    assert ((said / seen - 1).abs() < 0.25).all(), (said / seen).tolist()
    plain = []
    for one in runs:
        one.matched_error = None
        plain.append(pairs(one).error[0][BOTH[0], BOTH[1]].square())
    wrong = torch.stack(plain).mean(0) / seen
    assert ((wrong - 1).abs() > 0.5).any(), "those of plain means are not"


def test_leaving_a_fold_out_equals_fitting_without_it() -> None:
    """The normal equations without a fold are those of a corpus that never had it."""
    g = torch.Generator().manual_seed(3)
    ids = torch.randint(0, 12, (300,), generator=g)
    language = torch.randint(0, 3, (300,), generator=g)
    folds = torch.randint(0, 5, (300,), generator=g)
    z = torch.randn(300, 8, generator=g, dtype=torch.float64)

    def table(rows: Tensor) -> TokenTable:
        texts = [(LANGUAGES[int(language[i])], [int(ids[i])]) for i in rows]
        return TokenTable.of(LANGUAGES, texts, [int(folds[i]) for i in rows])

    whole = Contrasts.of(table(torch.arange(300)))
    jackknife = Jackknife.empty(3, whole.groups, 1, 8)
    compared = whole.tokens(ids, language, folds, dtype=torch.float64)
    jackknife.count(compared)
    jackknife.fold(0, Jackknife.sums(compared, z[compared.rows]))
    assert jackknife.tokens.tolist()[:5] == torch.bincount(folds).tolist()
    for fold in range(5):
        left = (folds != fold).nonzero()[:, 0]
        contrasts = contrasts_of(table(left), ids[left], language[left])
        for group in range(whole.groups):
            mine = whole.group[torch.searchsorted(whole.table.ids, ids[left])] == group
            rows, latents = contrasts[mine], z[left][mine] @ sketch(8)
            torch.testing.assert_close(jackknife.laplacian[fold, group], rows.T @ rows)
            torch.testing.assert_close(jackknife.moment[0, fold, group], rows.T @ latents)


def test_a_sketch_keeps_squared_norms() -> None:
    z = torch.randn(500, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ratio = (z @ sketch(300)).square().sum(1) / z.square().sum(1)
    assert abs(float(ratio.mean()) - 1) < 0.05
    assert torch.equal(sketch(SKETCH), torch.eye(SKETCH, dtype=torch.float64))


def test_what_rests_on_one_fold_is_not_known() -> None:
    empty = Jackknife.empty(3, 1, 1, 8)
    assert empty.error(lambda _, right: right[:, 0]).isinf().all()
    jackknife = Jackknife.empty(3, 1, 1, 8)
    jackknife.tokens[:2] = 1
    linked = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, 0, 0]])
    jackknife.laplacian[:, 0] = linked
    jackknife.laplacian[1, 0] = torch.tensor([[1.0, -1, 0], [-1, 2, -1], [0, -1, 1]])
    error = jackknife.error(lambda _, right: right[:, 0])
    assert error[0].diagonal().isinf().tolist() == [False, False, True]


def test_translations_and_copies_of_a_concept_share_a_fold() -> None:
    assert fold_of("7", "Haus") == fold_of("7", "house")
    assert len({fold_of(None, str(number)) for number in range(200)}) == FOLDS
