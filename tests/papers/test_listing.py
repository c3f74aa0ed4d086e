"""docs/recipes.md says what the recipes say."""

import pytest

from tests.conftest import ROOT
from tricktable.runner.papers import listing, recipe

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", recipe.names())
def test_the_page_has_the_recipes_line(name):
    assert listing.line(recipe.load(name)) in PAGE, "run `make docs`"


def test_the_page_has_no_other_line():
    assert len(PAGE) == len(listing.TOP.splitlines()) + len(recipe.names())


def test_a_line_counts_what_can_be_run_and_what_differs():
    loaded = recipe.load("zhao2022_dkd/networks")
    reasons = listing.barred(loaded)
    assert reasons.keys() == {label for label, row in loaded.table.rows.items() if row.model in BARRED}
    cells = [cell.strip() for cell in listing.line(loaded).strip("|").split("|")]
    assert cells[:3] == [
        "`zhao2022_dkd/networks`",
        str(len(loaded.table.rows)),
        str(len(loaded.table.rows) - len(reasons)),
    ]
    assert cells[3] == "its last pooling is an average, which the network here has not"
    assert cells[5:] == [str(len(loaded.differs)), str(len(loaded.assumed))]
    assert listing.line(recipe.load("misra2019_mish/squeezenet_23")).count("; and 7 more |") == 1


BARRED = {"vgg8", "vgg13"}
