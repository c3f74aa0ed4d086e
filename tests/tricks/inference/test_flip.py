"""The mean of the probabilities of an image and its mirror."""

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.tricks.inference.flip import Flip


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("number", [1, 3])
def test_the_equation(number):
    models, x = [network(i) for i in range(number)], torch.randn(6, 3, 4, 4)
    probabilities = np.zeros((6, 5))
    for model in models:
        for view in (x.numpy(), x.numpy()[:, :, :, ::-1].copy()):
            probabilities += softmax(model(torch.from_numpy(view)).detach().double().numpy()) / (2 * number)
    out = Flip(models)(x)
    np.testing.assert_allclose(out.detach().exp().numpy(), probabilities, rtol=1e-5)
    torch.testing.assert_close(out.exp().sum(1), torch.ones(6))


def test_it_does_not_tell_an_image_from_its_mirror():
    module, x = Flip([network(0)]), torch.randn(6, 3, 4, 4)
    torch.testing.assert_close(module(x), module(x.flip(3)))


def test_extreme_and_half_precision_logits_give_finite_logs_and_gradients():
    model = network(0)
    x = torch.randn(2, 3, 4, 4) * 1e4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = Flip([model])(x)
    assert out.dtype == torch.float32 and out.isfinite().all()
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_at_least_one_model():
    with pytest.raises(ValueError, match="flip takes at least one model, got none"):
        Flip([])
