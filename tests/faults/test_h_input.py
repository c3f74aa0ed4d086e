"""Rows H: keys that are mistyped."""

import pytest

from tests.conftest import TINY
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.papers.studies import choices


def typed_keys():
    """Every key of the default config that has a value of its own, and some options' arguments."""
    config = compose(["model=wrn_16_4", "augment=[crop,mixup]", "hook=[ema]", "schedule.lr=[warmup,step]"])
    return [key for key in choices(schema.plain(config)) if key != "label"]


def mistyped(key):
    """A letter left out, doubled, exchanged with its neighbour, and another in its place, within the last word."""
    head, _, word = key.rpartition(".")
    middle = len(word) // 2
    found = [
        word[:middle] + word[middle + 1 :],
        word[:middle] + word[middle : middle + 1] * 2 + word[middle + 1 :],
        word[: middle - 1] + word[middle : middle + 1] + word[middle - 1 : middle] + word[middle + 1 :]
        if middle
        else word + "x",
        word[:middle] + "q" + word[middle + 1 :],
    ]
    return [f"{head}.{each}" if head else each for each in dict.fromkeys(found) if each and each != word]


@pytest.mark.parametrize("step", [pytest.param(9, id="short"), pytest.param(1, id="all", marks=pytest.mark.faults)])
def test_h2_a_key_that_is_mistyped_is_one_line(held, step):
    known = set(typed_keys())
    every = [typo for key in sorted(known) for typo in mistyped(key) if typo not in known][::step]
    good, others = 0, []
    for typo in every:
        try:
            compose([*TINY, f"{typo}=1"])
        except BadInput as error:
            one = "\n" not in str(error) and typo.rpartition(".")[2] in str(error)
            good += one
            others += [] if one else [(typo, str(error))]
        else:
            others.append((typo, "taken"))
    print(others)
    held(len(every), good, f"of {len(known)} keys; {others[:3]}" if others else f"of {len(known)} keys")
