"""The pages of speed and scale are what the measured figures say."""

import pytest

from benchmarks import page, scale_page
from tests.conftest import ROOT


@pytest.mark.parametrize(("name", "made"), [("speed", page.page), ("scale", scale_page.page)])
def test_a_page_has_the_figures_that_were_measured(name, made):
    assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == made() + "\n"
