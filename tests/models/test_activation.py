"""The activation seam: every nonlinearity of a network's trunk is made there, and null is the network's own."""

import inspect

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models.test_zoo import FAMILIES
from tricktable.models._parts import SqueezeExcite
from tricktable.runner.training.objects import target

NONLINEAR = (nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.GELU)
OPERATIONS = {"relu", "threshold", "hardtanh", "clamp", "clamp_min", "tanh", "sigmoid", "gelu"}
SIDES = {"InceptionV3": 107, "LeNet": 32, "Cifar10Full": 32, "CCT": 32}
BOTTLENECKS = {"depth": 11, "block": "bottleneck"}
NETWORKS = [  # the family, arguments, its own nonlinearity and how many there are
    ("resnet", {"depth": 8}, nn.ReLU, 7),
    ("resnet", {"depth": 8, "erase_relu": True, "stem": "imagenet_deep"}, nn.ReLU, 6),
    ("resnet", {**BOTTLENECKS, "reduction": 4}, nn.ReLU, 10),
    ("resnext", {"depth": 11, "reduction": 4}, nn.ReLU, 10),
    ("preact_resnet", {"depth": 8}, nn.ReLU, 7),
    ("preact_resnet", {**BOTTLENECKS, "stem_norm": True}, nn.ReLU, 11),
    ("wide_resnet", {"depth": 10, "widen": 1, "stem": "imagenet64"}, nn.ReLU, 8),
    ("pyramidnet", {"depth": 8}, nn.ReLU, 4),
    ("shake_resnet", {"depth": 8, "width": 4}, nn.ReLU, 16),  # with those of the three shortcuts
    ("shake_resnet", {**BOTTLENECKS, "width": 4}, nn.ReLU, 16),
    ("densenet", {"depth": 10, "bottleneck": True}, nn.ReLU, 9),
    ("mobilenet_v1", {"width": 0.25}, nn.ReLU, 27),
    ("mobilenet_v2", {"width": 0.25}, nn.ReLU6, 35),
    ("mobilenet_v2", {"width": 0.25, "shortcut": "expansion", "nonlinearity": "relu"}, nn.ReLU, 35),
    ("mobilenet_v2", {"width": 0.25, "nonlinear_bottleneck": True}, nn.ReLU6, 52),
    ("shufflenet", {}, nn.ReLU, 33),
    ("squeezenet", {"bypass": "complex"}, nn.ReLU, 26),
    ("inception_v2", {}, nn.ReLU, 69),
    ("inception_v3", {}, nn.ReLU, 94),
    ("vgg", {"depth": 11}, nn.ReLU, 10),
    ("vgg", {"depth": 11, "classifier": "cifar_hidden", "batch_norm": True}, nn.ReLU, 9),
    ("alexnet", {"batch_norm": True}, nn.ReLU, 7),
    ("cifar10_full", {}, nn.ReLU, 3),
    ("cifar10_full", {"nonlinearity": "sigmoid", "batch_norm": True}, nn.Sigmoid, 3),
    ("lenet", {}, nn.Tanh, 4),
    ("lenet", {"nonlinearity": "hidden_relu"}, nn.ReLU, 2),
    ("mlp", {}, nn.ReLU, 2),
    ("airbench", {"widths": [8, 8, 8]}, nn.GELU, 7),
    ("airbench", {"widths": [8, 8, 8], "depth": 3, "shortcut": "after"}, nn.GELU, 10),
    ("convmixer", {"dim": 8, "depth": 2}, nn.GELU, 5),
    ("convmixer", {"dim": 8, "depth": 2, "nonlinearity": "relu"}, nn.ReLU, 5),
    ("cct", {"embedding_dim": 16, "num_heads": 2, "num_layers": 2}, {nn.ReLU, nn.GELU}, 3),
]
IDS = [f"{family} {arguments}" for family, arguments, _, _ in NETWORKS]


class Doubled(nn.Module):
    """Linear, so that any nonlinear operation that still runs was made past the seam."""

    def forward(self, x):
        return 2 * x


class Recorded(TorchDispatchMode):
    """The names of all operations that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.append(operation._schema.name.removeprefix("aten::").rstrip("_"))
        return operation(*args, **(kwargs or {}))


def build(family, arguments, **seams):
    with torch.device("meta"):
        return target("models", family)(10, 3, **arguments, **seams).eval()


def nonlinear(model, kinds):
    """The trunk's modules of these kinds by their names, without those of the gates."""
    gates = [name for name, m in model.named_modules() if isinstance(m, SqueezeExcite)]
    found = {name: m for name, m in model.named_modules() if isinstance(m, kinds)}
    return {name: m for name, m in found.items() if not any(name.startswith(f"{gate}.") for gate in gates)}


def nonlinear_operations(model):
    """How many run in a forward pass."""
    side = SIDES.get(type(model).__name__, 64)
    with torch.device("meta"), Recorded() as recorded:
        model(torch.empty(2, 3, side, side))
    return sum(name in OPERATIONS for name in recorded.names)


def test_every_family_is_here():
    assert {family for family, *_ in NETWORKS} == set(FAMILIES)
    assert all("activation" in inspect.signature(target("models", family)).parameters for family in FAMILIES)


@pytest.mark.parametrize(("family", "arguments", "own", "count"), NETWORKS, ids=IDS)
def test_the_seam_makes_every_nonlinearity_of_the_trunk_and_null_is_the_networks_own(family, arguments, own, count):
    made = []
    usual = build(family, arguments)
    other = build(family, arguments, activation=lambda: made.append(Doubled()) or made[-1])
    places = nonlinear(usual, NONLINEAR)
    assert {type(m) for m in places.values()} == (own if isinstance(own, set) else {own}) and len(places) == count
    assert not any(vars(m).get("inplace", False) for m in places.values())
    assert list(nonlinear(other, Doubled)) == list(places) and not nonlinear(other, NONLINEAR)
    assert len(set(made)) == len(made) == count, "each place has a module of its own"
    assert list(other.state_dict()) == list(usual.state_dict())


@pytest.mark.parametrize(("family", "arguments", "own", "count"), NETWORKS, ids=IDS)
def test_nothing_nonlinear_runs_past_the_seam_but_the_gates(family, arguments, own, count):
    gates = 2 * sum(isinstance(m, SqueezeExcite) for m in build(family, arguments).modules())
    assert nonlinear_operations(build(family, arguments)) == count + gates
    assert nonlinear_operations(build(family, arguments, activation=Doubled)) == gates
