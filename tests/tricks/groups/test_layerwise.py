"""lr_l = lr * decay^(n - l)."""

import pytest
import torch
from torch import nn

from tricktable.tricks.groups.layerwise import layerwise


def test_each_layer_has_its_own_rate():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2)))
    names = {id(p): name for name, p in model.named_parameters()}
    groups = layerwise(model, decay=0.5)
    found = [[names[id(p)] for p in group["params"]] for group in groups]
    assert found == [["0.weight", "0.bias"], ["1.weight", "1.bias"], ["3.0.weight", "3.0.bias"]]
    assert [group["lr_scale"] for group in groups] == [0.25, 0.5, 1]


def test_decay_one_is_the_same_rate_for_all():
    assert {group["lr_scale"] for group in layerwise(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), decay=1)} == {1}


def test_frozen_layers_do_not_count():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2))
    model[2].bias.requires_grad_(False)
    first, last = layerwise(model, decay=0.5)
    assert (first["lr_scale"], last["lr_scale"]) == (0.5, 1)
    assert [id(p) for p in last["params"]] == [id(model[2].weight)]


def test_a_layer_that_is_used_twice_is_one_layer():
    shared = nn.Linear(2, 2)
    groups = layerwise(nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(2, 2)), decay=0.5)
    assert [group["lr_scale"] for group in groups] == [0.5, 1]


def test_an_optimizer_keeps_the_scales():
    optimizer = torch.optim.SGD(layerwise(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), decay=0.5), lr=0.1)
    assert [group["lr_scale"] for group in optimizer.param_groups] == [0.5, 1]


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)])
def test_too_few_layers(model):
    with pytest.raises(ValueError, match="needs two layers with trainable parameters, and finds [01]"):
        layerwise(model)


@pytest.mark.parametrize("decay", [0.0, -0.1, 1.1])
def test_out_of_range(decay):
    with pytest.raises(ValueError, match=r"^decay must lie in \(0, 1\], got "):
        layerwise(nn.Linear(2, 2), decay=decay)
