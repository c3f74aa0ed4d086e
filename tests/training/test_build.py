"""Names become objects in one way, and what cannot be is one line that names the key."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tricktable.runner.config.compose import compose, options
from tricktable.runner.config.places import PLACES
from tricktable.runner.config.schema import Option
from tricktable.runner.errors import BadInput
from tricktable.runner.training import objects
from tricktable.runner.training.build import build_model
from tricktable.runner.training.objects import file_of, files, target


@pytest.mark.parametrize("name", ["os.system", "../runner/cli", "__init__", "_private", "", "nothing", "a b", "sgd\n"])
def test_only_files_of_the_tree_can_be_named(name):
    with pytest.raises(BadInput, match="no file"):
        file_of("tricks/optimizer", name)


def test_a_hostile_model_name_reaches_nothing():
    config = compose([])
    hostile = replace(config, model=Option("os.system", {}))
    with pytest.raises(BadInput, match=r"no file models/os\.system\.py"):
        files(hostile)
    with pytest.raises(BadInput, match="chosen as a whole"):
        compose(["model.name=os.system"])


def test_every_file_defines_one_public_thing():
    for place in PLACES:
        for name in options(place):
            assert callable(target(f"tricks/{place}", name))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["optimizer.lr=abc"], "optimizer.lr: expected a number, got 'abc'"),
        (["optimizer.nesterov=1"], "optimizer.nesterov: expected true or false, got 1"),
        (["optimizer.lr=-1"], "optimizer: "),
        (["augment=[mixup]", "augment.mixup.alpha=-1"], "augment.mixup: alpha "),
        (["augment=[crop]", "augment.crop.pad=1.5"], "augment.crop.pad: expected a whole number, got 1.5"),
        (["model.depth=21"], "model: depth "),
        (["model.width=9999999999"], "model: the network resnet cannot be made with these sizes ("),
        (["augment=[crop]", "augment.crop.pad=8"], "augment.crop: pad must be less than the images' 8 pixels, got 8"),
        (
            ["schedule.weight_decay=step", "optimizer.weight_decay=0"],
            "schedule.weight_decay: the optimizer sgd has weight_decay 0",
        ),
        (["model.shortcut=C"], "model.shortcut: expected A or AD or B or D, got 'C'"),
        (["schedule.lr=multistep", "schedule.lr.at=3"], "schedule.lr.at: expected a list, each a number, got 3"),
        (["batch_size=2000"], "batch_size: 2000 is more than the "),
        (
            ["schedule.batch_size=multistep", "schedule.batch_size.at=[1]", "schedule.batch_size.factor=100"],
            "schedule.batch_size: grows",
        ),
        (["data.subset=100000"], "data.subset: "),
        (["data.validation=1e6"], "data.validation: "),
        (["data.normalize=paper"], "data.normalize: "),
    ],
)
def test_what_cannot_be_built_names_its_key(make_run, overrides, said):
    with pytest.raises(BadInput) as error:
        make_run(*overrides)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_an_argument_that_a_trick_lacks_is_refused():
    with pytest.raises(BadInput, match=r"unknown key optimizer\.momentm; did you mean momentum\?"):
        objects.make("optimizer", Option("sgd", {"momentm": 0.9}), groups=[])


def test_a_model_without_a_seam_refuses_it(monkeypatch):
    class Bare(nn.Module):
        def __init__(self, num_classes: int, in_channels: int) -> None:
            super().__init__()

    real = objects.target
    monkeypatch.setattr(objects, "target", lambda folder, name: Bare if folder == "models" else real(folder, name))
    config = compose(["norm=batch"])
    config = type(config)(**{**vars(config), "model": Option("bare", {})})
    with pytest.raises(BadInput, match="norm: the network bare has no such seam"):
        build_model(config, 3, 10)


def test_a_schedule_on_a_knob_that_the_optimizer_lacks_is_refused(make_run, monkeypatch):
    class Plain(torch.optim.Optimizer):
        def __init__(self, groups, lr=0.1):
            super().__init__(groups, {"lr": lr})

    real = objects.target
    monkeypatch.setattr(objects, "target", lambda folder, name: Plain if "optimizer" in folder else real(folder, name))
    make = objects.make
    monkeypatch.setattr(
        objects, "make", lambda p, o, w=None, **g: Plain(g["groups"]) if p == "optimizer" else make(p, o, w, **g)
    )
    with pytest.raises(BadInput, match=r"schedule\.momentum: the optimizer sgd has no momentum"):
        make_run("schedule.momentum=step")


def test_nested_options_are_built(make_run):
    run = make_run("schedule.lr=[warmup,multistep]", "schedule.lr.epochs=1", "schedule.lr.then.at=[2]")
    assert [run.knobs.at(t)["lr"] for t in (0, 0.5, 1, 1.5, 2)] == pytest.approx([0, 0.05, 0.1, 0.1, 0.01])


def whitened(*overrides):
    small = ("data=synthetic", "data.n_train=40", "data.n_test=20", "data.subset=null", "model=airbench94")
    return (*small, "model.widths=[4,4,4]", "init=[whitening]", *overrides)


def test_an_init_that_asks_is_given_training_images_as_the_run_normalises_them(make_run, monkeypatch):
    given = []

    def record(model: nn.Module, images: object, n: int, eps: float) -> None:
        given.extend(images(count) for count in (n, 1000))

    real = objects.target
    monkeypatch.setattr(objects, "target", lambda f, name: record if name == "whitening" else real(f, name))
    run = make_run(*whitened("init.whitening.n=7", "data.validation=4"))
    normalised = run.prepare(run.splits.train.images)
    assert torch.equal(given[0], normalised[[0, 5, 10, 15, 20, 25, 30]])  # every 36 / 7th
    assert torch.equal(given[1], normalised) and len(normalised) == 36
    assert given[1].mean((0, 2, 3)).abs().max() < 1e-4


def test_what_they_give_is_the_same_in_every_run_and_with_every_seed(make_run):
    one, other, third = (make_run(*whitened(seed)) for seed in ("seed=0", "seed=0", "seed=1"))
    weights = [run.model.stem[0].weight for run in (one, other, third)]
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])
    assert not weights[0].requires_grad
    trained = {id(p) for group in one.optimizer.param_groups for p in group["params"]}
    assert id(weights[0]) not in trained and id(one.model.stem[0].bias) in trained


def test_a_network_that_is_only_counted_or_loaded_needs_no_images():
    with torch.device("meta"):
        model = build_model(compose(whitened()), 3, 10)
    assert not model.stem[0].weight.requires_grad
    model = build_model(compose(whitened()), 3, 10)
    assert not model.stem[0].weight.requires_grad


def test_files_are_the_ones_that_are_used():
    used = set(files(compose(["schedule.lr=[warmup,step]", "augment=[mixup]", "model=resnet8"])))
    assert {
        "models/resnet.py",
        "tricks/schedule/warmup.py",
        "tricks/schedule/step.py",
        "tricks/augment/mixup.py",
    } <= used
    assert "tricks/schedule/cosine.py" not in used and "tricks/augment/_operations.py" not in used


def test_files_that_a_family_of_tricks_shares_are_used_with_each_of_them():
    used = set(files(compose(["augment=[crop,augmix]", "model=resnet8"])))
    assert {"tricks/augment/augmix.py", "tricks/augment/_operations.py", "tricks/augment/crop.py"} <= used


def test_augmentations_that_ask_for_them_are_given_the_training_sets_mean_and_deviation(make_run):
    run = make_run("augment=[trivialaugment]")
    trick = run.augment["trivialaugment"]
    assert torch.equal(trick.mean, run.splits.mean) and torch.equal(trick.std, run.splits.std)
    with pytest.raises(BadInput, match=r"unknown key augment\.trivialaugment\.mean"):
        make_run("augment=[trivialaugment]", "augment.trivialaugment.mean=0")


def test_a_configs_arguments_and_its_signature_agree():
    """What a YAML says is what the code would do without it; nothing hides in a default that no YAML shows."""
    import inspect
    from fractions import Fraction

    import yaml

    from tricktable.runner.config import CONFIGS

    def number(value):
        """A list's 3/4 is a number."""
        if isinstance(value, list):
            return [float(Fraction(v)) if isinstance(v, str) and "/" in v else v for v in value]
        return value

    given = {"models", "groups", "total_epochs", "num_features", "index", "total", "branches", "channels", "in_features", "num_classes",
             "model", "parameters", "logits", "targets", "images", "in_channels", "out_channels", "kernel_size", "stride", "padding", "bias", "n", "batch_size", "mean", "std", *PLACES}  # fmt: skip
    for place in PLACES:
        for name in options(place):
            values = yaml.safe_load((CONFIGS / place / f"{name}.yaml").read_text(encoding="utf-8"))
            parameters = inspect.signature(target(f"tricks/{place}", name)).parameters
            arguments = {k: v for k, v in values.items() if k not in ("name", "defaults")}
            nested = {
                key.partition("@")[2]
                for mount in values.get("defaults", [])
                if isinstance(mount, dict)
                for key in mount
            }
            assert set(arguments) <= set(parameters), f"{place}/{name}.yaml"
            assert set(parameters) - given - nested <= set(arguments), f"{place}/{name}.py has more than its YAML"
            for key, value in arguments.items():
                default = parameters[key].default
                assert default is inspect.Parameter.empty or default == number(value), f"{place}/{name}: {key}"
    seams = {place for place in PLACES if PLACES[place].factory}
    for name in options("model"):
        option = compose([f"model={name}"]).model
        parameters = inspect.signature(target("models", option.name)).parameters
        assert set(option.arguments) == set(parameters) - seams - {"num_classes", "in_channels"}, f"model/{name}.yaml"
