"""Parameters of one element have a tenth of the learning rate."""

import pytest
import torch
from torch import nn

from tricktable.models.resnet import ResNet
from tricktable.tricks.groups.scalar_lr import scalar_lr
from tricktable.tricks.init.fixup import fixup


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 3)
        self.scale = nn.Parameter(torch.ones(1))
        self.alpha = nn.Parameter(torch.ones(1, 1))


@pytest.mark.parametrize(("by", "names"), [("name", {"scale", "linear.bias"}), ("elements", {"scale", "alpha"})])
def test_which_parameters_are_scaled(by, names):
    model = Scaled()
    others, scalars = scalar_lr(model, by=by)
    parameters = dict(model.named_parameters())
    assert {id(p) for p in scalars["params"]} == {id(parameters[name]) for name in names}
    assert {id(p) for p in others["params"]} == {id(p) for name, p in parameters.items() if name not in names}
    assert scalars["lr_scale"] == 0.1 and "lr_scale" not in others
    assert "decay_scale" not in scalars


def test_of_fixup_the_scalars_and_the_classifiers_bias():
    """The authors' rule: 'bias' or 'scale' in the name. Five scalars a block, two more outside, and the classifier's bias."""
    model = ResNet(num_classes=10, norm=lambda channels: nn.Identity())
    fixup(model)
    _, scalars = scalar_lr(model)
    assert sorted(p.numel() for p in scalars["params"]) == [1] * (5 * 9 + 2) + [10]
    assert any(p is model.head.get_parameter("1.bias") for p in scalars["params"])


def test_by_elements_all_scalars_of_fixup_and_nothing_else():
    model = ResNet(num_classes=10, norm=lambda channels: nn.Identity())
    weights = sum(p.numel() for p in model.parameters())
    fixup(model)
    others, scalars = scalar_lr(model, lr_scale=0.2, by="elements")
    assert len(scalars["params"]) == 5 * 9 + 2
    assert sum(p.numel() for p in others["params"]) == weights
    assert scalars["lr_scale"] == 0.2


def test_frozen_scalars_are_in_no_group():
    model = Scaled()
    model.scale.requires_grad_(False)
    _, scalars = scalar_lr(model, by="elements")
    assert [id(p) for p in scalars["params"]] == [id(model.alpha)]
    with pytest.raises(ValueError, match="finds no trainable parameter of one element that is called bias or scale$"):
        scalar_lr(model)


def test_scalars_alone():
    model = nn.PReLU()
    (group,) = scalar_lr(model, by="elements")
    assert group["params"][0] is model.weight and group["lr_scale"] == 0.1


def test_nothing_to_scale():
    with pytest.raises(ValueError, match="finds no trainable parameter of one element"):
        scalar_lr(nn.Linear(2, 2))


def test_out_of_range():
    with pytest.raises(ValueError, match=r"^lr_scale must be at least 0, got -1"):
        scalar_lr(Scaled(), lr_scale=-1.0)
