"""`norm_where=last`: one normalisation is left in a network, the last that runs (Bjorck et al. 2018)."""

import inspect

import pytest
import torch
from torch import nn

from tests.models.checks import trains
from tests.models.test_zoo import FAMILIES
from tricktable.runner.training.objects import target

BOTTLENECKS = {"block": "bottleneck", "shortcut": "B"}
NETWORKS = [  # the family, arguments, and the place of its last normalisation
    ("resnet", {"depth": 14}, "blocks.5.branches.0.4"),
    ("resnet", {"depth": 8, "shortcut": "B"}, "blocks.2.branches.0.4"),  # where the last block has a shortcut's too
    ("resnet", {"depth": 11, "reduction": 4, **BOTTLENECKS}, "blocks.2.branches.0.7"),
    ("preact_resnet", {"depth": 8, "shortcut": "B"}, "last.0"),
    ("preact_resnet", {"depth": 8, "shortcut": "B", "final_norm": False}, "blocks.2.branches.0.1"),
    (
        "preact_resnet",
        {"depth": 8, "shortcut_of": "input", "first_relu": False, "last_norm": True, "final_norm": False},
        "blocks.2.branches.0.5",
    ),
    ("wide_resnet", {"depth": 10, "widen": 2, "last_norm": True}, "after.0"),
    ("pyramidnet", {"depth": 8}, "after.0"),
    ("resnext", {"depth": 11}, "blocks.2.branches.0.7"),
    ("shake_resnet", {"depth": 8}, "blocks.2.branches.1.5"),
    ("mobilenet_v2", {}, "last.1"),
    ("mobilenet_v2", {"shortcut": "projection"}, "last.1"),
    ("mobilenet_v2", {"shortcut": "expansion"}, "last.1"),
    ("mobilenet_v1", {}, "blocks.12.4"),
    ("shufflenet", {}, "units.15.branches.0.7"),
    ("densenet", {"depth": 10, "stem": "imagenet"}, "last.0"),
    ("airbench", {}, "blocks.2.5"),
    ("airbench", {"depth": 3, "shortcut": "after"}, "blocks.2.4.branches.0.4"),
    ("convmixer", {}, "blocks.7.after.2"),
    ("vgg", {"depth": 11, "classifier": "cifar", "batch_norm": True}, "features.26"),
    ("vgg", {"depth": 11, "classifier": "cifar_hidden", "batch_norm": True}, "classifier.3"),
    ("alexnet", {"batch_norm": True}, "classifier.9"),
    ("cifar10_full", {"batch_norm": True}, "features.9"),
]
IDS = [f"{family} {arguments}" for family, arguments, _ in NETWORKS]


class Norm(nn.BatchNorm2d):
    pass


def build(family, **arguments):
    with torch.device("meta"):
        return target("models", family)(10, 3, **arguments)


def norms(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, Norm)}


def run(model):
    """The names of the normalisations in the order in which they run."""
    order = []
    for name, m in norms(model).items():
        m.register_forward_hook(lambda module, args, out, name=name: order.append(name))
    pixels = 64 if type(model).__name__ == "AlexNet" else 32
    assert model(torch.empty(2, 3, pixels, pixels, device="meta")).shape == (2, 10)
    return order


def size(*modules):
    return sum(p.numel() for m in modules for p in m.parameters())


def test_every_family_whose_features_have_one_last_normalisation_is_here():
    have = {name for name in FAMILIES if "norm_where" in inspect.signature(target("models", name)).parameters}
    normed = {name for name in FAMILIES if "norm" in inspect.signature(target("models", name)).parameters}
    assert have == {family for family, _, _ in NETWORKS}
    assert normed - have == {"inception_v2", "inception_v3"}  # each of four branches side by side ends in one


@pytest.mark.parametrize(("family", "arguments", "place"), NETWORKS, ids=IDS)
def test_the_last_to_run_is_left_alone(family, arguments, place):
    made = []
    full = build(family, norm=Norm, **arguments)
    last = build(family, norm=lambda channels: made.append(channels) or Norm(channels), norm_where="last", **arguments)
    assert run(full)[-1] == place
    assert run(last) == [place]
    others = norms(full)
    kept = others.pop(place)
    assert others and made == [kept.num_features]
    assert size(last) == size(full) - size(*others.values())
    assert all(isinstance(last.get_submodule(name), nn.Identity) for name in others)
    assert {k for k, _ in last.named_parameters()} <= {k for k, _ in full.named_parameters()}  # and so no new bias


@pytest.mark.parametrize(("family", "arguments", "place"), NETWORKS, ids=IDS)
def test_a_network_without_normalisation_has_no_last_one(family, arguments, place):
    with pytest.raises(ValueError, match="^norm_where must be all in a network without normalisation, got last$"):
        build(family, norm=nn.Identity, norm_where="last", **arguments)


@pytest.mark.parametrize("family", ["vgg", "alexnet", "cifar10_full"])
def test_a_network_without_its_batch_norm_has_no_last_one(family):
    with pytest.raises(ValueError, match="^norm_where must be all in a network without normalisation, got last$"):
        build(family, norm_where="last")


@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16"])
def test_it_is_the_papers_own_normalisation_by_default_and_trains(half):
    torch.manual_seed(0)
    model = target("models", "resnet")(10, 3, depth=8, norm_where="last")
    assert [type(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d)] == [nn.BatchNorm2d]
    trains(model, torch.randn(4, 3, 16, 16), half=half)
