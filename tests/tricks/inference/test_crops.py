"""The mean of the probabilities of the corners and the centre of the padded image, and of their mirrors."""

import numpy as np
import pytest
import torch
from torch import nn

from tricktable.tricks.inference.crops import Crops


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 5 * 6, 4))


def naive_views(image, pad, flip):
    """The crops of one image C H W, pixel by pixel."""
    height, width = image.shape[1:]
    views = []
    for down, right in ((0, 0), (-pad, -pad), (-pad, pad), (pad, -pad), (pad, pad)):
        view = np.zeros_like(image)
        for i in range(height):
            for j in range(width):
                if 0 <= i + down < height and 0 <= j + right < width:
                    view[:, i, j] = image[:, i + down, j + right]
        views += [view, view[:, :, ::-1]] if flip else [view]
    return views


@pytest.mark.parametrize(("number", "pad", "flip"), [(1, 1, True), (1, 2, False), (2, 4, True)])
def test_the_mean_over_views_and_models(number, pad, flip):
    models, x = [network(i) for i in range(number)], torch.randn(3, 2, 5, 6)
    expected = np.zeros((3, 4))
    for i, image in enumerate(x.numpy()):
        views = torch.from_numpy(np.stack(naive_views(image, pad, flip)))
        assert len(views) == (10 if flip else 5)
        for model in models:
            expected[i] += model(views).detach().double().softmax(1).mean(0).numpy() / number
    out = Crops(models, pad, flip)(x)
    np.testing.assert_allclose(out.detach().exp().numpy(), expected, rtol=1e-5)


def test_with_flip_it_does_not_tell_an_image_from_its_mirror():
    x = torch.randn(3, 2, 5, 6)
    with_flip, without = Crops([network(0)], 1, True), Crops([network(0)], 1, False)
    torch.testing.assert_close(with_flip(x), with_flip(x.flip(3)))
    assert not torch.allclose(without(x), without(x.flip(3)))


def test_the_network_sees_the_images_size_and_memory_format():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append((x.shape, x.stride(1)))
            return x.mean((2, 3))

    Crops([Spy()])(torch.randn(3, 2, 5, 6).to(memory_format=torch.channels_last))
    assert seen == [((3, 2, 5, 6), 1)] * 10


def test_half_precision_logits_give_single_precision_logs():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = Crops([network(0)])(torch.randn(2, 2, 5, 6) * 1e4)
    assert out.dtype == torch.float32 and out.isfinite().all()


def test_a_pad_as_large_as_the_image_is_refused():
    with pytest.raises(ValueError, match=r"^pad must be less than the images' 5 pixels, got 5$"):
        Crops([network(0)], pad=5)(torch.randn(3, 2, 5, 6))


@pytest.mark.parametrize("pad", [0, -1])
def test_without_a_border_all_crops_would_be_the_image(pad):
    with pytest.raises(ValueError, match=f"^pad must be at least 1 pixel, got {pad}$"):
        Crops([network(0)], pad)


def test_at_least_one_model():
    with pytest.raises(ValueError, match="^crops takes at least one model, got none$"):
        Crops([])
