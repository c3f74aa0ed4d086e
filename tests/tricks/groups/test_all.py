"""One group with every trainable parameter."""

import pytest
from torch import nn

from tricktable.tricks.groups.all import all_alike


def test_every_trainable_parameter_once():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    model[2].bias.requires_grad_(False)
    (group,) = all_alike(model)
    assert list(map(id, group["params"])) == [id(p) for p in model.parameters() if p.requires_grad]
    assert set(group) == {"params"}


def test_nothing_to_train():
    with pytest.raises(ValueError, match="finds no trainable parameter"):
        all_alike(nn.Linear(2, 2).requires_grad_(False))
