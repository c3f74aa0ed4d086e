"""What people type, and what they are told."""

import pytest

from tricktable.runner.config.compose import compose, expand, options
from tricktable.runner.config.places import SCHEDULED
from tricktable.runner.errors import BadInput


def names(chosen):
    return [option.name for option in chosen]


def test_the_defaults_compose():
    config = compose()
    assert config.data.name == "digits" and config.optimizer.arguments["lr"] == 0.1
    assert config.norm is None and config.augment == () and names(config.inference) == ["plain"]
    assert list(config.schedule) == ["lr"]


@pytest.mark.parametrize(
    "group", ["model", "data", "compute", "augment", "optimizer", "init", "hook", "loss", "groups"]
)
def test_every_option_composes(group):
    for name in options(group):
        compose([f"{group}={name}"])


def test_lists_keep_their_order():
    assert names(compose(["augment=[flip,crop,mixup]"]).augment) == ["flip", "crop", "mixup"]
    assert names(compose(["augment=[crop,flip]", "augment.crop.pad=2"]).augment) == ["crop", "flip"]
    assert compose(["augment=[crop]", "augment.crop.pad=2"]).augment[0].arguments["pad"] == 2
    assert names(compose(["augment=crop"]).augment) == ["crop"]
    assert compose(["augment=[]"]).augment == compose(["augment=null"]).augment == ()
    assert compose(["init=[]"]).init == ()


def test_null_is_the_models_own():
    assert compose(["norm=null"]).norm is None
    assert compose(["norm=batch"]).norm.name == "batch"


def test_schedules_mount_on_knobs():
    assert compose(["schedule.lr=multistep", "schedule.lr.at=[1,2]"]).schedule["lr"].arguments["at"] == [1, 2]
    assert compose(["schedule.batch_size=step"]).schedule["batch_size"].name == "step"
    assert compose(["schedule.lr=null"]).schedule == {}


def test_schedules_compose():
    for typed in (["schedule.lr=[warmup,multistep]"], ["schedule.lr=warmup", "schedule.lr.then=multistep"]):
        warmup = compose([*typed, "schedule.lr.then.at=[3]", "schedule.lr.epochs=2"]).schedule["lr"]
        assert (warmup.name, warmup.arguments["epochs"]) == ("warmup", 2)
        assert (warmup.arguments["then"].name, warmup.arguments["then"].arguments["at"]) == ("multistep", [3])


def test_models_inherit():
    assert compose(["model=resnet56"]).model.arguments["depth"] == 56
    assert compose(["model=resnet56"]).model.name == compose(["model=resnet20"]).model.name
    assert "paper" not in compose(["model=resnet56"]).model.arguments


