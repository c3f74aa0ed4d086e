"""Zero gamma: the last normalisation of every residual branch begins with gamma 0, so blocks begin as shortcuts."""

import pytest
import torch
from torch import nn

from tricktable.models.mobilenet_v2 import MobileNetV2
from tricktable.models.preact_resnet import PreActResNet
from tricktable.models.pyramidnet import PyramidNet
from tricktable.models.resnet import ResNet
from tricktable.models.shake_resnet import ShakeResNet
from tricktable.models.shufflenet import ShuffleNet
from tricktable.models.squeezenet import SqueezeNet
from tricktable.models.vgg import VGG
from tricktable.models.wide_resnet import WideResNet
from tricktable.tricks.init.zero_gamma import zero_gamma

NETWORKS = {  # network, and its residual branches
    "basic": (lambda: ResNet(10, 1, depth=14, width=4), 6),
    "bottleneck": (lambda: ResNet(10, 1, depth=11, width=4, block="bottleneck"), 3),
    "squeeze-and-excitation": (lambda: ResNet(10, 1, depth=8, width=4, reduction=2), 3),
    "group norm": (lambda: ResNet(10, 1, depth=8, width=4, norm=lambda channels: nn.GroupNorm(2, channels)), 3),
    "wide with last norm": (lambda: WideResNet(10, 1, depth=10, widen=1, last_norm=True), 3),
    "pyramid": (lambda: PyramidNet(10, 1, depth=8, alpha=6, width=4), 3),
    "two branches": (lambda: ShakeResNet(10, 1, depth=8, width=4, stem_width=4), 6),
    "inverted": (lambda: MobileNetV2(10, 1, width=0.5, stem="cifar"), 10),
    "shuffle": (lambda: ShuffleNet(10, 1, width=0.1, stem_width=3, stem="cifar"), 13),
}


def branches(model):
    blocks = [m.branches for m in model.modules() if isinstance(getattr(m, "branches", None), nn.ModuleList)]
    return [branch for block in blocks for branch in block]


def gammas(model):
    return [m.weight for m in model.modules() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]


@pytest.mark.parametrize("name", NETWORKS)
def test_branches_begin_as_zero_by_one_gamma_each_which_has_a_gradient(name):
    make, number = NETWORKS[name]
    torch.manual_seed(0)
    model = make()
    before = {name: p.clone() for name, p in model.named_parameters()}
    zero_gamma(model)
    zeros = [gamma for gamma in gammas(model) if not gamma.any()]
    assert len(zeros) == len(branches(model)) == number
    changed = [p for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert len(changed) == number and all(any(p is gamma for gamma in zeros) for p in changed)
    outputs = []
    for branch in branches(model):
        branch.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    model(torch.randn(4, 1, 32, 32)).square().sum().backward()
    assert len(outputs) == number and not any(output.any() for output in outputs)
    assert all(gamma.grad.any() for gamma in zeros)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PreActResNet(10, 1, depth=8, width=4), "blocks.0's ends in Conv2d"),
        (lambda: WideResNet(10, 1, depth=10, widen=1), "blocks.0's ends in Conv2d"),
        (lambda: ResNet(10, 1, depth=8, width=4, norm=lambda channels: nn.Identity()), "blocks.0's ends in Conv2d"),
        (lambda: ResNet(10, 1, depth=8, norm=lambda c: nn.BatchNorm2d(c, affine=False)), "blocks.0's ends in Conv2d"),
        (lambda: MobileNetV2(10, 1, width=0.1, nonlinear_bottleneck=True), "ends in ReLU6"),
        (lambda: SqueezeNet(10, 1, bypass="simple"), "ends in Concat"),
        (lambda: VGG(10, 1), "zero_gamma finds no residual block"),
        (lambda: nn.Linear(2, 2), "zero_gamma finds no residual block"),
    ],
    ids=["pre-activation", "wide", "no norm", "no gamma", "ends in relu", "squeezenet", "vgg", "linear"],
)
def test_networks_without_such_a_gamma_are_refused(make, message):
    with torch.device("meta"):
        model = make()
    with pytest.raises(ValueError, match=message):
        zero_gamma(model)
