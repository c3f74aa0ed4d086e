"""What becomes of a claim: each rule on constructed figures, and the tests' error rates by simulation."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.papers import claims, significance
from tricktable.runner.papers.claims import judge, selected, standing, verdict, within_paper
from tricktable.runner.papers.facts import Claim, Metric, PaperRow, Side, Table
from tricktable.runner.papers.measured import Judged, MeasuredRow, Measurement
from tricktable.runner.papers.significance import find, holm

LESS = Claim("c", "left is lower", "less_than", "t", Side(["a"]), Side(["b"]), "value", "summary")
EQUAL = replace(LESS, kind="equal_within", tolerance=0.5)
RATIO = replace(LESS, kind="ratio", expected=2.0, tolerance=0.2)
LOWER, HIGHER = Metric("top1_error", "percent", "lower", "test"), Metric("top1_accuracy", "percent", "higher", "test")
SPREAD = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def table(metric: Metric = LOWER, selection: str = "last") -> Table:
    return Table("t", "", metric, selection, {})


def row(
    label: str, figures: Sequence[float | None] = (), theirs: float | None = 1.0, best: Sequence[float] | None = None,
    confidence: Any = "summary", seeds: int | None = None, reason: str | None = None, **counts: int,
) -> MeasuredRow:  # fmt: skip
    """A row of these figures, one per seed; None is a run that diverged."""
    paper = PaperRow(label, None, "cifar10", {}, theirs, None, None, None, *[counts.get(c) for c in claims.EXACT],
                confidence, False, {})  # fmt: skip
    runs = tuple(
        Measurement(ended(f is not None), seed, f, None if best is None else best[seed])
        for seed, f in enumerate(figures)
    )
    declared = tuple(range(len(figures) if seeds is None else seeds))
    return MeasuredRow(label=label, seeds=declared, runs=runs, theirs=paper, reason=reason, **counts)


def ended(well: bool) -> StoredRun:
    """A run of which no file is read."""
    info = RunInfo(identity=Identity("", "", {}), state="complete" if well else "diverged")
    return StoredRun(Path(), info)


def around(mean: float, sd: float = 0.1) -> list[float]:
    return list(mean + sd * SPREAD)


def said(claim: Claim, left: Sequence[float], right: Sequence[float], **options: bool) -> str:
    found = find(claim, left, right, **options)
    return verdict(found.excess, found.p if found.tested else None)


def judged(claim: Claim, left: MeasuredRow, right: MeasuredRow, **options: Any) -> Judged:
    return judge(claim, table(), [left], [right], options.pop("budget", "paper"), **options)


# The three kinds, of figures of seeds.


def welch(a: np.ndarray, b: np.ndarray, confidence: float) -> tuple[float, float]:
    """The interval of mean(b) - mean(a), written out."""
    v, k = [x.var(ddof=1) / len(x) for x in (a, b)], min(len(a), len(b)) - 1
    freedom = max(k, k * sum(v) ** 2 / (v[0] ** 2 + v[1] ** 2) - 1)
    half = stats.t.ppf((1 + confidence) / 2, freedom) * math.sqrt(sum(v))
    return b.mean() - a.mean() - half, b.mean() - a.mean() + half


def trials(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(1)
    sizes = rng.integers(2, 8, (count, 2))
    return [
        (rng.normal(5, rng.uniform(0.1, 1), m), rng.normal(rng.choice([5, 5.5, 6]), rng.uniform(0.1, 1), n))
        for m, n in sizes
    ]


def test_a_direction_is_decided_where_the_95_percent_interval_leaves_the_margin():
    claim, seen = replace(LESS, margin=0.5), set()
    for a, b in trials(200):
        low, high = welch(a, b, 0.95)
        expected = "reproduced" if low > 0.5 else "contradicted" if high < 0.5 else "undecided"
        assert said(claim, a, b) == expected
        seen.add(expected)
    assert len(seen) == 3


def test_an_equality_is_kept_by_the_90_and_broken_by_the_95_percent_interval():
    seen = set()
    for a, b in trials(300):
        low, high = welch(a, b, 0.95)
        narrow = welch(a, b, 0.9)
        inside, outside = narrow[0] > -0.5 and narrow[1] < 0.5, low > 0.5 or high < -0.5
        expected = "reproduced" if inside else "contradicted" if outside else "undecided"
        assert said(EQUAL, a, b) == expected
        seen.add(expected)
    assert len(seen) == 3


def test_a_ratio_is_decided_by_fiellers_interval():
    """Fieller's 90% interval of L / R: the rho at which L - rho R is not told from 0, found on a grid."""
    grid = np.linspace(0.01, 6, 20_000)
    rng, seen = np.random.default_rng(2), set()
    for _ in range(60):
        a, b = rng.normal(rng.choice([8, 8.8, 10]), 0.5, 5), rng.normal(4, 0.1, 5)

        def among(confidence: float, a: np.ndarray = a, b: np.ndarray = b) -> np.ndarray:
            v = np.array([np.full(len(grid), a.var(ddof=1) / 5), grid**2 * b.var(ddof=1) / 5])
            freedom = np.maximum(4, 4 * v.sum(0) ** 2 / (v**2).sum(0) - 1)
            return grid[abs(a.mean() - grid * b.mean()) < stats.t.ppf((1 + confidence) / 2, freedom) * v.sum(0) ** 0.5]

        narrow, wide = among(0.9), among(0.95)
        inside = narrow.min() > 1.8 and narrow.max() < 2.2
        expected = "reproduced" if inside else "contradicted" if wide.min() > 2.2 else "undecided"
        assert said(RATIO, a, b) == expected
        seen.add(expected)
    assert len(seen) == 3


