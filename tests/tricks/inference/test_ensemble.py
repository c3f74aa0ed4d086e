"""The mean of the probabilities of several models."""

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.tricks.inference.ensemble import Ensemble


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))


@pytest.mark.parametrize("number", [2, 5])
def test_it_is_the_mean_of_the_softmaxes(number):
    models, x = [network(i) for i in range(number)], torch.randn(6, 3, 4, 4)
    expected = np.zeros((6, 5))
    for model in models:
        z = np.exp(model(x).detach().double().numpy())
        expected += z / z.sum(1, keepdims=True) / number
    np.testing.assert_allclose(Ensemble(models)(x).detach().exp().numpy(), expected, rtol=1e-5)


def test_equal_models_are_one():
    model, x = network(0), torch.randn(6, 3, 4, 4)
    torch.testing.assert_close(Ensemble([model, model])(x), model(x).log_softmax(1))


def test_a_model_counts_by_its_probabilities_not_by_the_size_of_its_logits():
    models = [nn.Sequential(nn.Flatten(), nn.Linear(1, 2)) for _ in range(3)]
    for model, logits in zip(models, ([40.0, 0.0], [0.0, 3.0], [0.0, 3.0]), strict=True):
        nn.init.zeros_(model[1].weight)
        model[1].bias.data = torch.tensor(logits)
    p = Ensemble(models)(torch.zeros(1, 1, 1, 1)).exp()
    assert p.argmax() == 1
    sure = 1 / (1 + np.exp(-3))
    np.testing.assert_allclose(p[0, 1].item(), 2 / 3 * sure, rtol=1e-5)


def test_extreme_and_half_precision_logits_give_finite_logs():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = Ensemble([network(0), network(1)])(torch.randn(2, 3, 4, 4) * 1e4)
    assert out.dtype == torch.float32 and out.isfinite().all()


def test_evaluation_mode_reaches_the_models():
    models = [nn.BatchNorm2d(3), nn.BatchNorm2d(3)]
    Ensemble(models).eval()
    assert not any(model.training for model in models)


@pytest.mark.parametrize("number", [0, 1])
def test_several_models(number):
    with pytest.raises(ValueError, match=f"^ensemble takes several models, got {number}$"):
        Ensemble([network(i) for i in range(number)])
