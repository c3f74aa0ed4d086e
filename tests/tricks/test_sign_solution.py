"""Wilson et al. 2017, arXiv:1705.08292, section 3: where adaptive methods end on a separable problem, and SGD does not."""

import pytest
import torch

from tricktable.tricks.optimizer.adagrad import Adagrad
from tricktable.tricks.optimizer.adam import Adam
from tricktable.tricks.optimizer.rmsprop import RMSProp
from tricktable.tricks.optimizer.sgd import SGD

N, POSITIVE = 10, 7


def example(y, i):
    """The paper's: the label, two ones, and ones of this example's own, 1 where y = 1 and 5 where y = -1."""
    x = torch.zeros(3 + 5 * (N + 1), dtype=torch.float64)
    x[:3] = torch.tensor([y, 1, 1])
    x[3 + 5 * i : 3 + 5 * i + 1 + 2 * (1 - y)] = 1
    return x


def solution(make, steps):
    """Weights after so many steps on the squared loss of all examples, from 0; X and y."""
    labels = [1] * POSITIVE + [-1] * (N - POSITIVE)
    x, y = torch.stack([example(label, i) for i, label in enumerate(labels)]), torch.tensor(labels, dtype=torch.float64)
    w = torch.nn.Parameter(torch.zeros(x.shape[1], dtype=torch.float64))
    optimizer = make([{"params": [w]}])
    for _ in range(steps):
        w.grad = x.T @ (x @ w.detach() - y)
        optimizer.step()
    return w.detach(), x, y


ADAPTIVE = {
    "adagrad": lambda groups: Adagrad(groups, lr=0.1, eps=1e-30),
    "adam": lambda groups: Adam(groups, lr=0.003, eps=1e-30),
    "rmsprop": lambda groups: RMSProp(groups, lr=0.003, eps=1e-30),
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_adaptive_methods_move_along_the_signs_of_the_sum_and_call_every_new_example_positive(name):
    w, x, y = solution(ADAPTIVE[name], 50)
    signs = (x.T @ y).sign()
    torch.testing.assert_close(x @ signs, 4 * y)  # the lemma's condition, with c = 4
    torch.testing.assert_close(w, w[0] * signs, rtol=1e-6, atol=1e-12)
    assert w[0] > 0 and (torch.sign(x @ w) == y).all()
    assert all(example(label, N) @ w > 0 for label in (1, -1))


def test_sgd_ends_at_the_least_norm_and_has_no_error():
    w, x, y = solution(lambda groups: SGD(groups, lr=0.02, momentum=0.0, weight_decay=0.0), 2000)
    torch.testing.assert_close(w, torch.linalg.pinv(x) @ y, rtol=1e-4, atol=1e-6)
    assert example(1, N) @ w > 0 > example(-1, N) @ w
