"""A config.yaml's values as overrides: they make the same config again, and what is typed behind them wins."""

import pytest
import yaml

from tricktable.runner.config import schema, written
from tricktable.runner.config.compose import compose
from tricktable.runner.config.options import GROUPS, options
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.places import PLACES
from tricktable.runner.errors import BadInput


def stored(config):
    """What config.yaml has, but for the label, which is made of the others."""
    values = yaml.safe_load(yaml.safe_dump(schema.plain(config), sort_keys=False))
    return {key: value for key, value in values.items() if key != "label"}


def choice(group, name):
    if group == "schedule":
        return f"schedule.lr={name}"
    return f"{group}=[{name}]" if group in PLACES and PLACES[group].many else f"{group}={name}"


def same(*typed):
    values = stored(compose(typed))
    again = compose(written.overrides(values))
    assert stored(again) == values
    return again


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_comes_back(group):
    for name in options(group):
        same(choice(group, name))


@pytest.mark.parametrize(
    "typed",
    [
        ["schedule.lr=[warmup,cosine]", "schedule.lr.epochs=2", "schedule.momentum=linear", "optimizer=lookahead", "optimizer.inner=adam"],
        ["schedule.lr=null", "norm=null", "init=[]", "inference=[plain,flip]"],
        ["augment=[flip,crop]", "augment.crop.pad=3", "epochs=7", "seed=5", "checkpoint.every=9", "compute=cpu"],
        ["noise=hybrid", "noise.spend=[{batch_size: 640}, lr]", "data.validation=0.1", "data.test_subset=5"],
        ["optimizer.lr=1e-5", "model=resnet20", "model.blocks=[2,2,2]", "study=a-b.c", "data=image_folder", "data.stream=true"],
    ],
)  # fmt: skip
def test_choices_arguments_and_their_order_come_back(typed):
    same(*typed)


@pytest.mark.parametrize(
    "path", ["pets", "/a b/c", "it's", "a\\", "a\\'b", "1e5", "null", "a=b,c", "(x)", "[y]", "Käfer", "#1", " "]
)
def test_any_text_that_can_be_printed_comes_back(path):
    assert compose([written.typed("data.path", path)]).data.path == path


def test_a_run_made_before_a_key_was_renamed_or_added_is_read():
    values = stored(compose(["schedule.noise_scale=cosine"]))
    old = {key: value for key, value in values.items() if key != "activation"}
    old["schedule"] = {"noise": values["schedule"]["noise_scale"]}
    old["data"] = {key: value for key, value in values["data"].items() if not key.startswith("test_")}
    assert stored(compose(written.overrides(old))) == values


def test_a_few_keys_in_the_same_form_are_enough():
    typed = written.overrides({"model": "resnet8", "augment": ["crop", "flip"], "optimizer": {"lr": 0.3}, "epochs": 4})
    config = compose(typed)
    assert (config.epochs, config.optimizer.arguments["lr"], [each.name for each in config.augment]) == (
        4,
        0.3,
        ["crop", "flip"],
    )
    assert "lr" in config.schedule, "what is not in the file is as usual"


FILE = Overrides(
    ["optimizer=sgd", "optimizer.lr=0.3", "augment=[crop,flip]", "augment.crop.pad=2", "data=image_folder", "data.path=pets",
     "data.size=64", "data.validation=0.1", "schedule.lr=warmup", "schedule.lr.then=cosine", "epochs=4"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "gone"),
    [
        ("epochs=9", {"epochs=4"}),
        ("optimizer.lr=0.1", {"optimizer.lr=0.3"}),
        ("optimizer=sgd", {"optimizer=sgd"}),
        ("optimizer=adamw", {"optimizer=sgd", "optimizer.lr=0.3"}),
        ("augment=[cutout,crop]", {"augment=[crop,flip]"}),
        ("augment=[flip]", {"augment=[crop,flip]", "augment.crop.pad=2"}),
        ("augment=[crop],[flip]", {"augment=[crop,flip]", "augment.crop.pad=2"}),
        ("data=cifar10", {"data=image_folder", "data.path=pets", "data.size=64"}),
        ("schedule.lr=step", {"schedule.lr=warmup", "schedule.lr.then=cosine"}),
        ("noise=hybrid", {"schedule.lr=warmup", "schedule.lr.then=cosine"}),
    ],
)
def test_what_is_typed_behind_a_file_wins(typed, gone):
    assert written.behind(FILE, [typed]) == Overrides([*(each for each in FILE if each not in gone), typed])


@pytest.mark.parametrize("value", ["a\nb", "\x1b[1m", {"a b": 1}, {1, 2}])
def test_what_cannot_be_typed_is_refused_by_its_key(value):
    with pytest.raises(BadInput, match=r"^data\.path: expected text"):
        written.overrides({"data": {"path": value}})
