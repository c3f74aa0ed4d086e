"""Normalisations' biases have 64 times the learning rate, and the decay of all others."""

import pytest
import torch
from torch import nn

from tricktable.models.airbench import AirBench
from tricktable.models.resnet import ResNet
from tricktable.tricks.groups.bias_lr import bias_lr


def names(model, group):
    known = {id(p): name for name, p in model.named_parameters()}
    return [known[id(p)] for p in group["params"]]


def test_which_parameters_are_scaled():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4, 2))
    biases, others = bias_lr(model)
    assert names(model, biases) == ["1.bias", "2.bias"]
    assert names(model, others) == ["0.weight", "0.bias", "1.weight", "2.weight", "4.weight", "4.bias"]
    assert (biases["lr_scale"], biases["decay_scale"]) == (64, 1 / 64)
    assert "lr_scale" not in others and "decay_scale" not in others


def test_airbench_has_them_with_gammas_that_are_not_trained():
    model = AirBench(10, widths=[4, 4])
    biases, others = bias_lr(model, bias_scaler=10.0)
    assert names(model, biases) == [f"blocks.{i}.{j}.bias" for i in (0, 1) for j in (2, 5)]
    assert names(model, others)[:2] == ["stem.0.weight", "stem.0.bias"]
    assert biases["lr_scale"] == 10
    assert sum(p.numel() for p in model.parameters() if not p.requires_grad) == 4 * 4


def test_a_step_of_sgd_is_the_authors():
    """lr_b = 64 lr with weight decay wd / lr_b, for the others lr with wd / lr: the decay of a step is wd w for both."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)).double()
    for p in model.parameters():
        p.data.normal_()
        p.grad = torch.randn_like(p)
    before = [p.detach().clone() for p in model.parameters()]
    lr, wd = 0.01, 0.002
    groups = [
        {"params": g["params"], "lr": lr * g.get("lr_scale", 1), "weight_decay": wd / lr * g.get("decay_scale", 1)}
        for g in bias_lr(model)
    ]
    torch.optim.SGD(groups, lr=lr).step()
    for (name, p), old in zip(model.named_parameters(), before, strict=True):
        rate = 64 * lr if name == "1.bias" else lr
        torch.testing.assert_close(p.detach(), old - rate * p.grad - wd * old)


def test_frozen_biases_are_in_no_group():
    model = nn.Sequential(nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    model[0].bias.requires_grad_(False)
    biases, others = bias_lr(model)
    assert names(model, biases) == ["1.bias"] and names(model, others) == ["0.weight", "1.weight"]


def test_nothing_to_scale():
    with pytest.raises(ValueError, match="^bias_lr finds no trainable bias of a normalisation$"):
        bias_lr(ResNet(10, depth=8, norm=lambda channels: nn.BatchNorm2d(channels, affine=False)))


def test_out_of_range():
    with pytest.raises(ValueError, match=r"^bias_scaler must be above 0, got -1$"):
        bias_lr(nn.BatchNorm2d(2), bias_scaler=-1.0)
