"""Biases and normalisations are not decayed, weights are."""

import pytest
import torch
from torch import nn

from tricktable.tricks.groups.no_decay import no_decay


def test_which_parameters_are_decayed():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    names = {id(p): name for name, p in model.named_parameters()}
    groups = no_decay(model)
    decayed, others = ([names[id(p)] for p in group["params"]] for group in groups)
    assert decayed == ["0.weight", "2.weight"]
    assert others == ["0.bias", "1.weight", "1.bias", "2.bias"]
    assert [group.get("decay_scale", 1) for group in groups] == [1, 0]


def test_frozen_parameters_are_in_no_group():
    model = nn.Linear(2, 2)
    model.weight.requires_grad_(False)
    (group,) = no_decay(model)
    assert group["decay_scale"] == 0 and group["params"][0] is model.bias


def test_an_optimizer_keeps_the_scale():
    optimizer = torch.optim.SGD(no_decay(nn.Linear(2, 2)), lr=0.1)
    assert [group.get("decay_scale") for group in optimizer.param_groups] == [None, 0]


def test_nothing_to_exempt():
    with pytest.raises(ValueError, match="finds no trainable bias or normalisation"):
        no_decay(nn.Linear(2, 2, bias=False))