@pytest.mark.parametrize("claim", [LESS, EQUAL, RATIO], ids=lambda claim: claim.kind)
def test_figures_without_an_interval_decide_nothing(claim):
    for left, right in (([1.0], [9.0, 9.1, 9.2]), ([1.0, 1.1], [9.0]), ([], [9.0, 9.1]), ([1.0, 1.0], [9.0, 9.0])):
        assert said(claim, left, right) == "undecided"
        assert find(claim, left, right).needed() is None


def test_pairs_show_what_seeds_share():
    left = np.array([1.0, 2.0, 3.0, 4.0])
    right = left + np.array([0.1, 0.12, 0.09, 0.11])
    assert said(LESS, left, right) == "undecided" and said(LESS, left, right, paired=True) == "reproduced"
    assert find(LESS, left, right, paired=True).p == pytest.approx(stats.ttest_rel(left, right).pvalue)
    assert said(EQUAL, left, right) == "undecided" and said(EQUAL, left, right, paired=True) == "reproduced"
    left, right = left + 10, right + 10
    assert said(RATIO, 2 * right, left) == "undecided" and said(RATIO, 2 * right, left, paired=True) == "reproduced"


# Error rates.

SIZES = [(3, 3), (5, 5), (10, 10), (3, 10), (10, 3), (5, 10), (3, 5), (2, 10)]


def rate(
    claim: Claim, sizes: tuple[int, int], sds: tuple[float, float], means: tuple[float, float], kept: bool
) -> float:
    """How often a claim is decided for (or against), of 40,000 tables."""
    rng = np.random.default_rng(sum(sizes))
    a, b = (m + sd * rng.standard_normal((n, 40_000)) for n, sd, m in zip(sizes, sds, means, strict=True))
    found = find(claim, a, b)
    return float(np.mean((found.p < 0.05) & ((found.excess > 0) == kept)))


def at_most(nominal: float) -> float:
    """The nominal rate and four standard errors of 40,000 trials."""
    return nominal + 4 * math.sqrt(nominal * (1 - nominal) / 40_000)


