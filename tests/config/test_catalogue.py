"""What can be chosen, as the lists and the generated page say it."""

import pytest

from tests.conftest import ROOT
from tricktable.runner.config import catalogue
from tricktable.runner.config.compose import options
from tricktable.runner.config.places import PLACES

PAGE = (ROOT / "docs" / "tricks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("place", PLACES)
def test_the_page_is_what_the_files_say(place):
    rows = catalogue.markdown().partition(f"\n## {place}\n")[2].partition("\n## ")[0]
    assert rows.strip() and rows.strip() in PAGE, "run `make docs`"
    assert all(f"| {name} | " in rows for name in options(place))


def test_the_first_sentence_is_what_it_does_and_the_rest_its_paper():
    assert catalogue.header("augment", "flip") == (
        "Horizontal flip",
        "He et al. 2016, arXiv:1512.03385, section 4.2",
    )


def test_a_command_tries_it_as_its_config_says():
    assert catalogue.attempt("augment", "flip") == "augment=[flip]"
    assert catalogue.attempt("schedule", "cosine") == "schedule.lr=cosine"
    assert catalogue.attempt("init", "fixup").split() == ["model=resnet20", "norm=none", "init=[fixup]"]
    assert "`tricktable train model=resnet20 norm=none 'init=[fixup]'`" in PAGE


def test_every_trick_says_something_and_no_sentence_twice():
    said = [catalogue.header(place, name)[0] for place in PLACES for name in options(place)]
    assert all(len(sentence) > 10 for sentence in said)
    assert len(set(said)) == len(said)
