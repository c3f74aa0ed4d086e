"""One model's logits as they are."""

import pytest
import torch
from torch import nn

from tricktable.tricks.inference.plain import Plain


def test_logits_are_the_models():
    model, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), torch.randn(5, 3, 2, 2)
    assert torch.equal(Plain([model])(x), model(x))


def test_evaluation_mode_reaches_the_model():
    model = nn.Sequential(nn.BatchNorm2d(3))
    Plain([model]).eval()
    assert not model.training and not model[0].training


@pytest.mark.parametrize("number", [0, 2])
def test_exactly_one_model(number):
    with pytest.raises(ValueError, match=f"plain takes exactly one model, got {number}"):
        Plain([nn.Identity() for _ in range(number)])
