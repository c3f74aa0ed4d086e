"""LSUV: orthonormal weights, each divided by the standard deviation of its layer's output, in forward order."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.models.mlp import MLP
from tricktable.models.mobilenet_v2 import MobileNetV2
from tricktable.models.resnet import ResNet
from tricktable.models.squeezenet import SqueezeNet
from tricktable.tricks.init.lsuv import lsuv
from tricktable.tricks.init.orthogonal import orthogonal


def layers(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def outputs(model, x):
    """What each convolution and linear layer puts out, by name."""
    found = {}
    for name, m in layers(model).items():
        m.register_forward_hook(lambda module, inputs, output, name=name: found.update({name: output.detach()}))
    model(x)
    return found


def unnormalised(**arguments):
    torch.manual_seed(0)
    return ResNet(10, 3, depth=14, width=8, norm=lambda channels: nn.Identity(), **arguments)


def stack():
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(2, 12, 3), nn.Tanh(), nn.Conv2d(12, 6, 3, groups=2), nn.Tanh()]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(96, 5))


def test_the_papers_algorithm_on_known_draws():
    """One layer after the other, the whole network computed anew whenever a weight changed."""
    model, paper = stack(), stack()
    torch.manual_seed(1)
    lsuv(model, tol=0.01, batch_size=16, resolution=8)

    torch.manual_seed(1)
    orthogonal(paper)
    images = torch.randn(16, 2, 8, 8)
    divisions = 0
    with torch.no_grad():
        for name, layer in layers(paper).items():
            while True:
                blob = outputs(paper, images)[name]
                variance = (blob - blob.sum() / blob.numel()).square().sum() / blob.numel()
                if abs(variance - 1) < 0.01:
                    break
                layer.weight /= variance.sqrt()
                divisions += 1
    assert divisions == 3
    for mine, theirs in zip(model.parameters(), paper.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [unnormalised, lambda: SqueezeNet(10, 3, stem="cifar")], ids=["resnet", "squeezenet"])
def test_every_layer_has_unit_variance_for_other_noise_too(make):
    model = make()
    torch.manual_seed(0)
    lsuv(model, batch_size=16)
    found = outputs(model, torch.randn(16, 3, 32, 32))
    assert len(found) == len(layers(model))
    assert all(abs(output.var() - 1) < 0.3 for output in found.values())


def test_a_layer_within_the_tolerance_keeps_its_orthonormal_weight():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1))
    torch.manual_seed(0)
    lsuv(model, tol=0.5)
    for layer, rows in ((model[0], False), (model[1], True)):
        w = layer.weight.detach().flatten(1)
        product = w @ w.T if rows else w.T @ w
        scale = product[0, 0]
        torch.testing.assert_close(product, scale * torch.eye(len(product)), atol=1e-5, rtol=1e-5)
        assert (scale == pytest.approx(1, abs=1e-5)) == rows  # 8 outputs of 3 inputs have variance 3/8 before


@pytest.mark.parametrize(
    ("make", "last"),
    [
        (unnormalised, [f"blocks.{i}.branches.0.3" for i in range(6)]),
        (lambda: unnormalised(reduction=2), [f"blocks.{i}.branches.0.3" for i in range(6)]),
        (lambda: SqueezeNet(10, 3, stem="cifar", bypass="simple"), [f"fires.{i}.branches.0.1.{j}.0" for i in (1, 4, 6, 9) for j in (0, 1)]),
    ],
    ids=["resnet", "squeeze-and-excitation", "two at the end"],
)  # fmt: skip
def test_level_block_scales_the_last_convolutions_of_branches_alone(make, last):
    model = make()
    torch.manual_seed(0)
    lsuv(model, tol=1e-3, level="block", batch_size=8)
    orthonormal = make()
    torch.manual_seed(0)
    orthogonal(orthonormal)
    theirs = layers(orthonormal)
    changed = [name for name, m in layers(model).items() if not torch.equal(m.weight, theirs[name].weight)]
    assert changed == last
    same = make()
    torch.manual_seed(0)
    orthogonal(same)  # draws what lsuv draws before its noise
    found = outputs(model, torch.randn(8, 3, 32, 32))
    assert all(abs(found[name].var(correction=0) - 1) < 1e-3 for name in last)


def test_buffers_modes_hooks_and_frozen_layers_are_as_before():
    torch.manual_seed(0)
    model = MobileNetV2(10, 1, width=0.1, stem="cifar")
    model(torch.randn(4, 1, 8, 8))
    model.eval()
    model.blocks.train()
    model.head.requires_grad_(False)
    nn.init.constant_(model.head.weight, 7.0)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    modes = [m.training for m in model.modules()]
    lsuv(model, batch_size=4, resolution=8)
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
    assert [m.training for m in model.modules()] == modes
    assert not any(m._forward_hooks for m in model.modules())
    assert (model.head.weight == 7).all()
    assert all(p.requires_grad for name, p in model.named_parameters() if not name.startswith("head"))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_mlp_is_measured_with_images_of_its_own_size(channels):
    torch.manual_seed(0)
    model = MLP(10, channels, hidden=[50], dropout=0.0, input_dropout=0.0, resolution=12)
    lsuv(model, batch_size=256)
    found = outputs(model, torch.randn(256, channels, 12, 12))
    assert len(found) == 2 and all(abs(output.var() - 1) < 0.2 for output in found.values())


def test_a_layer_that_is_used_twice_is_scaled_for_its_first_use():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(3 * x))

    model = Twice()
    torch.manual_seed(0)
    lsuv(model)
    assert abs(model.conv(3 * torch.randn(64, 4, 32, 32)).var() - 1) < 0.1


class Standardised(nn.Conv2d):
    def forward(self, x):
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, w / w.std((1, 2, 3), keepdim=True), self.bias)


class Normed(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, 2 * F.normalize(self.weight.flatten(1)).view_as(self.weight), self.bias)


@pytest.mark.parametrize("conv", [Standardised, Normed])
def test_a_layer_that_does_not_follow_its_weights_scale_is_refused_by_name_and_the_rest_left_in_order(conv):
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Sequential(nn.BatchNorm2d(8), conv(8, 8, 3))).eval()
    with pytest.raises(ValueError, match=r"lsuv cannot give the output of 1\.1 variance 1 by its weight's scale"):
        lsuv(model, resolution=8)
    assert not any(m.training or m._forward_hooks for m in model.modules())
    assert not model[1][0].running_mean.any()


def test_an_output_without_variance_is_refused():
    class Dead(nn.Module):
        def forward(self, x):
            return F.relu(-x.square())

    with pytest.raises(ValueError, match="the output of 1 variance 1 by its weight's scale: it stays 0"):
        lsuv(nn.Sequential(Dead(), nn.Conv2d(3, 4, 3)), resolution=8)


def test_images_that_the_network_cannot_take_are_refused():
    with pytest.raises(ValueError, match="resolution must suit the network, which cannot take 2x7x7 images: "):
        lsuv(stack(), resolution=7)


def test_a_network_on_the_meta_device_can_be_counted():
    with torch.device("meta"):
        model = unnormalised()
        lsuv(model)
    assert all(p.is_meta for p in model.parameters())


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("tol", 0.0, "tol must be above 0, got 0"),
        ("max_iterations", 0, "max_iterations must be at least 1, got 0"),
        ("batch_size", 1, "batch_size must be at least 2, got 1"),
        ("resolution", 0, "resolution must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(argument, value, message):
    with pytest.raises(ValueError, match=message):
        lsuv(stack(), **{argument: value})


@pytest.mark.parametrize("level", ["layer", "block"])
def test_nothing_to_scale(level):
    frozen = unnormalised().requires_grad_(False)
    with pytest.raises(ValueError, match="lsuv finds no trainable"):
        lsuv(frozen, level=level)
    with pytest.raises(ValueError, match="lsuv finds no trainable"):
        lsuv(nn.BatchNorm2d(3), level=level)
    if level == "block":
        with pytest.raises(ValueError, match="last convolution of a residual branch"):
            lsuv(stack(), level=level)
