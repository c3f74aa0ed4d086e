"""Dropout where the papers have it: what runs before and after each, what it sees, and its probability."""

import inspect

import pytest
import torch
from torch import nn

from tests.models.test_zoo import FAMILIES
from tricktable.runner.training.objects import target

FEATURES, TOKENS, MAPS = 2, 3, 4  # dimensions of what is dropped: B C, B N C, or B C H W
HEADS = 4  # B heads N N
PLACES = [  # the family, arguments, and of each dropout what runs before it, what it drops, what runs next, p
    ("mlp", {}, [("", FEATURES, "Linear", 0.2)] + 2 * [("ReLU", FEATURES, "Linear", 0.5)]),
    ("alexnet", {}, [("AdaptiveAvgPool2d", FEATURES, "Linear", 0.5), ("ReLU", FEATURES, "Linear", 0.5)]),
    ("alexnet", {"layout": "krizhevsky2012", "dropout": 0.4}, 2 * [("ReLU", FEATURES, "Linear", 0.4)]),
    ("vgg", {}, 2 * [("ReLU", FEATURES, "Linear", 0.5)]),
    ("vgg", {"classifier": "cifar", "dropout": 0.4}, [("MaxPool2d", FEATURES, "Linear", 0.4)]),
    (
        "vgg",
        {"depth": 13, "classifier": "cifar_hidden", "conv_dropout": True},
        [("ReLU", MAPS, "Conv2d", p) for p in (0.3, 0.4, 0.4, 0.4, 0.4)]
        + [("MaxPool2d", FEATURES, "Linear", 0.5), ("ReLU", FEATURES, "Linear", 0.5)],
    ),
    ("wide_resnet", {"depth": 10, "widen": 1, "dropout": 0.3}, 3 * [("ReLU", MAPS, "Conv2d", 0.3)]),
    (  # within a block its input is concatenated, without a module of its own
        "densenet",
        {"depth": 10, "dropout": 0.2},
        2 * (2 * [("Conv2d", MAPS, "BatchNorm2d", 0.2)] + [("Conv2d", MAPS, "AvgPool2d", 0.2)])
        + 2 * [("Conv2d", MAPS, "BatchNorm2d", 0.2)],
    ),
    ("squeezenet", {"dropout": 0.4}, [("ReLU", MAPS, "Conv2d", 0.4)]),
    ("mobilenet_v2", {}, [("ReLU6", FEATURES, "Linear", 0.2)]),
    ("inception_v3", {"dropout": 0.2}, [("ReLU", FEATURES, "Linear", 0.2)]),
    ("pyramidnet", {"depth": 8, "dropout": 0.5}, [("ReLU", FEATURES, "Linear", 0.5)]),
    (  # a layer's residual terms are Sum, as without drop path in the first
        "cct",
        {"num_layers": 1, "image_size": 64, "dropout": 0.3},
        [
            *[
                ("MaxPool2d", TOKENS, "LayerNorm", 0.3),
                ("Linear", HEADS, "Linear", 0.1),
                ("Linear", TOKENS, "Sum", 0.3),
            ],
            *[("GELU", TOKENS, "Linear", 0.3), ("Linear", TOKENS, "Sum", 0.3)],
        ],
    ),
]


def leaves_in_forward_order(model, x):
    run = []
    for m in model.modules():
        if not list(m.children()) and not isinstance(m, nn.Identity | nn.Flatten | nn.Unflatten):
            m.register_forward_hook(lambda module, args, out: run.append((module, args[0].dim())))
    model(x)
    return run


def test_every_family_with_dropout_is_here():
    have = {name for name in FAMILIES if "dropout" in inspect.signature(target("models", name)).parameters}
    assert have == {family for family, _, _ in PLACES}


@pytest.mark.parametrize(("family", "arguments", "places"), PLACES, ids=[f"{f} {a}" for f, a, _ in PLACES])
def test_dropout_stands_where_the_paper_has_it(family, arguments, places):
    with torch.device("meta"):
        model = target("models", family)(10, 3, **arguments)
    size = 75 if family == "inception_v3" else 64
    run = leaves_in_forward_order(model, torch.empty(2, 3, size, size, device="meta"))
    kinds = ["", *[type(m).__name__ for m, _ in run], ""]
    found = [(kinds[i], d, kinds[i + 2], m.p) for i, (m, d) in enumerate(run) if isinstance(m, nn.Dropout)]
    assert found == places


@pytest.mark.parametrize(("family", "arguments", "places"), PLACES, ids=[f"{f} {a}" for f, a, _ in PLACES])
def test_dropout_of_0_drops_nothing(family, arguments, places):
    with torch.device("meta"):
        model = target("models", family)(10, 3, **{**arguments, "dropout": 0.0})
    left = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    conv = {0.3, 0.4} if "conv_dropout" in arguments else set()
    own = {"mlp": {0.2}, "vgg": conv, "cct": {0.1}}.get(family, set())  # under other names
    assert left - {0.0} == own
