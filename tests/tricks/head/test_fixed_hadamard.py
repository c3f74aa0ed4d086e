"""The fixed classifier: z = alpha * H x / ||x|| + b with rows of a Hadamard matrix."""

import math

import pytest
import torch
from scipy import linalg
from torch import nn
from torch.nn import functional as F

from tricktable.tricks.groups.no_decay import no_decay
from tricktable.tricks.head.fixed_hadamard import FixedHadamard


def test_the_equation():
    head = FixedHadamard(12, 5, alpha=3.0)
    torch.manual_seed(0)
    x = torch.randn(4, 12)
    nn.init.normal_(head.bias)
    hadamard, expected = linalg.hadamard(16), torch.zeros(4, 5)
    for n in range(4):
        norm = sum(value**2 for value in x[n]) ** 0.5
        for i in range(5):
            expected[n, i] = 3 * sum(int(hadamard[i, j]) * x[n, j] / norm for j in range(12)) + head.bias[i]
    torch.testing.assert_close(head(x), expected.detach())


@pytest.mark.parametrize(("features", "classes", "size"), [(64, 10, 64), (342, 100, 512), (8, 8, 8), (1, 1, 1)])
def test_rows_are_those_of_sylvesters_matrix_cut_to_size(features, classes, size):
    rows = FixedHadamard(features, classes).rows
    expected = torch.tensor(linalg.hadamard(size), dtype=torch.float32)[:classes, :features]
    assert torch.equal(rows, expected)


def test_rows_of_a_power_of_two_are_orthogonal_of_norm_sqrt_n():
    rows = FixedHadamard(64, 10).rows
    assert torch.equal(rows @ rows.T, 64 * torch.eye(10))


def test_the_first_alpha_is_that_of_the_authors():
    assert FixedHadamard(64, 16).alpha.item() == 0.25
    assert FixedHadamard(64, 16, alpha=2.0).alpha.item() == 2


def test_only_alpha_and_bias_are_learned_and_saved():
    head = FixedHadamard(8, 3)
    assert set(head.state_dict()) == {"alpha", "bias"}
    assert sum(p.numel() for p in head.parameters()) == 3 + 1
    torch.manual_seed(0)
    F.cross_entropy(head(torch.randn(4, 8)), torch.tensor([0, 1, 2, 0])).backward()
    assert head.alpha.grad.any() and head.bias.grad.any() and not head.rows.requires_grad
    decayed, exempt = no_decay(head)
    assert decayed["params"][0] is head.alpha and exempt["params"][0] is head.bias


def test_a_fixed_alpha_is_not_trained():
    head = FixedHadamard(8, 3, alpha=1.0, learn_alpha=False)
    head(torch.randn(4, 8)).sum().backward()
    assert head.alpha.grad is None and head.alpha.item() == 1


def test_features_of_zero_give_the_bias_and_finite_gradients():
    head, x = FixedHadamard(8, 3), torch.zeros(2, 8, requires_grad=True)
    z = head(x)
    z.logsumexp(1).sum().backward()
    assert not z.any() and x.grad.isfinite().all() and head.alpha.grad.isfinite().all()


def test_autocast():
    head, x = FixedHadamard(64, 10), torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        half = head(x)
    torch.testing.assert_close(half.float(), head(x), atol=0.05, rtol=0.02)


@pytest.mark.parametrize("alpha", [0.0, -1.0])
def test_a_wrong_alpha(alpha):
    with pytest.raises(ValueError, match=rf"^alpha must be above 0, got {alpha:g}"):
        FixedHadamard(8, 3, alpha=alpha)


def test_more_classes_than_features():
    """ShuffleNet has 960 features of ImageNet's 1,000 classes: the matrix has size 2^ceil(log2(1000)), cut to both."""
    rows = FixedHadamard(960, 1000).rows
    size = 2 ** math.ceil(math.log2(max(960, 1000)))
    assert torch.equal(rows, torch.tensor(linalg.hadamard(size), dtype=torch.float32)[:1000, :960])
    gram = rows @ rows.T
    assert (gram.diagonal() == 960).all()
    assert 0 < (gram - 960 * torch.eye(1000)).abs().max() <= size - 960, "nearly orthogonal, and no two alike"


@pytest.mark.parametrize(("features", "classes", "rows"), [(8, 9, 8), (12, 17, 16), (1, 2, 1)])
def test_more_classes_than_there_are_different_rows(features, classes, rows):
    line = f"^fixed_hadamard has {rows} different rows of {features} features, too few for {classes} classes$"
    with pytest.raises(ValueError, match=line):
        FixedHadamard(features, classes)
    FixedHadamard(features, rows)
    wider = linalg.hadamard(2 * rows)[:classes, :features]
    assert (wider[0] == wider[rows]).all(), "which is why"