def test_labels_say_what_differs():
    assert compose().label == "resnet20-digits-s0"
    assert compose(["model=resnet8", "augment=[crop,mixup]", "seed=3"]).label == "resnet8-digits-crop-mixup-s3"
    assert compose(["schedule.lr=step", "norm=batch"]).label == "resnet20-digits-batch-lr-step-s0"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("optimzer.lr=1", "unknown key optimzer.lr; did you mean optimizer.lr=1?"),
        ("lr=1", "unknown key lr; did you mean optimizer.lr=1?"),
        ("weight_decay=0", "unknown key weight_decay; did you mean optimizer.weight_decay=0?"),
        ("bs=4", "unknown key bs; did you mean batch_size=4?"),
        ("batchsize=4", "unknown key batchsize; did you mean batch_size=4?"),
        ("dataset=cifar10", "unknown key dataset; did you mean data=cifar10?"),
        ("precision=bf16", "unknown key precision; did you mean compute.precision=bf16?"),
        ("depth=20", "unknown key depth; did you mean model.depth=20?"),
        ("epoch=3", "unknown key epoch; did you mean epochs=3?"),
        ("model=resnet200", "model: nothing is called resnet200; did you mean model=resnet20?"),
        ("model.deph=20", "unknown key model.deph; did you mean model.depth=20?"),
        ("augment=[cropp]", "augment: nothing is called cropp; did you mean augment=[crop]?"),
        (
            "augment.crop.pad=2",
            "unknown key augment.crop.pad: crop is not chosen; did you mean augment=[crop] augment.crop.pad=2?",
        ),
        ("augment=[crop,crop]", "augment: crop is chosen twice"),
        ("norm=[batch]", "norm: takes one, such as norm=batch"),
        ("loss=null", "loss: cannot be null; there are: "),
        ("schedule.lrr=step", "schedule.lrr: no knob is called lrr; did you mean schedule.lr=step?"),
        ("schedule.lr=stepp", "schedule.lr: nothing is called stepp; did you mean schedule.lr=step?"),
        ("optimizer.name=adam", "optimizer.name: an option is chosen as a whole: optimizer=..."),
        ("schedule.lr.name=step", "schedule.lr.name: an option is chosen as a whole: schedule.lr=..."),
        ("checkpoint=5", "checkpoint: has keys of its own: checkpoint.every, checkpoint.keep"),
        ("hydra.run.dir=/tmp/x", "hydra's own keys"),
        ("hydra/launcher=basic", "hydra's own keys"),
        ("+epochs=3", "keys are neither added nor removed here"),
        ("~norm=batch", "keys are neither added nor removed here"),
        ("epochs", "expected key=value"),
        ("epochs=1,2", "add -m"),
        ("epochs=[1", "not in Hydra's override grammar"),
        ("optimizer._target_=os.system", "unknown key optimizer._target_"),
        ("model={_target_: os.system}", "model: "),
        ("data.path=${oc.decode:x", "not in Hydra's override grammar"),
        ("schedule=step", "write schedule.<knob>"),
        ("schedule@schedule.lr=step", "nothing is mounted with @ here"),
        ("schedule.lr.then=step", "schedule.lr.then: what stands at schedule.lr has no `then`"),
        (
            "schedule.lr=[step,warmup]",
            "schedule.lr: step takes no other schedule into itself, and warmup is to follow it",
        ),
        ("optimizer=[sgd,adam]", "optimizer: sgd takes no other optimizer into itself"),
        ("study=${oc.env:HOME}", "nothing is interpolated here"),
        ("output.root=", "output.root: expected a folder"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_nearest_match(typed, said):
    with pytest.raises(BadInput) as error:
        compose([typed])
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_key_twice_is_refused():
    with pytest.raises(BadInput, match="epochs is given twice"):
        compose(["epochs=1", "epochs=2"])


def test_options_within_options():
    outer = compose(["optimizer=lookahead", "optimizer.inner=adam", "optimizer.inner.lr=0.01"]).optimizer
    assert outer.name == "lookahead" and outer.arguments["inner"].name == "adam"
    assert outer.arguments["inner"].arguments["lr"] == 0.01
    assert compose(["optimizer=[lookahead,adam]", "optimizer.inner.lr=0.01"]).optimizer.plain() == outer.plain()
    both = compose(["schedule.lr=switch", "schedule.lr.first=linear", "schedule.lr.then=[warmup,cosine]"]).schedule[
        "lr"
    ]
    assert both.arguments["first"].name == "linear"
    assert both.arguments["then"].arguments["then"].name == "cosine"


def test_quoted_and_null_values():
    assert compose(["study='a b'"]).study == "a b"
    assert compose(["data.path=null"]).data.path is None
    assert compose(["data.path='x=1,2'"]).data.path == "x=1,2"


def test_multiruns_expand_in_order():
    assert expand(["seed=0,1", "epochs=2"]) == [["seed=0", "epochs=2"], ["seed=1", "epochs=2"]]
    assert expand(["seed=range(3)"]) == [["seed=0"], ["seed=1"], ["seed=2"]]
    assert expand(["augment=[],[crop],[crop,flip]"]) == [["augment=[]"], ["augment=[crop]"], ["augment=[crop,flip]"]]
    assert len(expand(["seed=0,1,2", "model=resnet8,resnet20", "optimizer.lr=0.1,0.2"])) == 12


def test_globs_expand_to_the_options_that_match():
    assert ["model=resnet20"] in expand(["model=glob(resnet2*)"])
    with pytest.raises(BadInput, match="matches nothing"):
        expand(["model=glob(vit*)"])


def test_every_expanded_point_composes():
    for point in expand(["augment=[],[crop,mixup]", "schedule.lr=cosine,step", "seed=range(2)"]):
        compose(point)


def test_knobs_are_the_ones_in_train_yaml():
    for knob in SCHEDULED:
        compose([f"schedule.{knob}=constant"])


def test_whatever_is_typed_is_a_config_or_one_line():
    """300 misspelt command lines: letters lost, doubled, swapped, or replaced by the grammar's own characters."""
    import random

    chance = random.Random(0)
    good = [
        "augment=[crop,flip]", "augment.crop.pad=2", "schedule.lr=[warmup,multistep]", "schedule.lr.then.at=[1,2]", "norm=null",
        "model=resnet56", "data.path='x y'", "seed=3", "optimizer.lr=1e-3", "init=[]", "compute=cpu", "study=a-b_c",
    ]  # fmt: skip
    refused = 0
    for _ in range(300):
        text = list(chance.choice(good))
        for _ in range(chance.randint(1, 3)):
            i = chance.randrange(len(text))
            text[i] = chance.choice(["", text[i] * 2, chance.choice("=[]{},.:+~@$'\\\"()!/ é\n\0"), text[i - 1]])
            text = text if any(text) else ["="]
        try:
            compose(["".join(text)])
        except BadInput as error:
            refused += 1
            assert len(str(error)) < 1000
    assert refused > 150
