"""Every key of the schema: its type and its range, at the boundaries; and which keys make a run another run."""

import dataclasses
import json

import pytest

from tricktable.runner.config import rules, schema
from tricktable.runner.config.compose import compose, merge
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build


def bounded():
    for cls, prefix in ((schema.Config, ""), (schema.DataConfig, "data."), (schema.ComputeConfig, "compute."),
                        (schema.CheckpointConfig, "checkpoint.")):  # fmt: skip
        for field in dataclasses.fields(cls):
            for bound in ("low", "high"):
                if field.metadata.get(bound) is not None:
                    yield prefix + field.name, field.metadata[bound], bound


@pytest.mark.parametrize(("key", "bound", "side"), list(bounded()))
def test_ranges_at_their_boundaries(key, bound, side):
    beyond = bound - 1 if side == "low" else bound + 1
    with pytest.raises(
        BadInput, match=rf"^{key}: expected .*at {'least' if side == 'low' else 'most'} {bound}.*{beyond}"
    ):
        compose([f"{key}={beyond}"])
    compose([f"{key}={bound}"])


@pytest.mark.parametrize(
    "override",
    ["epochs=many", "epochs=1.5", "epochs=true", "epochs=null", "epochs=[1]", "seed=-1", "data.validation=.nan",
     "data.validation=inf", "data.validation=10.5", "batch_size=0", "data.last_batch=maybe", "compute.precision=fp8",
     "checkpoint.every=often", "checkpoint.every=0min", "checkpoint.every=5h", "compute.device=tpu", "data.download=1",
     "compute.channels_last=x", "inference=[]", "checkpoint.every=-3", "batch_size=1e999"],
)  # fmt: skip
def test_wrong_values_are_one_line_that_names_the_key(override):
    with pytest.raises(BadInput) as error:
        compose([override])
    assert str(error.value).startswith(override.partition("=")[0] + ":")
    assert "expected" in str(error.value) or "there are" in str(error.value)
    assert "\n" not in str(error.value)


def test_every_key_is_numeric_or_cosmetic_on_purpose():
    """What is cosmetic cannot change a figure; a new key is numeric until somebody says otherwise here."""
    assert schema.cosmetic() == {
        "study", "label", "data.path", "data.download", "data.workers", "checkpoint.every", "checkpoint.keep",
        "output.root", "log", "compute.capture",
    }  # fmt: skip


@pytest.mark.parametrize(
    "override", ["study=other", "output.root=x", "checkpoint.every=7", "data.download=false", "compute.capture=on"]
)
def test_cosmetic_keys_do_not_make_another_run(override):
    assert schema.numeric(compose()) == schema.numeric(compose([override]))


@pytest.mark.parametrize("override", ["seed=1", "epochs=2", "data.split_seed=1", "model.shortcut=B", "augment=[flip]"])
def test_numeric_keys_do(override):
    assert schema.numeric(compose()) != schema.numeric(compose([override]))


def test_the_order_of_tricks_makes_another_run():
    one, other = (
        json.dumps(schema.numeric(compose([a])), sort_keys=True) for a in ("augment=[crop,flip]", "augment=[flip,crop]")
    )
    assert one != other


def test_plain_is_read_back_the_same():
    config = compose(["augment=[crop,mixup]", "schedule.lr=[warmup,step]", "norm=batch", "hook=[ema]"])
    assert schema.read(json.loads(json.dumps(schema.plain(config)))) == config


def test_a_config_is_frozen():
    config = compose()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.epochs = 3
    with pytest.raises(TypeError):
        config.optimizer.arguments["lr"] = 3


def test_a_missing_key_is_named():
    values = merge()
    del values["epochs"]
    with pytest.raises(BadInput, match="^epochs: missing"):
        schema.read(values)


def test_an_unknown_key_is_named():
    with pytest.raises(BadInput, match=r"unknown key checkpoint\.often"):
        schema.read(merge() | {"checkpoint": {"every": 1, "keep": 2, "often": 3}})


def test_a_number_of_an_option_may_be_a_fraction():
    """It is the number wherever the config goes: in config.yaml, in what identifies a run, and in what is built."""
    typed = ["epochs=186", "schedule.lr=multistep", "schedule.lr.at=[81/186,122/186]", "schedule.lr.factor=1/10"]
    config = compose(typed)
    own = config.schedule["lr"].arguments
    assert own["at"] == [81 / 186, 122 / 186] and own["factor"] == 0.1
    assert [share * config.epochs for share in own["at"]] == [81, 122]
    assert schema.numeric(config) == schema.numeric(
        compose([*typed[:2], f"schedule.lr.at=[{81 / 186!r},{122 / 186!r}]", "schedule.lr.factor=0.1"])
    )
    assert schema.plain(config)["schedule"]["lr"]["at"] == [81 / 186, 122 / 186]


def test_fractions_stand_in_lists_of_lists_and_in_options_of_options():
    config = compose(
        ["schedule.lr=[warmup,piecewise]", "schedule.lr.epochs=5/90", "schedule.lr.then.points=[[0,1],[1/3,-1/4]]"]
    )
    own = config.schedule["lr"].arguments
    assert own["epochs"] == 5 / 90 and own["then"].arguments["points"] == [[0, 1], [1 / 3, -1 / 4]]


@pytest.mark.parametrize("text", ["1/0", "1/2/3", "a/2", "1.5/2", "/2", "1/02", "1/"])
def test_what_is_no_fraction_stays_text_and_is_refused_as_such(text):
    with pytest.raises(BadInput, match=rf"factor: expected a number, got '{text}'"):
        build.plan(compose(["schedule.lr=multistep", f"schedule.lr.factor={text}"]), 1000)


def test_text_keys_are_left_alone():
    config = compose(["study=1/2", "output.root=3/4", "data.path=5/6", "data=image_folder"])
    assert (config.study, config.output.root, config.data.path) == ("1/2", "3/4", "5/6")


@pytest.mark.parametrize(
    ("every", "expected"), [(500, (500, None)), ("5min", (None, 300)), ("0.5 minutes", (None, 30))]
)
def test_every_is_steps_or_minutes(every, expected):
    assert rules.parse_every(every) == expected