@pytest.mark.parametrize("sds", [(1.0, 1.0), (3.0, 1.0), (10.0, 1.0)], ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_where_there_is_no_effect_a_direction_is_reproduced_at_most_once_in_40(sizes, sds):
    claim = replace(LESS, margin=0.3)
    assert rate(claim, sizes, sds, (0.0, 0.3), kept=True) <= at_most(0.025)
    assert rate(claim, sizes, sds, (0.0, 0.3), kept=False) <= at_most(0.025)


@pytest.mark.parametrize("sds", [(0.1, 0.1), (0.3, 0.1)], ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_at_the_tolerance_an_equality_is_reproduced_at_most_once_in_20(sizes, sds):
    assert rate(EQUAL, sizes, sds, (0.0, 0.5), kept=True) <= at_most(0.05)
    assert rate(EQUAL, sizes, sds, (0.0, 0.5), kept=False) <= at_most(0.025)


@pytest.mark.parametrize("sizes", [(3, 3), (5, 5), (3, 10)], ids=str)
def test_at_the_tolerance_a_ratio_is_reproduced_at_most_once_in_20(sizes):
    assert rate(RATIO, sizes, (0.5, 0.1), (8.8, 4.0), kept=True) <= at_most(0.05)
    assert rate(RATIO, sizes, (0.5, 0.1), (8.8, 4.0), kept=False) <= at_most(0.025)


def test_welchs_own_freedom_would_err():
    """Why fewer degrees are taken: 3 against 10 seeds, the first with three times the spread."""
    rng = np.random.default_rng(0)
    a, b = 3 * rng.standard_normal((3, 40_000)), rng.standard_normal((10, 40_000))
    result = stats.ttest_ind(b, a, equal_var=False)
    assert np.mean((result.pvalue < 0.05) & (result.statistic > 0)) > at_most(0.025)


# Seeds needed.


@pytest.mark.parametrize("claim", [LESS, EQUAL, RATIO], ids=lambda claim: claim.kind)
@pytest.mark.parametrize("shift", [-0.7, 0.1, 0.35])
def test_the_seeds_needed_are_the_fewest_that_decide(claim, shift):
    """Brute force: figures of n seeds with the same means and variances, for each n."""
    left, right = np.array([4.0, 5.5, 6.0]), np.array([4.4, 5.0, 5.0, 5.6]) + shift
    if claim is RATIO:
        left = 2 * left

    def grown(x: np.ndarray, n: int) -> np.ndarray:
        z = np.arange(n) - (n - 1) / 2
        return x.mean() + z / z.std(ddof=1) * x.std(ddof=1)

    assert said(claim, left, right) == "undecided"
    needed = find(claim, left, right).needed()
    assert needed is not None and 2 < needed < 1200
    seeds = [n for n in range(2, needed + 20) if n < 50 or abs(n - needed) < 20]
    decided = [said(claim, grown(left, n), grown(right, n)) != "undecided" for n in seeds]
    assert decided == [n >= needed for n in seeds]


def test_seeds_needed_have_an_end():
    assert find(LESS, [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).needed() is None
    assert find(LESS, [1.0, 2.0, 3.0], [1.001, 2.0, 3.0]).needed() == significance.CAP


# Holm.


def plain_holm(ps: Sequence[float]) -> list[float]:
    """Holm 1979: reject in order while p_(j) <= level / (m - j + 1); the smallest level at which each is rejected."""
    return [
        min(1.0, max((len(ps) - sorted(ps).index(q)) * q for q in ps if q <= p)) for p in ps
    ]  # fmt: skip


def test_holm_is_holms():
    rng = np.random.default_rng(0)
    for m in (0, 1, 2, 7):
        ps = list(rng.uniform(0, 0.2, m))
        assert holm(ps) == pytest.approx(plain_holm(ps))
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.5]) == [1.0, 1.0]


def test_the_adjusted_p_decides():
    ps: list[tuple[Any, float | None]] = [
        ("reproduced", 0.001), ("contradicted", 0.03), ("indication for", 0.04), ("undecided", 0.3), ("not run", None),
    ]  # fmt: skip
    found = within_paper([Judged(LESS, said, "why", p=p) for said, p in ps])
    assert [each.verdict for each in found] == [
        "reproduced", "undecided", "no indication", "undecided", "not run",
    ]  # fmt: skip
    assert [each.adjusted for each in found] == [0.004, 0.09, 0.09, 0.3, None]
    assert found[0].reason == "why" and "Holm" in found[1].reason and found[1].p == 0.03


# What a verdict is worth.


@pytest.mark.parametrize(
    ("budget", "own", "copy", "expected"),
    [
        ("paper", True, None, ("reproduced", "")),
        ("paper", True, "JPEG copy", ("reproduced", "JPEG copy")),
        ("paper", False, "JPEG copy", ("indication for", "JPEG copy; other data")),
        ("paper", False, None, ("indication for", "other data")),
        ("short", True, None, ("indication for", "the short budget")),
        ("smoke", True, "lossy copy", ("indication for", "lossy copy; the smoke budget")),
        ("smoke", False, "JPEG copy", ("indication for", "JPEG copy; the smoke budget; other data")),
    ],
)
def test_only_the_papers_budget_and_data_give_a_verdict(budget, own, copy, expected):
    assert standing("reproduced", budget, own, copy) == expected


def test_every_verdict_has_its_indication_and_what_was_not_run_has_none():
    assert standing("contradicted", "short", True)[0] == "indication against"
    assert standing("undecided", "short", True)[0] == "no indication"
    assert standing("not run", "short", True) == ("not run", "")
    assert standing("reproduced", "paper", True, None, ["from memory"]) == ("indication for", "from memory")


def test_nothing_rests_on_memory():
    good, bad = row("a", around(1)), row("b", around(2))
    recalled = replace(bad, theirs=replace(bad.theirs, confidence="memory"))
    assert judged(LESS, good, bad).verdict == "reproduced"
    for claim, right in ((replace(LESS, confidence="memory"), bad), (LESS, recalled)):
        found = judged(claim, good, right)
        assert found.verdict == "indication for" and "from memory" in found.reason


def test_the_selection_of_the_epoch_must_not_decide():
    assert selected("reproduced", "reproduced") == "reproduced"
    assert selected("reproduced", "undecided") == selected("contradicted", "reproduced") == "undecided"
    left, right = row("a", around(1), best=around(1)), row("b", around(2), best=around(0.5))
    found = judge(LESS, table(selection="best"), [left], [right], "paper")
    assert found.verdict == "undecided" and found.reason.startswith("selection: reproduced by the last")
    for selection in ("last", "unknown"):
        assert judge(LESS, table(selection=selection), [left], [right], "paper").verdict == "reproduced"
    same = row("b", around(2), best=around(1.9))
    assert judge(LESS, table(selection="best"), [left], [same], "paper").verdict == "reproduced"
    unknown = row("b", around(2))
    assert judge(LESS, table(selection="best"), [left], [unknown], "paper").verdict == "undecided"


# Claims of rows.


def test_a_judgement_has_the_effect_theirs_and_what_it_would_take():
    found = judged(LESS, row("a", [5.0, 5.2, 5.1], theirs=5.0), row("b", [5.2, 5.3, 5.5], theirs=6.0))
    assert (found.verdict, found.theirs) == ("undecided", 1.0)
    assert (found.ours, found.ratio) == (pytest.approx(7 / 30), pytest.approx(7 / 30))
    low, high = welch(np.array([5.0, 5.2, 5.1]), np.array([5.2, 5.3, 5.5]), 0.95)
    assert found.half == pytest.approx((high - low) / 2)
    assert found.needed == find(LESS, [5.0, 5.2, 5.1], [5.2, 5.3, 5.5]).needed()
    assert found.p == pytest.approx(float(find(LESS, [5.0, 5.2, 5.1], [5.2, 5.3, 5.5]).p))


def test_decided_claims_need_no_more_seeds_and_a_ratio_has_no_symmetric_interval():
    found = judged(RATIO, row("a", around(8), theirs=6), row("b", around(4), theirs=2))
    assert (found.verdict, found.needed, found.half) == ("reproduced", None, None)
    assert (found.theirs, found.ours) == (3.0, pytest.approx(2.0)) and found.ratio == pytest.approx(2 / 3)


def test_one_run_a_row_shows_its_effect_and_decides_nothing():
    found = judged(LESS, row("a", [1.0], theirs=None), row("b", [2.0]))
    assert (found.verdict, found.ours, found.half, found.p, found.theirs) == ("undecided", 1.0, None, None, None)
    assert "no interval" in found.reason and found.ratio is None


def test_pairs_are_matched_by_seed():
    left = row("a", [1.0, 2.0, 3.0, 4.0, None])
    right = row("b", [1.1, 2.12, 3.09, 4.11, 90.0])
    shuffled = replace(right, runs=right.runs[::-1])
    assert judged(LESS, left, shuffled, paired=True).verdict == "reproduced"


def test_what_was_not_run_and_what_cannot_be_is_said():
    have, nothing, never = row("a", around(1)), row("b", seeds=5), row("b", reason="no such data")
    assert judged(LESS, have, nothing).verdict == "not run"
    found = judged(LESS, nothing, never)
    assert (found.verdict, found.reason) == ("not runnable here", "no such data")
    assert judged(replace(LESS, field="extra.top5_error"), have, have).verdict == "not runnable here"
    words = replace(LESS, kind="qualitative", table=None, field=None, note="a curve")
    assert judge(words, None, [], [], "paper") == Judged(words, "qualitative", "a curve")


def test_seeds_that_have_not_ended_leave_an_indication():
    found = judged(LESS, row("a", around(1), seeds=7), row("b", around(2)))
    assert found.verdict == "indication for" and "not ended of a" in found.reason


def test_runs_that_diverged_are_counted_and_not_averaged():
    most, some = row("a", [1.0, 1.1, None, None, None]), row("a", [1.0, 1.1, 1.2, None, None])
    found = judged(LESS, most, row("b", around(2)))
    assert (found.verdict, found.p) == ("undecided", None) and "diverged of a" in found.reason
    assert judged(LESS, most, row("b", around(2)), budget="short").verdict == "no indication"
    found = judged(LESS, some, row("b", around(2)))
    assert found.verdict == "reproduced" and found.ours == pytest.approx(0.9) and "a: 2 diverged" in found.reason


EXACT_CLAIMS: Mapping[str, tuple[Claim, int, int, str]] = {
    "less": (replace(LESS, field="params", margin=10), 90, 100, "reproduced"),
    "not less": (replace(LESS, field="params", margin=10), 91, 100, "contradicted"),
    "equal": (replace(EQUAL, field="madds", tolerance=3), 97, 100, "reproduced"),
    "not equal": (replace(EQUAL, field="madds", tolerance=3), 104, 100, "contradicted"),
    "ratio": (replace(RATIO, field="updates"), 215, 100, "reproduced"),
    "other ratio": (replace(RATIO, field="updates"), 100, 215, "contradicted"),
}


@pytest.mark.parametrize("case", EXACT_CLAIMS)
def test_counts_are_exact_and_need_no_seeds(case):
    claim, a, b, expected = EXACT_CLAIMS[case]
    left, right = (row(label, seeds=5, **{str(claim.field): n}) for label, n in (("a", a), ("b", b)))
    found = judged(claim, left, right)
    assert (found.verdict, found.p, found.half) == (expected, None, None)
    assert found.ours == found.theirs == pytest.approx(a / b if claim.kind == "ratio" else b - a)
    assert judged(claim, left, row("b")).verdict == "not run"


# The best of several rows.


def best_of(rows: Sequence[MeasuredRow], metric: Metric = LOWER, one: Sequence[float] = (1.0, 1.1, 0.9)) -> Judged:
    """That one row is lower than the best of others (of accuracies: that the best of others is lower than it)."""
    single = row("one", one, theirs=1.0)
    sides = ([single], rows) if metric is LOWER else (rows, [single])
    return judge(LESS, table(metric), *sides, "paper")


def test_the_best_of_several_rows_is_that_with_the_best_mean():
    found = best_of([row("a", around(3), theirs=1.5), row("b", around(2), theirs=2.5), row("c", around(4), theirs=9.0)])
    assert (found.verdict, found.ours, found.theirs) == ("reproduced", pytest.approx(1.0), 0.5)
    higher = best_of([row("a", around(3)), row("b", around(2))], HIGHER, (4.0, 4.1, 3.9))
    assert (higher.verdict, higher.ours) == ("reproduced", pytest.approx(1.0))
    counts = [row("a", params=5), row("b", params=3)]
    few = judge(replace(LESS, field="params"), table(HIGHER), [row("one", params=4)], counts, "paper")
    assert (few.verdict, few.ours) == ("contradicted", -1)


@pytest.mark.parametrize(("field", "ours"), [("grid_best", 1.0), ("grid_median", 1.0), ("grid_range", 2.0)])
def test_of_grids_of_accuracies_the_best_row_has_the_highest_but_the_smallest_range(field, ours):
    """Rows have a grid's statistic as their figures already; the row that is picked is 3 or, of ranges, 2."""
    sides = [row("a", around(3)), row("b", around(2))], [row("one", around(4))]
    found = judge(replace(LESS, field=field), table(HIGHER), *sides, "paper")
    assert (found.verdict, found.ours) == ("reproduced", pytest.approx(ours))


def test_to_beat_the_best_of_several_is_to_beat_each():
    """b is picked, but a, whose mean is worse, is not told from the row."""
    one = [1.0, 1.1, 0.9]
    loose, close = [0.5, 3.0, 6.0], [2.0, 2.1, 1.9]
    found = best_of([row("a", loose), row("b", close)])
    assert said(LESS, one, close) == "reproduced" and said(LESS, one, loose) == found.verdict == "undecided"
    assert found.p == pytest.approx(float(find(LESS, one, loose).p))
    assert found.needed == find(LESS, one, loose).needed()


@pytest.mark.parametrize("metric", [LOWER, HIGHER], ids=lambda metric: metric.better)
def test_a_row_picked_from_k_refutes_at_k_times_its_p(metric):
    sign = 1 if metric is LOWER else -1
    one, others = [1.0, 1.1, 0.9], [np.array([1.0, 0.9, 1.1]) - sign * shift for shift in (0.26, 0.0, -0.3)]
    found = best_of([row(str(i), list(x)) for i, x in enumerate(others)], metric, one)
    pair = (one, others[0]) if metric is LOWER else (others[0], one)
    assert said(LESS, *pair) == "contradicted" and found.verdict == "undecided"
    assert found.p == pytest.approx(3 * float(find(LESS, *pair).p))
    assert found.needed == find(LESS, *pair).needed(0.05 / 3)


def test_the_best_of_rows_not_all_of_which_were_run_is_an_indication():
    for lacking in (row("b", seeds=3), row("b", reason="no such data"), row("b", [None, None, 3.0])):
        found = best_of([row("a", around(2)), lacking])
        assert found.verdict == "indication for" and "without b" in found.reason


def test_what_choosing_costs_is_not_known_of_equalities_and_of_two_choices():
    near, far = row("a", around(1)), row("b", around(3))
    assert judge(EQUAL, table(), [row("c", around(1))], [near, far], "paper").verdict == "indication for"
    assert (
        judge(LESS, table(), [near, far], [row("c", around(4)), row("d", around(5))], "paper").verdict
        == "indication for"
    )


def decided(rows: Sequence[tuple[float, float]], trials: int = 400) -> Mapping[str, int]:
    """How often one row, of mean 1 and sd 0.2, is said to beat the best of rows of these means and sds, or not to."""
    rng = np.random.default_rng(3)
    found = [
        best_of([row(str(i), list(rng.normal(m, sd, 4))) for i, (m, sd) in enumerate(rows)], one=rng.normal(1, 0.2, 4))
        for _ in range(trials)
    ]
    return Counter(each.verdict for each in found)


def test_choosing_a_row_shows_nothing_too_often(monkeypatch):
    """The first row is as good as the one; another, somewhat worse, is often picked in its place."""
    monkeypatch.setattr(significance, "CAP", 2)
    assert decided([(1.0, 3.0), (1.8, 0.05)])["reproduced"] <= 400 * 0.025 + 4 * math.sqrt(400 * 0.025)


def test_choosing_a_row_refutes_nothing_too_often(monkeypatch):
    monkeypatch.setattr(significance, "CAP", 2)
    assert decided([(1.0, 0.2)] * 9)["contradicted"] <= 400 * 0.025 + 4 * math.sqrt(400 * 0.025)


# What a recipe does otherwise than the paper.


def test_what_differs_and_is_material_leaves_an_indication():
    left, right = row("a", around(1)), row("b", around(2))
    found = judged(LESS, left, right, differs=["augmentation", "data", "augmentation"])
    assert (found.verdict, found.reason.partition("; ")[2]) == (
        "indication for",
        f"{claims.ONLY}: differs: augmentation, data",
    )
    assert judged(LESS, left, right, differs=[]).verdict == "reproduced"


@pytest.mark.parametrize("field", claims.EXACT)
@pytest.mark.parametrize("kind", ["augmentation", "data", "network", "optimization", "evaluation"])
def test_a_count_is_an_indication_where_what_differs_moves_it(field, kind):
    """A network moves its size and cost, images their number and the cost of one, training the updates."""
    moves = {"params": {"network"}, "madds": {"network", "data"}, "updates": {"optimization", "data"}}
    left, right = (row(label, seeds=5, **{field: n}) for label, n in (("a", 90), ("b", 100)))
    found = judged(replace(LESS, field=field), left, right, differs=[kind])
    assert found.verdict == ("indication for" if kind in moves[field] else "reproduced")
    assert (f"differs: {kind}" in found.reason) == (kind in moves[field])
