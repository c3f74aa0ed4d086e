"""Cross-entropy less the entropy of the prediction."""

import math

import pytest
import torch
from torch.nn import functional as F

from tricktable.tricks.loss.confidence_penalty import ConfidencePenalty


def batch():
    torch.manual_seed(0)
    return torch.randn(6, 5, requires_grad=True), torch.softmax(torch.randn(6, 5), 1)


@pytest.mark.parametrize("beta", [0.0, 0.1, 2.0])
def test_the_equation(beta):
    logits, targets = batch()
    expected = 0.0
    for z, q in zip(logits.tolist(), targets.tolist(), strict=True):
        p = [math.exp(a) / sum(map(math.exp, z)) for a in z]
        entropy = -sum(a * math.log(a) for a in p)
        expected += (-sum(b * math.log(a) for a, b in zip(p, q, strict=True)) - beta * entropy) / 6
    loss = ConfidencePenalty(beta)(logits, targets, torch.empty(0))
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_the_entropy_is_the_papers():
    """dH/dz_i = p_i (-log p_i - H(p)), so the penalty adds -beta times this to cross-entropy's p - q."""
    logits, targets = batch()
    ConfidencePenalty(0.7)(logits, targets, torch.empty(0)).backward()
    p = torch.softmax(logits.detach(), 1)
    entropy = -(p * p.log()).sum(1, keepdim=True)
    torch.testing.assert_close(logits.grad, (p - targets - 0.7 * p * (-p.log() - entropy)) / 6)


def test_without_its_weight_it_is_cross_entropy():
    logits, targets = batch()
    torch.testing.assert_close(
        ConfidencePenalty(0.0)(logits, targets, torch.empty(0)), F.cross_entropy(logits, targets)
    )


def test_half_precision_and_extreme_logits_stay_finite():
    logits = torch.tensor([[3e4, -3e4], [0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = ConfidencePenalty()(logits, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.empty(0))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert logits.grad.isfinite().all()


def test_a_negative_beta_is_refused():
    with pytest.raises(ValueError, match=r"^beta must be at least 0, got -0.1$"):
        ConfidencePenalty(-0.1)
