"""The plain residual term is the sum of the branches."""

import pytest
import torch

from tricktable.tricks.residual.sum import Sum


@pytest.mark.parametrize("branches", [1, 2, 3])
def test_the_equation(branches):
    tensors = [torch.randn(2, 3, 4, 4, requires_grad=True) for _ in range(branches)]
    out = Sum(1, 9, branches, 4)(*tensors)
    expected = torch.zeros(2, 3, 4, 4)
    for tensor in tensors:
        expected = expected + tensor
    torch.testing.assert_close(out, expected)
    out.sum().backward()
    assert all(torch.equal(t.grad, torch.ones_like(t)) for t in tensors)


def test_branches_are_not_changed():
    a, b = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    Sum(1, 1, 2, 4)(a, b)
    assert a.sum() == b.sum() == 4


def test_another_number_of_branches_is_our_mistake():
    with pytest.raises(AssertionError):
        Sum(1, 1, 2, 4)(torch.ones(1))
