"""The fixed classifier: z = alpha * Q x / ||x|| + b with orthonormal rows of Q."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.groups.no_decay import no_decay
from tricktable.tricks.head.fixed_orthogonal import FixedOrthogonal


def made(*arguments, **options):
    torch.manual_seed(0)
    return FixedOrthogonal(*arguments, **options)


def test_the_equation():
    head, x = made(12, 5, alpha=3.0), torch.randn(4, 12)
    nn.init.normal_(head.bias)
    expected = torch.zeros(4, 5)
    for n in range(4):
        norm = sum(value**2 for value in x[n]) ** 0.5
        for i in range(5):
            expected[n, i] = 3 * sum(head.rows[i] * x[n] / norm) + head.bias[i]
    torch.testing.assert_close(head(x), expected.detach())


@pytest.mark.parametrize(("features", "classes"), [(64, 10), (342, 100), (7, 7), (5, 1)])
def test_rows_are_orthonormal(features, classes):
    rows = made(features, classes).rows
    assert rows.shape == (classes, features)
    torch.testing.assert_close(rows @ rows.T, torch.eye(classes), atol=1e-5, rtol=0)


def test_logits_do_not_depend_on_the_length_of_the_features():
    head, x = made(8, 3), torch.randn(4, 8)
    torch.testing.assert_close(head(x), head(100 * x))


def test_rows_are_drawn_from_the_default_generator():
    first, again, other = made(8, 3).rows, made(8, 3).rows, FixedOrthogonal(8, 3).rows
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_only_alpha_and_bias_are_learned_and_saved():
    head = made(8, 3)
    assert set(head.state_dict()) == {"alpha", "bias"}
    assert sum(p.numel() for p in head.parameters()) == 3 + 1
    rows = head.rows.clone()
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    F.cross_entropy(head(torch.randn(4, 8)), torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()
    assert head.alpha.grad.any() and head.bias.grad.any()
    assert torch.equal(head.rows, rows) and not head.rows.requires_grad
    assert torch.equal(copy.deepcopy(head).rows, rows)


def test_a_fixed_alpha_is_not_trained():
    head = made(8, 3, alpha=1.0, learn_alpha=False)
    head(torch.randn(4, 8)).sum().backward()
    assert head.alpha.grad is None and head.alpha.item() == 1


def test_alpha_is_decayed_where_biases_are_not():
    head = made(8, 3)
    decayed, exempt = no_decay(head)
    assert decayed["params"][0] is head.alpha and len(decayed["params"]) == 1
    assert exempt["params"][0] is head.bias and len(exempt["params"]) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_features_of_zero_give_the_bias_and_finite_gradients(dtype):
    head, x = made(8, 3), torch.zeros(2, 8, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype != torch.float32):
        z = head(x)
    z.logsumexp(1).sum().backward()
    assert not z.any() and x.grad.isfinite().all() and head.alpha.grad.isfinite().all()


def test_autocast():
    head, x = made(64, 10), torch.randn(4, 64)
    with torch.autocast("cpu", torch.bfloat16):
        half = head(x)
    torch.testing.assert_close(half.float(), head(x), atol=0.1, rtol=0.02)


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_a_wrong_alpha(alpha):
    with pytest.raises(ValueError, match=rf"^alpha must be above 0, got {alpha:g}"):
        FixedOrthogonal(8, 3, alpha=alpha)


def test_more_classes_than_features():
    with pytest.raises(ValueError, match="at least as many features as classes: 9 rows of 8 numbers cannot be"):
        FixedOrthogonal(8, 9)
