"""PolyLoss, Poly-1."""

import math

import pytest
import torch
from torch.nn import functional as F

from tricktable.tricks.loss.poly import Poly


def batch():
    torch.manual_seed(0)
    return torch.randn(6, 5, requires_grad=True), torch.softmax(torch.randn(6, 5), 1)


@pytest.mark.parametrize("epsilon", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("single", [True, False])
def test_the_equation(epsilon, single):
    logits, targets = batch()
    targets = torch.eye(5)[targets.argmax(1)] if single else targets
    expected = 0.0
    for z, q in zip(logits.tolist(), targets.tolist(), strict=True):
        p = [math.exp(a) / sum(map(math.exp, z)) for a in z]
        # Of each label: -log p_t + epsilon (1 - p_t); of a distribution, what is expected.
        expected += sum(b * (-math.log(a) + epsilon * (1 - a)) for a, b in zip(p, q, strict=True)) / 6
    loss = Poly(epsilon)(logits, targets, torch.empty(0))
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-5)


def test_the_polynomial_has_one_coefficient_that_differs():
    """sum_j (1 - p)^j / j, whose first coefficient is 1 + epsilon."""
    logits = torch.tensor([[0.3, -0.2, 0.1]], dtype=torch.float64)
    p = torch.softmax(logits, 1)[0, 0].item()
    series = sum((1 - p) ** j / j for j in range(1, 200)) + 0.7 * (1 - p)
    assert Poly(0.7)(logits, torch.eye(3, dtype=torch.float64)[:1], torch.empty(0)).item() == pytest.approx(series)


def test_without_epsilon_it_is_cross_entropy():
    logits, targets = batch()
    torch.testing.assert_close(Poly(0.0)(logits, targets, torch.empty(0)), F.cross_entropy(logits, targets))


def test_half_precision_and_extreme_logits_stay_finite():
    logits = torch.tensor([[3e4, -3e4], [0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True)
    loss = Poly()(logits, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.empty(0))
    loss.backward()
    assert loss.dtype == torch.float32 and loss.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("epsilon", [-1.1, math.nan])
def test_out_of_range(epsilon):
    with pytest.raises(ValueError, match=r"^epsilon must be at least -1 .*, got "):
        Poly(epsilon)
