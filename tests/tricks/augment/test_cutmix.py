"""CutMix against the authors' procedure, image by image."""

import numpy as np
import pytest
import torch
from scipy import stats

from tricktable.tricks.augment.cutmix import CutMix


def batch(n=40, size=(8, 10)):
    rng = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, *size, generator=rng), torch.eye(4)[torch.randint(4, (n,), generator=rng)]


def naive(images, targets, drawn, p, per):
    (weight, uniforms, column), (x, y) = drawn, (images.clone(), targets.clone())
    height, width = images.shape[2:]
    for i, j in enumerate(np.argsort(column.numpy())):
        row = 0 if per == "batch" else i
        whether, v, u = uniforms[row].tolist()
        if whether >= p:
            continue
        cut = np.sqrt(1 - weight[row].item())
        cut_h, cut_w, cy, cx = int(height * cut), int(width * cut), int(v * height), int(u * width)
        y1, y2 = np.clip([cy - cut_h // 2, cy + cut_h // 2], 0, height)
        x1, x2 = np.clip([cx - cut_w // 2, cx + cut_w // 2], 0, width)
        x[i, :, y1:y2, x1:x2] = images[j, :, y1:y2, x1:x2]
        lam = 1 - (y2 - y1) * (x2 - x1) / (height * width)
        y[i] = lam * targets[i] + (1 - lam) * targets[j]
    return x, y


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("p", "per"), [(1.0, "batch"), (0.6, "image")])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_a_naive_loop(seed, p, per, layout):
    images, targets = batch()
    images = images.contiguous(memory_format=layout)
    before, cutmix = images.clone(), CutMix(1.0, p, per)
    drawn = cutmix.sample(40, torch.Generator().manual_seed(seed))
    x, y = cutmix(images, targets, drawn)
    expected = naive(images, targets, drawn, p, per)
    assert torch.equal(x, expected[0])
    torch.testing.assert_close(y, expected[1])
    torch.testing.assert_close(y.sum(1), torch.ones(40))
    assert x.is_contiguous(memory_format=layout) and torch.equal(images, before)


def test_the_targets_are_the_shares_of_the_pixels():
    """Images that are their own label: what is in them must be what the target says."""
    _, targets = batch()
    images = targets.view(40, 4, 1, 1).expand(40, 4, 7, 9)
    cutmix = CutMix(0.5, 1.0, "image")
    x, y = cutmix(images, targets, cutmix.sample(40, torch.Generator().manual_seed(1)))
    torch.testing.assert_close(x.mean((2, 3)), y)
    assert (y.max(1).values < 1).any()


def test_the_ends_of_lambda():
    images, targets = batch(2, (8, 8))
    column = torch.tensor([1.0, 0.0])
    for lam, expected in [(1.0, images), (0.0, images.flip(0))]:
        drawn = torch.full((2,), lam), torch.full((2, 3), 0.5), column
        assert torch.equal(CutMix(p=1.0)(images, targets, drawn)[0], expected)


def test_whether_is_one_choice_a_batch_with_probability_p():
    images, targets = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 8, 8), torch.eye(4)
    cutmix, changed = CutMix(p=0.3), 0
    table = cutmix.sample(8000, torch.Generator().manual_seed(2))
    weight = torch.full((4,), 0.5)
    for start in range(0, 8000, 4):
        _, uniforms, column = (t[start : start + 4] for t in table)
        x, _ = cutmix(images, targets, (weight, uniforms, column))
        moved = bool((column.argsort() != torch.arange(4)).any())
        applied = bool(uniforms[0, 0] < 0.3)
        assert bool((x != images).any()) == (moved and applied)
        changed += applied
    assert stats.binomtest(changed, 2000, 0.3).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_lambda_is_beta(alpha):
    weight, _, _ = CutMix(alpha).sample(20000, torch.Generator().manual_seed(3))
    assert ((weight >= 0) & (weight <= 1)).all()
    # Near 1 float32 has no number for what a small alpha draws: the lower half is compared, and Beta is symmetric.
    assert stats.binomtest(int((weight < 0.5).sum()), 20000).pvalue > 0.01
    low = weight[weight < 0.5].double().numpy()
    assert stats.kstest(low, lambda x: 2 * stats.beta(alpha, alpha).cdf(x)).pvalue > 0.01


def test_centres_are_uniform_over_the_pixels_and_partners_over_the_batch():
    _, uniforms, column = CutMix().sample(20000, torch.Generator().manual_seed(4))
    places = ((uniforms[:, 1] * 8).long() * 8 + (uniforms[:, 2] * 8).long()).numpy()
    assert stats.chisquare(np.bincount(places, minlength=64)).pvalue > 0.01
    orders = (column.view(5000, 4).argsort(1) * torch.tensor([64, 16, 4, 1])).sum(1).numpy()
    counts = np.unique(orders, return_counts=True)[1]
    assert len(counts) == 24 and stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ValueError, match=r"^alpha must be above 0, got "):
        CutMix(alpha)


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_out_of_range(p):
    with pytest.raises(ValueError, match=r"^p must lie in \[0, 1\], got "):
        CutMix(p=p)
