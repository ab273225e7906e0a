"""Statistics: streaming equals batch, merging equals one pass, float64 survives bad scales."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import chain, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langsteer.errors import CorpusError, LatentError, SpaceError
from langsteer.statistics import Keep, Matching, Moments, Statistics, TokenTable
from langsteer.statistics.contrasts import Contrasts
from langsteer.statistics.storage import pack, unpack

torch.set_num_threads(1)
LAYERS, WIDTH = 2, 4
LANGUAGES = ("de", "en", "fr", "ja")


def texts(seed, *, concepts=12, missing=0.0, offset=0.0, scale=1.0, languages=LANGUAGES):
    """Rows (mean, weight, language, concept) of a two-way model with noise."""
    g = torch.Generator().manual_seed(seed)
    effect = torch.randn(len(languages), LAYERS, WIDTH, generator=g, dtype=torch.float64)
    rows = []
    for c in range(concepts):
        topic = torch.randn(LAYERS, WIDTH, generator=g, dtype=torch.float64)
        for i, language in enumerate(languages):
            noise = torch.randn(LAYERS, WIDTH, generator=g, dtype=torch.float64)
            weight = float(torch.randint(1, 9, (), generator=g))
            if torch.rand((), generator=g) >= missing:
                mean = offset + scale * (topic + effect[i] + 0.3 * noise)
                rows.append((mean, weight, language, f"c{c}"))
    return rows


def fold(rows, keep=None, languages=LANGUAGES, into=None):
    into = into or Statistics.empty((3, 5), WIDTH, languages, keep=keep)
    if rows:
        means, weights, tongues, concepts = zip(*rows, strict=True)
        into.update(torch.stack(means), torch.tensor(weights), tongues, concepts)
    return into


def by_concept(rows):
    groups = {}
    for row in rows:
        groups.setdefault(row[3], []).append(row)
    return list(groups.values())


def tensors(statistics):
    """Every number that statistics hold, by name."""
    found = {}
    for language, part in statistics.moments.items():
        for name in ("texts", "tokens", "weight", "weight2"):
            found[f"{language}.{name}"] = torch.tensor(float(getattr(part, name)))
        for name in ("mean", "weighted_squares", "weighted_deviation", "scatter"):
            found[f"{language}.{name}"] = getattr(part, name)
    for name in ("counts", "laplacian", "overlap", "moment", "within", "mean", "spread"):
        found[f"alignment.{name}"] = getattr(statistics.alignment, name)
    found |= {f"scatter.{key}": value for key, value in statistics.scatter.sums.items()}
    for language, kept in statistics.sample.parts.items():
        found[f"sample.{language}"] = kept.latents
    return found


def same(a, b, tolerance=1e-9):
    left, right = tensors(a), tensors(b)
    assert left.keys() == right.keys()
    for name, value in left.items():
        size = float(value.abs().max()) if value.numel() else 0.0
        torch.testing.assert_close(
            right[name],
            value,
            rtol=0,
            atol=tolerance * max(size, 1),
            msg=lambda m, n=name: f"{n}: {m}",
        )


KEEPS = [Keep(), Keep("pooled"), Keep("language", sample=5), Keep("pooled", layers=(5,), sample=3)]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 999),
    missing=st.sampled_from([0.0, 0.4]),
    cuts=st.lists(st.integers(0, 12), max_size=3),
    order=st.permutations(range(4)),
    keep=st.sampled_from(KEEPS),
)
def test_merging_in_any_order_equals_one_pass(seed, missing, cuts, order, keep):
    rows = texts(seed, missing=missing)
    groups = by_concept(rows)
    edges = [0, *sorted(cuts), len(groups)]
    parts = [list(chain(*groups[a:b])) for a, b in pairwise(edges)]
    folded = [fold(parts[i], keep) for i in order if i < len(parts)]
    merged = folded[0]
    for part in folded[1:]:
        merged = merged.merge(part)
    same(fold(rows, keep), merged)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), keep=st.sampled_from(KEEPS))
def test_streaming_by_concept_equals_one_batch(seed, keep):
    rows = texts(seed)
    streamed = Statistics.empty((3, 5), WIDTH, LANGUAGES, keep=keep)
    for group in by_concept(rows):
        fold(group, into=streamed)
    same(fold(rows, keep), streamed)


def test_merging_leaves_both_sides_as_they_were():
    a, b = fold(texts(1), Keep("language", sample=3)), fold(texts(2), Keep("language", sample=3))
    before = {name: value.clone() for name, value in tensors(a).items()}
    merged = a.merge(b)
    fold(texts(3), into=merged)
    for name, value in tensors(a).items():
        assert torch.equal(value, before[name]), name


def test_languages_that_only_one_side_has_are_joined():
    rows = texts(4)
    few = [row for row in rows if row[2] in ("de", "en")]
    rest = [row for row in rows if row[2] in ("fr", "ja")]
    a, b = fold(few, languages=("de", "en")), fold(rest, languages=("ja", "fr"))
    merged = a.merge(b)
    assert merged.languages == ("de", "en", "ja", "fr")
    whole = fold(rows)
    for language in LANGUAGES:
        torch.testing.assert_close(merged.mean(language, 5), whole.mean(language, 5))


@pytest.mark.parametrize(
    ("offset", "scale"), [(1e8, 1.0), (1e8, 1e-3), (-1e12, 1.0), (0.0, 1e-150)]
)
def test_float64_holds_against_exact_fractions_on_bad_scales(offset, scale):
    rows = texts(7, offset=offset, scale=scale)
    statistics = Statistics.empty((3, 5), WIDTH, LANGUAGES)
    for group in by_concept(rows):
        fold(group, into=statistics)
    mine = [row for row in rows if row[2] == "fr"]
    w = [Fraction(row[1]) for row in mine]
    x = [Fraction(float(row[0][1, 2])) for row in mine]
    mean = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
    squares = sum((a * (b - mean)) ** 2 for a, b in zip(w, x, strict=True))
    error = math.sqrt(squares * len(x) / (len(x) - 1)) / float(sum(w))
    got = statistics.moments["fr"]
    size = float(max(abs(v) for v in x))
    assert abs(float(got.mean[1, 2]) - float(mean)) <= 4e-16 * size
    # The input itself is rounded at 1e-16 of its size: what is left of the spread is all there is.
    slack = 1e-12 + 4e-16 * size / error
    assert float(got.standard_error()[1, 2]) == pytest.approx(error, rel=slack)


def test_standard_error_of_equal_weights_is_the_textbook_one():
    z = torch.randn(40, 1, 3, dtype=torch.float64)
    part = Moments.of(z, torch.ones(40))
    torch.testing.assert_close(part.standard_error(), z.std(0) / math.sqrt(40))
    torch.testing.assert_close(part.variance(), z.var(0))


def test_standard_error_of_one_text_is_unknown():
    assert Moments.of(torch.randn(1, 1, 3), torch.ones(1)).standard_error().isinf().all()


def test_standard_error_covers_when_tokens_of_a_text_depend_on_each_other():
    """95 % intervals of a token-weighted mean, texts of unequal length, strong text effects."""
    g = torch.Generator().manual_seed(0)
    trials, n = 1500, 60
    lengths = torch.randint(2, 40, (trials, n), generator=g).double()
    means = torch.randn(trials, n, generator=g).double() * (1 + 1 / lengths).sqrt()
    part = Moments.of(means.T[:, None, :], torch.ones(n))
    assert part.texts == n
    hit = 0
    for i in range(trials):
        one = Moments.of(means[i, :, None, None], lengths[i])
        hit += int(abs(one.mean) <= 1.96 * one.standard_error())
    assert 0.93 <= hit / trials <= 0.97


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), missing=st.sampled_from([0.0, 0.3, 0.6]))
def test_effects_equal_dense_least_squares(seed, missing):
    rows = texts(seed, concepts=14, missing=missing)
    alignment = fold(rows).alignment
    if len(alignment.components()) > 1:
        return
    names = sorted({row[3] for row in rows})
    design = torch.zeros(len(rows), len(names) + len(LANGUAGES), dtype=torch.float64)
    for i, (_, _, language, concept) in enumerate(rows):
        design[i, names.index(concept)] = 1
        design[i, len(names) + LANGUAGES.index(language)] = 1
    z = torch.stack([row[0] for row in rows]).flatten(1)
    dense = torch.linalg.lstsq(design, z, driver="gelsd").solution[len(names) :]
    dense = (dense - dense.mean(0)).reshape(len(LANGUAGES), LAYERS, WIDTH).transpose(0, 1)
    torch.testing.assert_close(alignment.effects(), dense, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(
        alignment.contrast("fr", "ja"), dense[:, 3] - dense[:, 2], rtol=1e-8, atol=1e-9
    )


def test_effects_error_equals_dense_least_squares():
    rows = texts(5, concepts=30, missing=0.4)
    alignment = fold(rows).alignment
    per_concept = by_concept(rows)
    rows = [row for group in per_concept if len(group) > 1 for row in group]
    names = sorted({row[3] for row in rows})
    columns = len(names) + len(LANGUAGES)
    design = torch.zeros(len(rows), columns, dtype=torch.float64)
    for i, (_, _, language, concept) in enumerate(rows):
        design[i, names.index(concept)] = 1
        design[i, len(names) + LANGUAGES.index(language)] = 1
    z = torch.stack([row[0] for row in rows]).flatten(1)
    pinv = torch.linalg.pinv(design)
    residual = z - design @ (pinv @ z)
    variance = residual.square().sum(0) / (len(rows) - columns + 1)
    pick = torch.zeros(columns, dtype=torch.float64)
    pick[-1], pick[-2] = 1, -1
    error = (variance * (pick @ pinv).square().sum()).sqrt().reshape(LAYERS, WIDTH)
    torch.testing.assert_close(alignment.contrast_error("fr", "ja"), error)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), missing=st.sampled_from([0.0, 0.5]), adjusted=st.booleans())
def test_shares_sum_to_one(seed, missing, adjusted):
    shares = fold(texts(seed, missing=missing)).alignment.shares(adjusted=adjusted)
    torch.testing.assert_close(sum(shares), torch.ones(LAYERS, dtype=torch.float64))
    assert all(bool((part >= -1e-12).all()) for part in shares)


@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_mean_shares_do_not_depend_on_the_size_of_a_coordinate(factor):
    size = torch.ones(WIDTH, dtype=torch.float64)
    size[0] = factor
    rows = texts(3)
    scaled = [(latent * size, *rest) for latent, *rest in rows]
    mine, theirs = (fold(one).alignment.coordinate_shares() for one in (rows, scaled))
    torch.testing.assert_close(mine.language, theirs.language)
    torch.testing.assert_close(mine.concept, theirs.concept)
    torch.testing.assert_close(sum(mine), torch.ones(LAYERS, dtype=torch.float64))


def test_shares_of_balanced_data_are_the_analysis_of_variance():
    rows = texts(11)
    z = torch.stack([row[0] for row in rows]).reshape(12, len(LANGUAGES), LAYERS, WIDTH)
    grand = z.mean((0, 1))
    total = (z - grand).square().sum((0, 1, 3))
    concept = (z.mean(1) - grand).square().sum((0, 2)) * len(LANGUAGES)
    language = (z.mean(0) - grand).square().sum((0, 2)) * 12
    shares = fold(rows).alignment.shares()
    torch.testing.assert_close(shares.concept, concept / total)
    torch.testing.assert_close(shares.language, language / total)


def test_adjusted_shares_of_pure_noise_are_all_rest():
    g = torch.Generator().manual_seed(3)
    rows = [
        (torch.randn(LAYERS, WIDTH, generator=g).double(), 1.0, language, f"c{c}")
        for c in range(400)
        for language in LANGUAGES
    ]
    alignment = fold(rows).alignment
    assert alignment.shares().concept[0] > 0.2
    assert alignment.shares(adjusted=True).concept[0] < 0.05


def test_unconnected_languages_are_named():
    rows = [row for row in texts(2) if row[2] in ("de", "en")]
    rows += [(m, w, tongue, "x" + c) for m, w, tongue, c in texts(3) if tongue in ("fr", "ja")]
    alignment = fold(rows).alignment
    assert alignment.components() == [("de", "en"), ("fr", "ja")]
    with pytest.raises(CorpusError, match="de en; fr ja"):
        alignment.effects()
    with pytest.raises(CorpusError, match="connects en with ja"):
        alignment.contrast("en", "ja")
    assert alignment.contrast("de", "en").isfinite().all()


def test_texts_without_a_concept_do_not_enter_the_alignment():
    rows = [(m, w, language, None) for m, w, language, _ in texts(2)]
    statistics = fold(rows)
    assert statistics.alignment.concepts == 0
    assert statistics.moments["de"].texts == 12
    with pytest.raises(CorpusError, match="aligned"):
        statistics.alignment.shares()


@pytest.mark.parametrize("mode", ["pooled", "language"])
def test_covariance_is_the_unbiased_one(mode):
    rows = [(mean, 1.0, language, concept) for mean, _, language, concept in texts(8)]
    statistics = fold(rows, Keep(mode))
    centred, each = [], {}
    for language in LANGUAGES:
        z = torch.stack([row[0][1] for row in rows if row[2] == language])
        centred.append(z - z.mean(0))
        each[language] = torch.cov(z.T)
    everything = torch.cat(centred)
    pooled = everything.T @ everything / (len(rows) - len(LANGUAGES))
    torch.testing.assert_close(statistics.covariance(5), pooled)
    if mode == "language":
        torch.testing.assert_close(statistics.covariance(5, "fr"), each["fr"])
    else:
        with pytest.raises(SpaceError, match="second_moments='language'"):
            statistics.covariance(5, "fr")


def test_scatter_of_tokens_adds_up_to_the_scatter_of_all_tokens():
    g = torch.Generator().manual_seed(1)
    groups = [torch.randn(n, 1, WIDTH, generator=g, dtype=torch.float64) for n in (3, 7, 5, 2)]
    keep = Keep("language", observation="tokens")
    statistics = Statistics.empty((0,), WIDTH, ("de", "en"), keep=keep)
    for group in groups:
        mean = group.mean(0)
        inside = (group - mean)[:, 0]
        statistics.scatter.add_within("de", 0, inside.T @ inside)
        statistics.update(mean[None], torch.tensor([float(len(group))]), ["de"], [None])
    tokens = torch.cat(groups)[:, 0]
    torch.testing.assert_close(statistics.covariance(0, "de"), torch.cov(tokens.T))


def test_samples_keep_translations_together():
    statistics = fold(texts(3, concepts=50), Keep(sample=8))
    keys = {part.keys for part in statistics.sample.parts.values()}
    assert len(keys) == 1
    x, y = statistics.sample.pairs("de", "fr", 1)
    assert x.shape == y.shape == (8, WIDTH)


def test_memory_over_the_limit_is_refused_with_the_figure():
    with pytest.raises(SpaceError, match=r"need 12\d\.\d GiB, over the limit of 4\.0 GiB"):
        Statistics.empty(range(32), 4096, [f"l{i}" for i in range(32)], keep=Keep("language"))


def test_memory_of_means_does_not_depend_on_second_moments_of_other_layers():
    keep = Keep("pooled", layers=(5,))
    assert Statistics.empty((3, 5), WIDTH, LANGUAGES, keep=keep).scatter.sums[""].shape[0] == 1
    with pytest.raises(SpaceError, match="layer 9"):
        Statistics.empty((3, 5), WIDTH, LANGUAGES, keep=Keep("pooled", layers=(9,)))


def test_latents_that_are_not_finite_are_refused_by_layer():
    statistics = Statistics.empty((3, 5), WIDTH, LANGUAGES)
    means = torch.zeros(2, LAYERS, WIDTH)
    means[1, 1, 2] = math.nan
    with pytest.raises(LatentError, match=r"text 1 .* layer 5"):
        statistics.update(means, torch.ones(2), ["de", "en"], ["a", "a"])


def test_a_layer_that_was_not_collected_is_refused():
    with pytest.raises(SpaceError, match=r"Layer 4 .* 3, 5"):
        fold(texts(0)).at(4)


def test_statistics_of_different_models_do_not_merge():
    a = Statistics.empty((3, 5), WIDTH, LANGUAGES)
    b = Statistics.empty((3, 6), WIDTH, LANGUAGES)
    with pytest.raises(SpaceError, match="cannot be merged"):
        a.merge(b)


VOCABULARY = 9


def tokens(seed, *, n=120, noise=0.3, skew=1.0):
    """Token ids `[n]`, languages `[n]` and latents `[n, layers, d]` of a two-way model.

    Languages prefer different tokens (by `skew`), and half of the tokens are big.
    """
    g = torch.Generator().manual_seed(seed)
    k = len(LANGUAGES)
    language = torch.randint(0, k, (n,), generator=g)
    chances = (skew * 2 * torch.rand(k, VOCABULARY, generator=g)).exp()
    ids = torch.multinomial(chances[language], 1, generator=g)[:, 0]
    effect = torch.randn(k, LAYERS, WIDTH, generator=g, dtype=torch.float64)
    token = 3 * torch.randn(VOCABULARY, LAYERS, WIDTH, generator=g, dtype=torch.float64)
    error = noise * torch.randn(n, LAYERS, WIDTH, generator=g, dtype=torch.float64)
    return ids, language, token[ids] + effect[language] + error, effect


def table_of(ids, language):
    pairs = zip(language.tolist(), ids.tolist(), strict=True)
    return TokenTable.of(LANGUAGES, [(LANGUAGES[i], [c]) for i, c in pairs])


def matching_of(ids, language, z, table=None):
    table = table or table_of(ids, language)
    found = Matching.empty(LANGUAGES, table.groups()[1], LAYERS, WIDTH)
    compared = Contrasts.of(table).tokens(ids, language, dtype=torch.float64)
    found.count(compared)
    for layer in range(LAYERS):
        found.add(layer, compared, z[compared.rows, layer])
    return found


def dense_effects(concept, language, z):
    """Least squares with one dummy for every concept and every language, `[layers, K, d]`."""
    dummies = [torch.nn.functional.one_hot(one).double() for one in (concept, language)]
    flat = z.flatten(1)
    solution = torch.linalg.lstsq(torch.cat(dummies, 1), flat, driver="gelsd").solution
    b = solution[-len(LANGUAGES) :]
    return (b - b.mean(0)).reshape(len(LANGUAGES), LAYERS, WIDTH).transpose(0, 1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(60, 150))
def test_matching_equals_dense_least_squares_with_token_dummies(seed, n):
    ids, language, z, _ = tokens(seed, n=n)
    dense = dense_effects(ids, language, z)
    torch.testing.assert_close(matching_of(ids, language, z).additive(), dense, rtol=0, atol=1e-8)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), times=st.lists(st.integers(1, 3), min_size=4, max_size=4))
def test_matching_is_the_difference_where_languages_have_the_same_tokens(seed, times):
    g = torch.Generator().manual_seed(seed)
    text = torch.randint(0, VOCABULARY, (30,), generator=g)
    ids = torch.cat([text.repeat(k) for k in times])
    language = torch.cat([torch.full((30 * k,), i) for i, k in enumerate(times)])
    z = torch.randn(len(ids), LAYERS, WIDTH, generator=g, dtype=torch.float64)
    means = torch.stack([z[language == i].mean(0) for i in range(len(LANGUAGES))], 1)
    effects = matching_of(ids, language, z).additive()
    torch.testing.assert_close(
        effects[:, 1:] - effects[:, :1], means[:, 1:] - means[:, :1], rtol=0, atol=1e-10
    )


def test_matching_is_unbiased_where_tokens_hide_the_language():
    """Languages that prefer different tokens: the plain difference is far off, this is not."""
    plain, matched = [], []
    effect = tokens(3)[3]
    truth = effect[2] - effect[0]
    chosen, language, clean, _ = tokens(3, noise=0.0)
    g = torch.Generator().manual_seed(0)
    for _ in range(200):
        z = clean + torch.randn(clean.shape, generator=g, dtype=torch.float64)
        plain.append(z[language == 2].mean(0) - z[language == 0].mean(0) - truth)
        b = matching_of(chosen, language, z).additive()
        matched.append(b[:, 2] - b[:, 0] - truth)

    def deviations(errors):
        errors = torch.stack(errors)
        return errors.mean(0).abs() / (errors.std(0) / math.sqrt(len(errors)))

    assert deviations(matched).max() < 4
    assert deviations(plain).max() > 20


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), order=st.permutations(range(3)))
def test_matching_streams_and_merges_with_one_table(seed, order):
    ids, language, z, _ = tokens(seed)
    table = table_of(ids, language)
    part = torch.arange(len(ids)) % 3
    parts = [matching_of(ids[part == i], language[part == i], z[part == i], table) for i in order]
    merged = parts[0].merge(parts[1]).merge(parts[2])
    whole = matching_of(ids, language, z)
    for name in ("counts", "laplacian", "moment"):
        torch.testing.assert_close(
            getattr(merged, name), getattr(whole, name), rtol=0, atol=1e-9, msg=name
        )
    torch.testing.assert_close(whole.laplacian.sum(0), table.laplacian())


def test_matchings_with_a_table_each_are_a_model_in_which_parts_have_their_own_tokens():
    ids, language, z, _ = tokens(5, n=300)
    part = torch.arange(len(ids)) % 2
    halves = [matching_of(ids[part == i], language[part == i], z[part == i]) for i in (0, 1)]
    dense = dense_effects(ids + VOCABULARY * part, language, z)
    torch.testing.assert_close(halves[0].merge(halves[1]).additive(), dense, rtol=0, atol=1e-8)


def test_a_token_of_one_language_says_nothing():
    ids, language, z, _ = tokens(6)
    extra = torch.cat([ids, torch.tensor([50, 50, 51])])
    tongue = torch.cat([language, torch.tensor([0, 0, 3])])
    more = torch.cat([z, torch.full((3, LAYERS, WIDTH), 1e6, dtype=torch.float64)])
    grown = matching_of(extra, tongue, more)
    assert torch.equal(grown.counts, matching_of(ids, language, z).counts)
    torch.testing.assert_close(grown.additive(), matching_of(ids, language, z).additive())


def test_languages_without_a_token_in_common_are_named():
    table = TokenTable.of(
        LANGUAGES, [("de", [1, 2]), ("en", [2, 5]), ("fr", [7, 8]), ("ja", [8, 9])]
    )
    with pytest.raises(CorpusError, match="de en; fr ja"):
        table.require_connected()
    with pytest.raises(CorpusError, match="de; en; fr; ja"):
        TokenTable.of(LANGUAGES, []).require_connected()


def matched_statistics(ids, language, z, table=None, *, gains=True):
    """Statistics in which every token is a text."""
    found = Statistics.empty((3, 5), WIDTH, LANGUAGES, pooling="matched", keep=Keep("pooled"))
    names = [LANGUAGES[i] for i in language.tolist()]
    found.update(z, torch.ones(len(z)), names, [None] * len(z))
    found.match(replace(matching_of(ids, language, z, table), gains=gains))
    return found


def test_means_of_matched_statistics_are_the_effects_about_the_mean_of_all():
    ids, language, z, _ = tokens(7)
    found = matched_statistics(ids, language, z, gains=False)
    means = torch.stack([found.means(layer) for layer in found.layers])
    effects = dense_effects(ids, language, z)
    torch.testing.assert_close(
        means - means.mean(1, keepdim=True), effects - effects.mean(1, keepdim=True)
    )
    sizes = torch.bincount(language).double()
    torch.testing.assert_close((means * sizes[None, :, None]).sum(1) / len(z), z.mean(0))
    with pytest.raises(ValueError, match="take no more texts"):
        found.update(z[:1], torch.ones(1), ["de"], [None])


@pytest.mark.parametrize("gains", [True, False])
def test_matched_statistics_merge_and_are_stored(gains):
    ids, language, z, _ = tokens(8)
    table = table_of(ids, language)
    whole = matched_statistics(ids, language, z, gains=gains)
    first = torch.arange(len(ids)) < 50
    parts = [
        matched_statistics(ids[at], language[at], z[at], table, gains=gains)
        for at in (first, ~first)
    ]
    merged = parts[0].merge(parts[1])
    same(whole, merged)
    torch.testing.assert_close(whole.covariance(5), merged.covariance(5))
    again, _ = unpack(*pack(whole))
    same(whole, again)
    with pytest.raises(SpaceError, match="--mergeable"):
        again.merge(merged)
    with_equations, left = unpack(*pack(whole, equations=True))
    assert not left
    assert torch.equal(with_equations.merge(whole).means(5), whole.merge(whole).means(5))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), singles=st.sampled_from([3, 16]))
def test_gains_and_effects_of_exact_latents_are_found(seed, singles):
    """z = a_token + g_token b_language: all gains, and the effects where the gain is 1."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("langsteer.statistics.tokens.SINGLES", singles)
        ids, language, _, effect = tokens(seed, n=300)
        g = torch.Generator().manual_seed(seed)
        table = table_of(ids, language)
        group, names = table.groups()
        true = 0.1 + 0.9 * torch.rand(len(names), generator=g, dtype=torch.float64)
        true = true / true[group.unique()].max()
        place = torch.searchsorted(table.ids, ids)
        token = torch.randn(VOCABULARY, LAYERS, WIDTH, generator=g, dtype=torch.float64)
        z = token[ids] + true[group[place], None, None] * effect[language]
        found, gains = matching_of(ids, language, z, table).scaled()
    used = group.unique()
    torch.testing.assert_close(gains[:, used], true[used].expand(LAYERS, -1), rtol=0, atol=1e-4)
    centred = (effect - effect.mean(0)).transpose(0, 1)
    torch.testing.assert_close(found, centred, rtol=0, atol=1e-3)


def test_gains_fit_latents_at_least_as_well_as_the_additive_model():
    ids, language, z, _ = tokens(9)
    matching = matching_of(ids, language, z)
    effects, gains = matching.scaled()

    def explained(b, g):
        """How much the squares of the rest fall when `g b` is taken out."""
        linear = torch.einsum("lg,lgkd,lkd->l", g, matching.moment, b)
        square = torch.einsum("lg,gij,lid,ljd->l", g.square(), matching.laplacian, b, b)
        return 2 * linear - square

    assert gains.max() == 1
    assert (
        explained(effects, gains) > explained(matching.additive(), torch.ones_like(gains))
    ).all()
