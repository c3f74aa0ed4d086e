"""The cosine classifier: z_i = alpha * w_i . x / (||w_i|| ||x||)."""

import pytest
import torch
from torch import nn

from tricktable.tricks.groups.no_decay import no_decay
from tricktable.tricks.head.cosine import Cosine
from tricktable.tricks.init.he import he


def made(*arguments, **options):
    torch.manual_seed(0)
    return Cosine(*arguments, **options)


def test_the_equation():
    head, x = made(6, 5, alpha=3.0), torch.randn(4, 6)
    expected = torch.zeros(4, 5)
    for n in range(4):
        for i in range(5):
            w = head.weight[i]
            dot = sum(w[j] * x[n, j] for j in range(6))
            expected[n, i] = 3 * dot / (sum(w**2) ** 0.5 * sum(x[n] ** 2) ** 0.5)
    torch.testing.assert_close(head(x), expected.detach())


def test_logits_depend_on_neither_length():
    head, x = made(6, 5), torch.randn(4, 6)
    before = head(x)
    with torch.no_grad():
        head.weight *= torch.tensor([[0.1], [1.0], [2.0], [30.0], [5.0]])
    torch.testing.assert_close(head(7 * x), before)


def test_logits_lie_within_alpha():
    head, x = made(6, 5, alpha=2.0), 100 * torch.randn(64, 6)
    assert head(x).abs().max() <= 2 + 1e-5
    same = head(head.weight.detach()).diag()
    torch.testing.assert_close(same, torch.full((5,), 2.0))


@pytest.mark.parametrize("learn_alpha", [True, False])
def test_what_is_trained(learn_alpha):
    head = made(6, 5, learn_alpha=learn_alpha)
    head(torch.randn(4, 6)).logsumexp(1).sum().backward()
    assert head.weight.grad.any() and (head.alpha.grad is not None) == learn_alpha
    assert set(head.state_dict()) == {"weight", "alpha"}
    # the gradient is orthogonal to each row, which is why the rows' lengths say nothing
    torch.testing.assert_close((head.weight.grad * head.weight).sum(1), torch.zeros(5), atol=1e-5, rtol=0)


def test_weight_and_alpha_are_decayed_where_biases_are_not():
    head = made(6, 5)
    decayed, _ = no_decay(nn.Sequential(head, nn.BatchNorm1d(5)))
    assert {id(p) for p in decayed["params"]} == {id(head.weight), id(head.alpha)}


def test_init_finds_its_weight():
    head = made(6, 5)
    before = head.weight.detach().clone()
    he(head)
    assert not torch.equal(head.weight, before)


def test_features_of_zero_have_finite_gradients():
    head, x = made(6, 5), torch.zeros(2, 6, requires_grad=True)
    z = head(x)
    z.logsumexp(1).sum().backward()
    assert not z.any() and x.grad.isfinite().all() and head.weight.grad.isfinite().all()


def test_autocast():
    head, x = made(64, 10), torch.randn(4, 64)
    with torch.autocast("cpu", torch.bfloat16):
        half = head(x)
    torch.testing.assert_close(half.float(), head(x), atol=0.1, rtol=0.02)


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_a_wrong_alpha(alpha):
    with pytest.raises(ValueError, match=rf"^alpha must be above 0, got {alpha:g}"):
        Cosine(8, 3, alpha=alpha)
