"""Focal loss."""

import math

import pytest
import torch
from torch.nn import functional as F

from tricktable.tricks.loss.focal import Focal


def batch():
    torch.manual_seed(0)
    return torch.randn(6, 5, requires_grad=True), torch.softmax(torch.randn(6, 5), 1)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("single", [True, False])
def test_the_equation(gamma, single):
    logits, targets = batch()
    targets = torch.eye(5)[targets.argmax(1)] if single else targets
    expected = 0.0
    for z, q in zip(logits.tolist(), targets.tolist(), strict=True):
        p = [math.exp(a) / sum(map(math.exp, z)) for a in z]
        if single:
            p_t = p[q.index(1.0)]
            expected += -((1 - p_t) ** gamma) * math.log(p_t) / 6
        else:
            expected += -sum(b * (1 - a) ** gamma * math.log(a) for a, b in zip(p, q, strict=True)) / 6
    loss = Focal(gamma)(logits, targets, torch.empty(0))
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_for_a_single_label_is_the_papers():
    """Appendix B in the notation of a label: dl/dz_t = (1 - p)^gamma (gamma p log p + p - 1)."""
    logits = torch.randn(1, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    Focal(2.0)(logits, torch.eye(5, dtype=torch.float64)[:1], torch.empty(0)).backward()
    p = torch.softmax(logits.detach(), 1)[0, 0].item()
    assert logits.grad[0, 0].item() == pytest.approx((1 - p) ** 2 * (2 * p * math.log(p) + p - 1), rel=1e-9)


def test_without_its_power_it_is_cross_entropy():
    logits, targets = batch()
    torch.testing.assert_close(Focal(0.0)(logits, targets, torch.empty(0)), F.cross_entropy(logits, targets))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_half_precision_and_extreme_logits_stay_finite(gamma):
    logits = torch.tensor([[3e4, -3e4], [0.0, 1.0], [3e4, -3e4]], dtype=torch.bfloat16, requires_grad=True)
    loss = Focal(gamma)(logits, torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), torch.empty(0))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [-0.1, math.nan])
def test_out_of_range(gamma):
    with pytest.raises(ValueError, match=r"^gamma must be at least 0, got "):
        Focal(gamma)
