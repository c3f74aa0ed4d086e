"""What is frozen keeps its weights, to the bit, with any optimizer; the others train as they would alone."""

import copy

import pytest
import torch
from torch import nn

from tricktable.models.resnet import ResNet
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import networks
from tricktable.runner.training import build
from tricktable.runner.training.train import train
from tricktable.tricks.init.freeze import freeze


def network(**options):
    torch.manual_seed(0)
    model = ResNet(10, 1, depth=8, width=4)
    freeze(model, **options)
    return model


def frozen(model):
    return [name for name, p in model.named_parameters() if not p.requires_grad]


@pytest.mark.parametrize(("until", "trained"), [(None, ["head"]), ("head", ["head"]), ("blocks.1", ["blocks.1", "blocks.2", "head"]),
                                                ("blocks.2.branches.0.3", ["blocks.2.branches.0.3", "blocks.2.branches.0.4", "blocks.2.shortcut", "head"])])  # fmt: skip
def test_the_layers_before_it_are_frozen(until, trained):
    model = network(until=until)
    for name, p in model.named_parameters():
        assert p.requires_grad == any(name.startswith(f"{each}.") for each in trained), name


def test_a_frozen_normalisation_uses_its_running_averages_and_leaves_them():
    model, plain = network(until="blocks.1"), ResNet(10, 1, depth=8, width=4)
    plain.load_state_dict(model.state_dict())
    norm, other = model.stem[1], model.blocks[1].branches[0][1]
    norm.running_mean.fill_(0.3)
    plain.stem[1].running_mean.fill_(0.3)
    x = torch.randn(16, 1, 8, 8)
    seen = []
    norm.register_forward_hook(lambda _, given, out: seen.append((given[0], out)))
    before = {name: b.clone() for name, b in model.named_buffers()}
    model.train()(x)
    (given, out), shape = seen[0], (1, -1, 1, 1)
    mean, var = norm.running_mean.double().view(shape), norm.running_var.double().view(shape)
    gamma, beta = norm.weight.double().view(shape), norm.bias.double().view(shape)
    torch.testing.assert_close(out.double(), gamma * (given.double() - mean) / (var + norm.eps).sqrt() + beta)
    moved = {name.rpartition(".")[0] for name, b in model.named_buffers() if not torch.equal(b, before[name])}
    assert "blocks.1.branches.0.1" in moved and not any(name.startswith(("stem", "blocks.0")) for name in moved)
    assert other.training and not norm.training and isinstance(norm, nn.BatchNorm2d)
    twin = copy.deepcopy(model).train()
    assert not twin.stem[1].training and twin.state_dict().keys() == plain.state_dict().keys()


def test_norm_train_goes_on_averaging():
    model = network(norm="train")
    before = model.stem[1].running_mean.clone()
    model.train()(torch.randn(16, 1, 8, 8))
    assert model.stem[1].training and not torch.equal(model.stem[1].running_mean, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"until": "layer4"},
            r"^until must be a layer of the network \(stem, blocks, head, or one inside\), got layer4$",
        ),
        ({"until": "stem"}, r"^until must have layers that train before it, and stem has none$"),
    ],
)
def test_another_layer_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network(**options)


@pytest.mark.parametrize(
    "typed",
    [
        ["optimizer.weight_decay=0.1", "penalty=[l2]", "groups=no_decay", "hook=[ema]"],
        ["optimizer=[sam,sgd]", "gradient=[clip_norm,centralize]", "hook=[swa]", "hook.swa.start=0.5"],
        ["optimizer=[lookahead,muon]", "groups=layerwise", "penalty=[l1,orthogonal]", "penalty.l1.decoupled=true"],
        ["optimizer=schedule_free_sgd", "groups=norm_decay"],
        [
            "micro_batch=4",
            "schedule.batch_size=multistep",
            "schedule.batch_size.at=[1]",
            "schedule.batch_size.factor=2",
        ],
        ["optimizer=lars"],
        ["compute.precision=bf16", "optimizer=adamw"],
    ],
    ids=lambda typed: typed[0],
)
def test_a_run_leaves_what_is_frozen_and_has_no_state_of_it(make_run, typed):
    until = "head" if "micro_batch=4" in typed else "blocks.2"  # a norm that trains takes no parts
    run = make_run("init=[he,freeze]", f"init.freeze.until={until}", "model.width=8", *typed)
    before = {name: each.clone() for name, each in run.model.state_dict().items()}
    names = tuple(frozen(run.model))
    assert names and len(names) < len(before)
    list(train(run, lambda: None))
    run.finish()
    kept = {name.rpartition(".")[0] for name in names}
    for models in run.variants.values():
        for name, each in models[0].state_dict().items():
            if name.rpartition(".")[0] in kept:
                assert torch.equal(each, before[name]), name
    assert not torch.equal(run.model.head.weight, before["head.weight"])
    tensors, plain = run.state()
    assert not [key for key in (*tensors, *plain) if key.startswith(tuple(f"optimizer/{name}/" for name in names))]


def test_a_frozen_network_is_a_fixed_map_under_its_classifier(make_run):
    """The classifier trains as it does alone on the features that the frozen layers give, by SGD written out."""
    run = make_run("init=[he,freeze]", "augment=[]", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0.01", "epochs=1", "batch_size=60", "schedule.lr=constant")  # fmt: skip
    model = copy.deepcopy(run.model).double().eval()
    head, x = model.head, run.prepare(run.splits.train.images).double()
    lr = run.knobs.at(0)["lr"]
    y = torch.nn.functional.one_hot(run.splits.train.labels, 10).double()
    model.head = nn.Identity()
    features = model(x).detach()
    residue = (torch.softmax(features @ head.weight.T + head.bias, 1) - y) / len(x)
    weight = head.weight - lr * (residue.T @ features + 0.01 * head.weight)
    list(train(run, lambda: None))
    torch.testing.assert_close(run.model.head.weight.double(), weight, rtol=1e-4, atol=1e-6)


def test_parts_of_a_batch_are_refused_only_where_a_normalisation_trains(make_run):
    with pytest.raises(BadInput, match=r"^micro_batch: BatchNorm2d normalises over the whole batch"):
        make_run("init=[he,freeze]", "init.freeze.norm=train", "micro_batch=4")
    assert make_run("init=[he,freeze]", "micro_batch=4").micro_batch == 4


def test_count_says_what_trains():
    row = networks.network(["model=resnet20", "init=[he,freeze]"])
    assert (row["params"], row["trained"]) == (269_722, 64 * 10 + 10)
    assert networks.text([row]).endswith("\nOf resnet20's 269,722 parameters 650 train.")
    assert "train." not in networks.text([networks.network(["model=resnet20"])])


def test_it_is_composed_with_every_family():
    for name in ("vgg11", "densenet40_k12", "mobilenet_v2_cifar", "cct_2_3x2", "airbench94"):
        with torch.device("meta"):
            model = build.build_model(compose([f"model={name}", "init=[freeze]"]), 3, 10)
        owners = [m for m in model.modules() if any(True for _ in m.parameters(recurse=False))]
        assert [p.requires_grad for m in owners for p in m.parameters(recurse=False)].count(True) == len(
            list(owners[-1].parameters())
        )
