"""Inception-v3: torchvision's outputs, sizes and counts, and every seam in use."""

from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from tests.models.checks import has_torchvisions_outputs, trains, uses_its_seams
from tricktable.models.inception_v3 import InceptionV3
from tricktable.runner.training import count

THEIR_STEM = {"Conv2d_1a_3x3": 0, "Conv2d_2a_3x3": 1, "Conv2d_2b_3x3": 2, "Conv2d_3b_1x1": 4, "Conv2d_4a_3x3": 5}
THEIR_MODULES = ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"]


def meta(**arguments):
    with torch.device("meta"):
        return InceptionV3(1000, 3, **arguments)


def test_shapes_are_the_papers_at_299():
    model, shapes = meta(), []
    for module in [*model.stem, *model.blocks]:
        module.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:3])))
    assert model(torch.empty(2, 3, 299, 299, device="meta")).shape == (2, 1000)
    assert shapes == [
        *[(32, 149), (32, 147), (64, 147), (64, 73), (80, 73), (192, 71), (192, 35)],
        *[(256, 35), (288, 35), (288, 35), (768, 17), (768, 17), (768, 17), (768, 17), (768, 17)],
        *[(1280, 8), (2048, 8), (2048, 8)],
    ]
    assert (model.stem_stride, model.stride) == (8, 32)


def test_parameters_are_torchvisions_without_the_auxiliary_classifier():
    with torch.device("meta"):
        theirs = torchvision.models.inception_v3(weights=None, init_weights=False)
    theirs.AuxLogits = None
    assert count.count(meta(), (3, 299, 299)).params == sum(p.numel() for p in theirs.parameters()) == 23834568
    assert round(count.count(meta(), (3, 299, 299)).madds / 1e9, 2) == 5.71


def renamed(state):
    """torchvision's names as ours, without the auxiliary classifier."""
    wanted = {}
    for name, at in THEIR_STEM.items():
        wanted[name] = f"stem.{at}"
    for i, module in enumerate(THEIR_MODULES):
        branches: dict[str, list[str]] = {}
        for name in state:  # branch names and numbers are in the order in which our table has them
            where, part, *_ = name.split(".")
            if where == f"Mixed_{module}":
                stem, _, step = part.partition("_")
                stem, step = (part, "") if part == "branch_pool" else (stem, step)
                if step not in branches.setdefault(stem, []):
                    branches[stem].append(step)
        for b, (stem, steps) in enumerate(branches.items()):
            for step in steps:
                at = int(step[0]) - 1 if step else int(stem == "branch_pool")  # before the projection stands a pooling
                side = {"a": ".0", "b": ".1"}.get(step[-1:], "")
                wanted[f"Mixed_{module}.{stem}{'_' if step else ''}{step}"] = f"blocks.{i}.{b}.{at}{side}"
    ours = {"head.weight": state["fc.weight"], "head.bias": state["fc.bias"]}
    for name, value in state.items():
        if not name.startswith(("AuxLogits.", "fc.")):
            where, layer, tensor = name.rsplit(".", 2)
            ours[f"{wanted[where]}.{'0' if layer == 'conv' else '1'}.{tensor}"] = value
    return ours


def test_outputs_are_torchvisions():
    theirs = partial(torchvision.models.inception_v3, init_weights=False)
    has_torchvisions_outputs(partial(InceptionV3, 1000), theirs, renamed, 107)


def test_the_papers_normalisation_has_epsilon_a_thousandth_and_the_seam_says_its_own():
    assert {m.eps for m in meta().modules() if isinstance(m, nn.BatchNorm2d)} == {0.001}
    assert {m.eps for m in meta(norm=nn.BatchNorm2d).modules() if isinstance(m, nn.BatchNorm2d)} == {1e-5}


def test_all_convolutions_normalisations_and_the_head_go_through_their_seams():
    with torch.device("meta"):
        _, made = uses_its_seams(partial(InceptionV3, 7, in_channels=1), head=(2048, 7), conv=94, norm=94)
    assert made["conv"][0] == (1, 32, 3, 2, 0, 1, False)
    assert (128, 128, (1, 7), 1, (0, 3), 1, False) in made["conv"]


def test_there_is_no_residual_seam():
    with pytest.raises(TypeError, match="residual"):
        InceptionV3(10, residual=nn.Identity)


def test_a_wrong_dropout_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^dropout must be at least 0 and below 1, got 1.0$"):
        InceptionV3(10, dropout=1.0)


def test_it_builds_without_normalisation():
    model = meta(norm=lambda channels: nn.Identity())
    assert model(torch.empty(2, 3, 75, 75, device="meta")).shape == (2, 1000)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("autocast", [False, True])
def test_one_step_reaches_every_parameter(autocast):
    torch.manual_seed(0)
    model = InceptionV3(10)
    trains(model, torch.randn(4, 3, 91, 91), half=autocast)
