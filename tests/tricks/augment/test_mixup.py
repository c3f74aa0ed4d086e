"""mixup against its equation, and Beta(alpha, alpha) against scipy's."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from tricktable.tricks.augment.mixup import Mixup


def batch(n=12):
    rng = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, 4, 5, generator=rng), torch.eye(4)[torch.randint(4, (n,), generator=rng)]


@pytest.mark.parametrize("per", ["batch", "image"])
def test_the_equation(per):
    images, targets = batch()
    mixup = Mixup(0.7, per)
    weight, column = mixup.sample(12, torch.Generator().manual_seed(1))
    x, y = mixup(images, targets, (weight, column))
    partner = np.argsort(column.numpy())
    for i, j in enumerate(partner):
        lam = weight[0 if per == "batch" else i].item()
        np.testing.assert_allclose(x[i], lam * images[i] + (1 - lam) * images[j], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(y[i], lam * targets[i] + (1 - lam) * targets[j], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(y.sum(1), torch.ones(12))
    assert sorted(partner) == list(range(12))


def test_the_loss_is_the_mixture_of_the_two_losses():
    images, targets = batch()
    mixup = Mixup(1.0)
    drawn = mixup.sample(12, torch.Generator().manual_seed(2))
    _, y = mixup(images, targets, drawn)
    logits = torch.randn(12, 4, requires_grad=True)
    labels, lam = targets.argmax(1), drawn[0][0]
    loss = F.cross_entropy(logits, y)
    pair = F.cross_entropy(logits, labels), F.cross_entropy(logits, labels[drawn[1].argsort()])
    torch.testing.assert_close(loss, lam * pair[0] + (1 - lam) * pair[1])
    loss.backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.2, 0.4, 1.0, 2.0, 8.0])
def test_lambda_is_beta(alpha):
    weight, _ = Mixup(alpha).sample(20000, torch.Generator().manual_seed(4))
    assert ((weight >= 0) & (weight <= 1)).all()
    # Small alphas put lambda so near to 0 or 1 that float32 has no number for it. Near 0 it reaches far down, and Beta
    # is symmetric: so lambda in [1e-30, 1/2) is compared, and the share below 1/2.
    assert stats.binomtest(int((weight < 0.5).sum()), 20000).pvalue > 0.01
    beta, low = stats.beta(alpha, alpha), 1e-30
    between = weight[(weight >= low) & (weight < 0.5)].double().numpy()
    assert stats.binomtest(len(between), 20000, 0.5 - beta.cdf(low)).pvalue > 0.01
    assert stats.kstest(between, lambda x: (beta.cdf(x) - beta.cdf(low)) / (0.5 - beta.cdf(low))).pvalue > 0.01


@pytest.mark.parametrize(("alpha", "variance"), [(1.0, 0.083333333333), (0.2, 0.178571428571)])
def test_the_moments_of_lambda(alpha, variance):
    weight, _ = Mixup(alpha).sample(200_000, torch.Generator().manual_seed(5))
    assert weight.mean().item() == pytest.approx(0.5, abs=3e-3)
    assert weight.var().item() == pytest.approx(variance, rel=1e-2)


def test_the_smaller_share_is_a_quarter_on_average_where_lambda_is_uniform():
    weight, _ = Mixup(1.0).sample(200_000, torch.Generator().manual_seed(5))
    assert torch.minimum(weight, 1 - weight).mean().item() == pytest.approx(0.25, abs=2e-3)


def test_partners_are_uniform():
    mixup, counts = Mixup(), np.zeros((4, 4))
    _, column = mixup.sample(4000, torch.Generator().manual_seed(6))
    for rows in column.view(1000, 4).numpy():
        counts[np.arange(4), np.argsort(rows)] += 1
    for row in counts:
        assert stats.chisquare(row).pvalue > 0.01


@pytest.mark.parametrize("per", ["batch", "image"])
def test_alpha_zero_is_training_without_mixup(per):
    images, targets = batch()
    mixup = Mixup(0.0, per)
    x, y = mixup(images, targets, mixup.sample(12, torch.Generator().manual_seed(0)))
    assert torch.equal(x, images) and torch.equal(y, targets)


def test_it_draws_from_the_given_generator_alone():
    before = torch.get_rng_state()
    a = Mixup(0.3).sample(10, torch.Generator().manual_seed(9))
    b = Mixup(0.3).sample(10, torch.Generator().manual_seed(9))
    assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_memory_format_and_the_inputs_stay():
    images, targets = batch()
    images = images.contiguous(memory_format=torch.channels_last)
    kept, mixup = images.clone(), Mixup()
    x, _ = mixup(images, targets, mixup.sample(12, torch.Generator().manual_seed(0)))
    assert x.is_contiguous(memory_format=torch.channels_last) and torch.equal(images, kept)


def test_a_negative_alpha_is_refused():
    with pytest.raises(ValueError, match=r"alpha must be at least 0, got -0.5"):
        Mixup(-0.5)
