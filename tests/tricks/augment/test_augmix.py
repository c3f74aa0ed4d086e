"""AugMix against algorithm 1, image by image in Pillow."""

import numpy as np
import pytest
import torch
from scipy import stats

from tests.tricks.augment.pillow import MEAN, STD, chain, normalised, pictures
from tricktable.tricks.augment._operations import OPERATIONS
from tricktable.tricks.augment.augmix import AugMix

PAPERS = {
    "autocontrast",
    "equalize",
    "posterize",
    "rotate",
    "solarize",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
}


def naive(pixels, drawn, width):
    operations, shares, weights = drawn
    out = []
    for b, image in enumerate(pixels):
        mixed = weights[b, 0].double() * normalised(image[None])[0].double()
        for i in range(width):
            sizes = [
                int(m * 32) if OPERATIONS[o].startswith("translate") else m
                for o, m in zip(operations[b, i].tolist(), shares[b, i].tolist(), strict=True)
            ]
            after = chain(image, operations[b, i], torch.tensor(sizes, dtype=torch.float64), 0, bilinear=True)
            mixed += weights[b, 1 + i].double() * normalised(after[None])[0].double()
        out.append(mixed)
    return torch.stack(out).float()


@pytest.mark.parametrize(("severity", "width", "depth"), [(3.0, 3, None), (9.5, 2, 2), (0.1, 1, 1)])
def test_equals_a_loop_in_pillow(severity, width, depth):
    pixels = np.concatenate([pictures(seed=s) for s in range(4)])
    trick, targets = AugMix(MEAN, STD, severity, width, depth), torch.rand(32, 4)
    drawn = trick.sample(32, torch.Generator().manual_seed(0))
    images = normalised(pixels)
    before = images.clone()
    out, same = trick(images, targets, drawn)
    torch.testing.assert_close(out, naive(pixels, drawn, width), rtol=0, atol=1e-5)
    assert same is targets and torch.equal(images, before)


def test_chains_are_1_to_3_of_the_papers_operations():
    operations, _, _ = AugMix(MEAN, STD).sample(20000, torch.Generator().manual_seed(1))
    length = (operations != 0).sum(2)
    assert torch.equal((operations != 0).long().cumprod(2).sum(2), length), "what is left out is at the end"
    assert stats.chisquare(np.bincount(length.flatten().numpy(), minlength=4)[1:]).pvalue > 0.01
    counts = np.bincount(operations[operations != 0].numpy(), minlength=len(OPERATIONS))
    assert {OPERATIONS[i] for i in np.flatnonzero(counts)} == PAPERS
    assert stats.chisquare(counts[counts > 0]).pvalue > 0.01
    assert (AugMix(MEAN, STD, depth=4).sample(5, torch.Generator())[0] != 0).sum((1, 2)).tolist() == [12] * 5


def test_strengths_are_uniform_up_to_the_severity():
    operations, sizes, _ = AugMix(MEAN, STD, severity=4.0, depth=1).sample(20000, torch.Generator().manual_seed(2))
    shears = sizes[operations == OPERATIONS.index("shear_x")]
    assert stats.kstest(shears.abs().numpy() / 0.03, stats.uniform(0.1, 3.9).cdf).pvalue > 0.01
    assert stats.binomtest(int((shears > 0).sum()), len(shears)).pvalue > 0.01
    bits = sizes[operations == OPERATIONS.index("posterize")]
    assert sorted(bits.unique().tolist()) == [3.0, 4.0], "4 - int(0.4 l) for l < 4"


@pytest.mark.parametrize("alpha", [0.3, 1.0, 5.0])
def test_the_weights_are_beta_times_dirichlet(alpha):
    _, _, weights = AugMix(MEAN, STD, width=4, alpha=alpha).sample(20000, torch.Generator().manual_seed(3))
    weights = weights.double()
    torch.testing.assert_close(weights.sum(1), torch.ones(20000, dtype=torch.float64), rtol=0, atol=1e-6)
    assert stats.kstest(weights[:, 0].numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.01
    kept = weights[:, 0] < 0.99  # where the chains have a share that float32 resolves
    chains = (weights[:, 1:] / (1 - weights[:, :1]))[kept]
    for i in range(4):
        assert stats.kstest(chains[:, i].numpy(), stats.beta(alpha, 3 * alpha).cdf).pvalue > 0.001
    assert abs(np.corrcoef(weights[kept, 0], chains[:, 0])[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("severity", 0.0, r"lie in \[0.1, 10\]"),
        ("severity", 11.0, r"lie in \[0.1, 10\]"),
        ("width", 0, "be at least 1"),
        ("depth", 0, r"be at least 1 \(null: 1 to 3\)"),
        ("alpha", 0.0, "be above 0"),
    ],
)
def test_out_of_range(argument, value, allowed):
    with pytest.raises(ValueError, match=rf"^{argument} must {allowed}, got "):
        AugMix(MEAN, STD, **{argument: value})
