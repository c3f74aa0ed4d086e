"""Effects and interactions: the moderated t against a plain transcription, and how many findings are false."""

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, special, stats

from tricktable.runner.papers import interactions
from tricktable.runner.papers.interactions import Spread


def cells(rng, tricks, seeds, noise, effects, pairs=None):
    """Figures by seed of the base, singles and pairs; a seed's own part is common to all cells."""
    pairs, common = pairs or {}, rng.normal(0, 2, seeds)

    def draw(mean):
        return mean + common + rng.normal(0, noise, seeds)

    found = {(): draw(30.0)}
    for a in range(tricks):
        found[(a,)] = draw(30.0 + effects[a])
    for a, b in itertools.combinations(range(tricks), 2):
        found[a, b] = draw(30.0 + effects[a] + effects[b] + pairs.get((a, b), 0.0))
    return found


def interactions_of(found):
    names = [key for key in found if len(key) == 2]
    return names, [found[a, b] - found[(a,)] - found[(b,)] + found[()] for a, b in names]


def test_the_moderated_t_is_smyths():
    rng = np.random.default_rng(0)
    samples = [
        rng.normal(mean, scale, 5) for mean, scale in zip(rng.normal(0, 1, 40), rng.gamma(4, 0.3, 40), strict=True)
    ]
    found, common = interactions.estimates(samples)

    variances, d = [x.var(ddof=1) for x in samples], 4
    e = [math.log(v) - special.digamma(d / 2) + math.log(d / 2) for v in variances]
    excess = np.var(e, ddof=1) - special.polygamma(1, d / 2)
    assert excess > 0
    d0 = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-3, 1e6)
    s0 = math.exp(np.mean(e) + special.digamma(d0 / 2) - math.log(d0 / 2))
    assert common.freedom == pytest.approx(d0, rel=1e-9) and common.deviation**2 == pytest.approx(s0, rel=1e-9)
    for estimate, x, v in zip(found, samples, variances, strict=True):
        error = math.sqrt((d0 * s0 + d * v) / (d0 + d) / 5)
        assert estimate.p == pytest.approx(2 * stats.t.sf(abs(x.mean()) / error, d0 + d), rel=1e-9)
        assert estimate.half == pytest.approx(stats.t.ppf(0.975, d0 + d) * error, rel=1e-9)
    ranked = sorted(found, key=lambda each: each.p)
    for rank, each in enumerate(ranked):  # Benjamini & Hochberg, stepping up
        least = min(later.p * len(found) / (i + 1) for i, later in enumerate(ranked) if i >= rank)
        assert each.adjusted == pytest.approx(min(1.0, least), rel=1e-9)


def test_spreads_that_differ_by_chance_alone_are_one():
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 3.0, (400, 5))
    _, common = interactions.estimates(samples)
    assert common.freedom > 50 and common.deviation == pytest.approx(3.0, rel=0.05)


def test_one_sample_alone_is_students():
    [found], common = interactions.estimates([[1.0, 2.0, 4.0]])
    theirs = stats.ttest_1samp([1.0, 2.0, 4.0], 0)
    assert common.freedom == 0 and found.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert found.mean - found.half == pytest.approx(theirs.confidence_interval().low, rel=1e-9)


@pytest.mark.parametrize(("values", "p"), [([[0.0, 0.0], [0.0, 0.0]], 1.0), ([[1.0, 1.0], [2.0, 2.0]], 0.0)])
def test_figures_that_never_differ(values, p):
    found, _ = interactions.estimates(values)
    assert [each.p for each in found] == [p, p] and all(each.half == 0 for each in found)


def test_a_planted_interaction_is_found_and_nothing_else():
    rng = np.random.default_rng(2)
    found = cells(rng, 10, 5, 0.5, rng.normal(0, 3, 10), {(2, 7): 4.0, (0, 1): -4.0})
    names, samples = interactions_of(found)
    tested, _ = interactions.estimates(samples)
    assert {name for name, each in zip(names, tested, strict=True) if each.found} == {(2, 7), (0, 1)}
    assert tested[names.index((2, 7))].mean == pytest.approx(4.0, abs=2.0)


@pytest.mark.parametrize("uneven", [False, True])
def test_without_interactions_at_most_one_atlas_in_twenty_has_a_finding(uneven):
    """Where all are false, the rate of false discoveries is the chance of any. The cells of a pair are shared by others."""
    rng, atlases, any_found = np.random.default_rng(3), 400, 0
    for _ in range(atlases):
        noise = rng.gamma(3, 0.25, 5) if uneven else np.full(5, 0.7)
        _, samples = interactions_of(cells(rng, 8, 5, noise, rng.normal(0, 3, 8)))
        any_found += any(each.found for each in interactions.estimates(samples)[0])
    assert any_found / atlases <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / atlases)


def test_of_findings_among_true_ones_one_in_twenty_is_false():
    """The rate is an expectation: of the share of false ones among an atlas's findings."""
    rng, shares, true = np.random.default_rng(4), [], 0
    planted = {(a, a + 1): 3.0 for a in range(0, 8, 2)}
    for _ in range(200):
        names, samples = interactions_of(cells(rng, 8, 5, 0.7, rng.normal(0, 3, 8), planted))
        found = [n for n, each in zip(names, interactions.estimates(samples)[0], strict=True) if each.found]
        shares.append(sum(name not in planted for name in found) / max(1, len(found)))
        true += sum(name in planted for name in found)
    assert np.mean(shares) <= 0.05 + 2 * np.std(shares) / math.sqrt(len(shares)) and true > 700


@pytest.mark.parametrize("freedom", [6.0, math.inf])
def test_the_smallest_effect_is_found_four_times_in_five(freedom):
    n, tests, common = 5, 45, Spread(0.8, freedom)
    size = interactions.smallest(common, n, tests)
    rng = np.random.default_rng(5)
    degrees = freedom + n - 1
    spread = np.ones(40_000) if math.isinf(freedom) else np.sqrt(rng.chisquare(degrees, 40_000) / degrees)
    t = (size * math.sqrt(n) / common.deviation + rng.normal(size=40_000)) / spread
    level = 0.05 / tests / 2
    threshold = stats.norm.isf(level) if math.isinf(freedom) else stats.t.isf(level, degrees)
    assert (t > threshold).mean() == pytest.approx(interactions.POWER, abs=0.01)


def test_the_additive_share():
    members = [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    terms = [2.0, -1.0, 0.5]
    means = [10 + sum(terms[i] for i in each) for each in members]
    assert interactions.additive(members, means, 0.0).share == pytest.approx(1.0)
    means[4] += 3.0
    y, x = np.array(means), np.array([[1, *(float(i in each) for i in range(3))] for each in members])
    left = y - x @ np.linalg.solve(x.T @ x, x.T @ y)
    found = interactions.additive(members, means, 0.01)
    assert found.share == pytest.approx(1 - (left**2).sum() / ((y - y.mean()) ** 2).sum())
    assert found.noise == pytest.approx(0.01 * 3 / ((y - y.mean()) ** 2).sum())
