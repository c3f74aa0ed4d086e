"""`key=value`: its parts, and lists in which a later one takes the place of an earlier one."""

import pytest

from tricktable.runner.config.overrides import Override, Overrides
from tricktable.runner.errors import BadInput


def test_an_override_has_its_parts():
    override = Override("schedule@schedule.lr.at=[a=b]")
    assert (override.key, override.value, override.group) == ("schedule.lr.at", "[a=b]", "schedule")
    assert override.within("schedule.lr", "noise") and not override.within("schedule.l", "lr")
    assert override == "schedule@schedule.lr.at=[a=b]", "it is the text that was typed"


@pytest.mark.parametrize("text", ["seed", "=3", ""])
def test_what_is_no_override_is_refused(text):
    with pytest.raises(BadInput, match="expected key=value"):
        Override(text)


def test_a_later_one_of_the_same_key_takes_the_place_of_an_earlier_one():
    typed = Overrides(["seed=0", "model=vgg", "model.depth=3"])
    assert typed.updated(["seed=1"]) == ("model=vgg", "model.depth=3", "seed=1")
    assert typed.without("model") == ("seed=0", "model.depth=3")
    assert (typed.get("model"), typed.get("epochs"), str(typed)) == ("vgg", None, "seed=0 model=vgg model.depth=3")
    assert tuple(typed.of_groups("model")) == ("model=vgg", "model.depth=3")
    assert typed.keys == {"seed", "model", "model.depth"}
