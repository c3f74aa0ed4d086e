"""AutoAugment's policy against torchvision's copy of it, and its magnitudes and results against the authors' procedure."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision import transforms

from tests.tricks.augment.pillow import MEAN, STD, chain, normalised, pictures, raw
from tricktable.tricks.augment._operations import OPERATIONS
from tricktable.tricks.augment.autoaugment import POLICY, AutoAugment


def size(name, level):
    """The authors' magnitudes on images of 32 pixels, without their direction."""
    if name in ("color", "contrast", "brightness", "sharpness"):
        return level * 1.8 / 10 + 0.1
    return {
        "rotate": int(level * 30 / 10),
        "solarize": 256 - int(level * 256 / 10),
        "posterize": 4 - int(level * 4 / 10),
        "shear_x": level * 0.3 / 10,
        "shear_y": level * 0.3 / 10,
        "translate_x": int(level * 10 / 10),
        "translate_y": int(level * 10 / 10),
    }.get(name, 0.0)


def test_the_policy_is_the_published_one():
    policy = transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10).policies
    assert len(policy) == len(POLICY) == 25
    for theirs, ours in zip(policy, POLICY, strict=True):
        for (name, p, level), (our_name, our_p, our_level) in zip(theirs, ours, strict=True):
            assert (name.lower(), p) == (our_name.replace("_", ""), our_p)
            assert level in (None, our_level)


def test_sub_policies_are_uniform_and_their_operations_have_the_published_probabilities():
    operations, _ = AutoAugment(MEAN, STD).sample(100000, torch.Generator().manual_seed(0))
    number = {name: i for i, name in enumerate(OPERATIONS)}
    expected = np.zeros((len(OPERATIONS), len(OPERATIONS)))
    for (first, p, _), (second, q, _) in POLICY:
        for one, chance in ((first, p), ("identity", 1 - p)):
            for two, other in ((second, q), ("identity", 1 - q)):
                expected[number[one], number[two]] += chance * other / 25
    counts = np.zeros_like(expected)
    np.add.at(counts, tuple(operations.T.numpy()), 1)
    assert not counts[expected == 0].any()
    assert stats.chisquare(counts[expected > 0], 100000 * expected[expected > 0]).pvalue > 0.01


def test_equals_a_loop_in_pillow():
    pixels = np.concatenate([pictures(seed=s) for s in range(25)])
    trick, targets = AutoAugment(MEAN, STD, fill=0.0), torch.rand(200, 4)
    operations, shares = trick.sample(200, torch.Generator().manual_seed(1))
    levels = {
        name: {size(name, level) for pair in POLICY for each, _, level in pair if each == name} for name in OPERATIONS
    }
    sizes = shares.clone()
    for row, column in np.ndindex(200, 2):
        name, share = OPERATIONS[operations[row, column]], shares[row, column].item()
        sizes[row, column] = share * 32 if name.startswith("translate") else share
        assert name == "identity" or any(abs(sizes[row, column].abs() - each) < 1e-9 for each in levels[name])
    out, same = trick(normalised(pixels), targets, (operations, shares))
    expected = np.stack([chain(p, o, s) for p, o, s in zip(pixels, operations, sizes, strict=True)])
    np.testing.assert_allclose(raw(out).numpy(), expected, rtol=0, atol=1e-3)
    assert same is targets


def test_every_directed_operation_goes_both_ways():
    operations, shares = AutoAugment(MEAN, STD).sample(20000, torch.Generator().manual_seed(2))
    for name in ("rotate", "translate_x", "translate_y", "shear_y"):
        drawn = shares[operations == OPERATIONS.index(name)]
        assert stats.binomtest(int((drawn > 0).sum()), len(drawn)).pvalue > 0.01


@pytest.mark.parametrize("fill", [-1.0, 256.0, float("nan")])
def test_out_of_range(fill):
    with pytest.raises(ValueError, match=r"^fill must lie in \[0, 255\], got "):
        AutoAugment(MEAN, STD, fill)
