"""Half the logits of the image, a quarter of each shift, each averaged with its mirror's."""

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.tricks.inference.multi_crop import MultiCrop


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 5 * 6, 7), nn.ReLU(), nn.Linear(7, 4))


def shifted(image, by):
    """One image C H W, pixel by pixel, moved down and right; what lies outside is mirrored at the border pixel."""
    height, width = image.shape[1:]

    def inside(i, n):
        return -i if i < 0 else 2 * (n - 1) - i if i >= n else i

    view = np.empty_like(image)
    for i in range(height):
        for j in range(width):
            view[:, i, j] = image[:, inside(i - by, height), inside(j - by, width)]
    return view


@pytest.mark.parametrize(("number", "shift"), [(1, 1), (1, 3), (2, 1)])
def test_the_weighted_mean_over_views_and_models(number, shift):
    models, x = [network(i) for i in range(number)], torch.randn(3, 2, 5, 6)
    expected = np.zeros((3, 4))
    for i, image in enumerate(x.numpy()):
        for by, weight in ((0, 1 / 2), (shift, 1 / 4), (-shift, 1 / 4)):
            view = shifted(image, by)
            both = torch.from_numpy(np.stack([view, view[:, :, ::-1]]))
            for model in models:
                expected[i] += weight * model(both).detach().double().mean(0).numpy() / number
    np.testing.assert_allclose(MultiCrop(models, shift)(x).detach().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_half_precision_logits_are_averaged_in_single_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = MultiCrop([network(0)])(torch.randn(2, 2, 5, 6))
    assert out.dtype == torch.float32 and out.isfinite().all()


def test_a_shift_as_large_as_the_image_is_refused():
    with pytest.raises(ValueError, match=r"^shift must be less than the images' 5 pixels, got 5$"):
        MultiCrop([network(0)], shift=5)(torch.randn(3, 2, 5, 6))


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match="^shift must be at least 1 pixel, got 0$"):
        MultiCrop([network(0)], shift=0)
    with pytest.raises(ValueError, match="^multi_crop takes at least one model, got none$"):
        MultiCrop([])
