"""What tables and claims take at the paper's budget: the arithmetic by hand, and docs/cpu-budget.md."""

import re

import pytest

from tests.conftest import ROOT
from tricktable.runner.cli import main
from tricktable.runner.papers import estimate, hours, recipe

PAGE = (ROOT / "docs" / "cpu-budget.md").read_text(encoding="utf-8")
RATE = float(re.search(r"--hours ([\d.]+) --markdown", PAGE)[1]) * hours.BILLION
CHEAP = ("kingma2015_adam/logistic_regression", "defazio2024_schedule_free/mnist_example", "zhang2019_fixup/rules")
LOGISTIC = 7840  # multiply-adds of an image's 784 pixels and 10 classes


def test_logistic_regression_by_hand():
    """Of each row six settings on 55,000 images, and five seeds of the best on 60,000; 45 epochs each."""
    found = hours.table("kingma2015_adam/logistic_regression", RATE)
    images = 45 * (6 * 55_000 + 5 * 60_000)
    row = 11 * estimate.START + images * 3 * LOGISTIC / RATE
    assert found.runs == 33 and found.seconds == pytest.approx(3 * row)
    assert [claim.runs for claim in found.claims] == [22, 22, 22]  # of its two rows
    assert [claim.seconds for claim in found.claims] == pytest.approx([2 * row] * 3)
    assert [claim.gets for claim in found.claims] == [hours.VERDICT] * 3 and found.verdicts == 3


def test_what_memory_and_departures_cap_is_no_verdict():
    (claim,) = hours.table("defazio2024_schedule_free/mnist_example", RATE).claims
    assert claim.gets == "indication (network)" and claim.runs == 20
    memory = {claim.gets for claim in hours.table("szegedy2016_label_smoothing/pereyra_cifar10", RATE).claims}
    assert memory == {"indication (memory)"}


@pytest.mark.parametrize("name", CHEAP)
def test_the_page_has_the_tables_line(name):
    assert hours.table_row(hours.table(name, RATE)) in PAGE.splitlines(), "run `make docs`"


def test_the_page_has_each_table_once_and_no_other():
    listed = re.findall(r"^\| `(\w+/[\w.]+)` \|", PAGE, re.MULTILINE)
    assert len(set(listed)) == len(listed) and set(listed) <= set(recipe.names())
    without = int(re.search(r"(\d+) more\s+have no row", PAGE)[1])
    unknown = re.search(r"; of (.*)\nthe images' size", PAGE)
    assert len(listed) + without + len(re.findall("`", unknown[1] if unknown else "")) // 2 == len(recipe.names())


def test_limits_hold_what_is_not_more():
    claims = tuple(
        hours.ClaimCost(f"p: {i}", "s", 1, 3600.0 * i, hours.VERDICT if i == 1 else "indication") for i in (1, 2)
    )
    costs = [
        hours.TableCost("p/a", 2, 3 * 3600.0, claims),
        hours.TableCost("p/b", 0, 0.0, ()),
        hours.TableCost("p/c", 1, None, ()),
    ]
    assert hours.within(costs)[:2] == [("1", "0", "0", "1", "1"), ("10", "1", "2", "2", "1")]
    assert hours.lines(costs) == [("p/a", "       3.0 h     2 runs   2 claims")]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["list", "norm", "--hours"], "--hours: expected `tricktable list tables --hours`, got norm"),
        (["list", "tables", "--hours", "-1"], "--hours: expected billions of multiply-adds a second, above 0, got -1"),
    ],
)
def test_bad_input_is_one_line(typed, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"tricktable: {line}\n"
