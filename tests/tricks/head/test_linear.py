"""The linear classifier: z = W x + b."""

import torch

from tricktable.tricks.head.linear import linear


def test_the_equation():
    head, x = linear(5, 3), torch.randn(4, 5)
    expected = torch.stack([head.weight @ row + head.bias for row in x])
    torch.testing.assert_close(head(x), expected)


def test_without_bias():
    head = linear(5, 3, bias=False)
    assert head.bias is None
    assert torch.equal(head(torch.zeros(2, 5)), torch.zeros(2, 3))


def test_gradients_are_finite():
    head = linear(5, 3)
    head(torch.randn(4, 5)).logsumexp(1).sum().backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())
