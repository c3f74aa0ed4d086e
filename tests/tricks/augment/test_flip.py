"""Random horizontal flip."""

import numpy as np
import pytest
import torch
from scipy import stats

from tricktable.tricks.augment.flip import Flip


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_a_naive_loop(layout):
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(16, 3, 5, 6, generator=rng).contiguous(memory_format=layout)
    targets, flip = torch.rand(16, 4), Flip(0.3)
    drawn = flip.sample(16, rng)
    out, same = flip(images, targets, drawn)
    for b in range(16):
        image = images[b].numpy()
        np.testing.assert_array_equal(out[b].numpy(), image[:, :, ::-1] if drawn[b] < 0.3 else image)
    assert same is targets and out.is_contiguous(memory_format=layout)


@pytest.mark.parametrize(("p", "flipped"), [(0.0, 0), (1.0, 1000)])
def test_never_and_always(p, flipped):
    flip = Flip(p)
    images = torch.tensor([0.0, 1.0]).expand(1000, 1, 1, 2)
    out, _ = flip(images, torch.ones(1000, 1), flip.sample(1000, torch.Generator().manual_seed(0)))
    assert out[:, 0, 0, 0].sum() == flipped


def test_a_share_p_is_flipped():
    flip = Flip(0.3)
    images = torch.tensor([0.0, 1.0]).expand(20000, 1, 1, 2)
    out, _ = flip(images, torch.ones(20000, 1), flip.sample(20000, torch.Generator().manual_seed(1)))
    assert stats.binomtest(int(out[:, 0, 0, 0].sum()), 20000, 0.3).pvalue > 0.01


@pytest.mark.parametrize("p", [-0.1, 2.0, float("nan")])
def test_out_of_range(p):
    with pytest.raises(ValueError, match=r"^p must lie in \[0, 1\], got "):
        Flip(p)
