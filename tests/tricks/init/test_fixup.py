"""Fixup: the paper's rules, its parameter counts, and what follows from them at the first step."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tricktable.models.mobilenet_v2 import MobileNetV2
from tricktable.models.preact_resnet import PreActResNet
from tricktable.models.pyramidnet import PyramidNet
from tricktable.models.resnet import ResNet
from tricktable.models.resnext import ResNeXt
from tricktable.models.shake_resnet import ShakeResNet
from tricktable.models.shufflenet import ShuffleNet
from tricktable.models.squeezenet import SqueezeNet
from tricktable.models.vgg import VGG
from tricktable.models.wide_resnet import WideResNet
from tricktable.tricks.activation.gelu import GELU
from tricktable.tricks.activation.mish import Mish
from tricktable.tricks.activation.relu import ReLU
from tricktable.tricks.activation.swish import Swish
from tricktable.tricks.init.fixup import fixup


def identity(channels):
    return nn.Identity()


def resnet(depth=20, **arguments):
    return ResNet(num_classes=10, depth=depth, norm=identity, **arguments)


def fixed(model, **arguments):
    torch.manual_seed(0)
    fixup(model, **arguments)
    return model


FAMILIES = {
    "resnet": resnet,
    "bottleneck": lambda: resnet(29, block="bottleneck", shortcut="B"),
    "squeeze_excite": lambda: resnet(reduction=4),
    "preact": lambda: PreActResNet(10, norm=identity),
    "wide": lambda: WideResNet(10, depth=10, widen=2, norm=identity),
    "pyramid": lambda: PyramidNet(10, depth=20, norm=identity),
    "resnext": lambda: ResNeXt(10, depth=29, cardinality=2, base_width=8, width=16, norm=identity),
    "shake": lambda: ShakeResNet(10, depth=14, width=8, norm=identity),
    "mobile": lambda: MobileNetV2(10, width=0.35, stem="cifar", norm=identity),
    "shuffle": lambda: ShuffleNet(10, stem="cifar", norm=identity),
}


def blocks_of(model):
    return [m for m in model.modules() if hasattr(m, "branches")]


def layers_of(module):
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize(
    ("depth", "expected"), [(20, 268393), (32, 461959), (44, 655525), (56, 849091), (110, 1720138)]
)
def test_the_papers_parameter_counts(depth, expected):
    assert sum(p.numel() for p in fixed(resnet(depth)).parameters()) == expected


def test_a_network_has_four_biases_and_a_scale_a_block_and_two_scalars_outside():
    model = fixed(resnet())
    for block in model.blocks:
        scalars = [p for p in block.parameters() if p.shape == (1,)]
        assert sorted(p.item() for p in scalars) == [0, 0, 0, 0, 1]
    outside = [p for module in (model.stem, model.head) for p in module.parameters() if p.shape == (1,)]
    assert [p.item() for p in outside] == [0, 0]


SCALES = [  # static `scales` of the paper's file
    (lambda: resnet(20), 0.333333333333),
    (lambda: resnet(32), 0.258198889747),
    (lambda: resnet(56), 0.19245008973),
    (lambda: resnet(110), 0.136082763488),
    (lambda: resnet(1202, width=4), 0.040824829046),
    (lambda: resnet(50, block="bottleneck", blocks=[3, 4, 6, 3], width=8), 0.5),
    (lambda: resnet(101, block="bottleneck", blocks=[3, 4, 23, 3], width=8), 0.417226144861),
]


@pytest.mark.parametrize(("make", "scale"), SCALES)
def test_inner_layers_are_he_times_the_papers_scale_and_the_last_are_zero(make, scale):
    model, normed = fixed(make()), []
    for block in model.blocks:
        *inner, last = layers_of(block.branches[0])
        assert not last.weight.any()
        for conv in inner:
            k, _ = conv.kernel_size
            normed.append(conv.weight.detach().flatten() / math.sqrt(2 / (k * k * conv.out_channels)))
    assert torch.cat(normed).std().item() == pytest.approx(scale, rel=0.02)


def test_layers_outside_the_branches_are_he_and_the_classifier_is_zero():
    model = fixed(resnet(20, width=64, shortcut="B"))
    for conv in (model.stem[0], model.blocks[3].shortcut[0][1]):
        k, _ = conv.kernel_size
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (k * k * conv.out_channels)), rel=0.05)
    (head,) = layers_of(model.head)
    assert not head.weight.any() and not head.bias.any()


def test_the_fan_of_a_grouped_convolution_is_that_of_one_group():
    model = fixed(ResNeXt(10, depth=29, cardinality=4, norm=identity), exponent=0)
    grouped = model.blocks[0].branches[0][3][1]
    assert grouped.groups == 4
    expected = math.sqrt(2 / (9 * grouped.out_channels / 4))
    assert grouped.weight.std().item() == pytest.approx(expected, rel=0.02)


def test_another_exponent():
    half, none = fixed(resnet(), exponent=-0.5), fixed(resnet(), exponent=0)
    a, b = (layers_of(model.blocks[0].branches[0])[0].weight for model in (half, none))
    torch.testing.assert_close(a, b / 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_branch_is_zero_the_loss_is_ln_k_and_only_the_classifier_has_a_gradient(family):
    model = fixed(FAMILIES[family]())
    branches = []
    for block in blocks_of(model):
        for branch in block.branches:
            branch.register_forward_hook(lambda module, args, out: branches.append(out))
    loss = F.cross_entropy(model(torch.randn(4, 3, 16, 16)), torch.arange(4))
    assert loss.item() == torch.tensor(10.0).log().item()
    assert branches and not any(out.any() for out in branches)
    loss.backward()
    moved = {name for name, p in model.named_parameters() if p.grad.any()}
    assert moved == {"head.1.weight", "head.1.bias"}


@pytest.mark.parametrize("family", FAMILIES)
def test_within_a_few_steps_every_parameter_has_a_gradient(family):
    model = fixed(FAMILIES[family]())
    optimizer, x, reached = torch.optim.SGD(model.parameters(), lr=0.05), torch.randn(4, 3, 16, 16), set()
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(4)).backward()
        optimizer.step()
        reached |= {name for name, p in model.named_parameters() if p.grad.any()}
    assert reached == {name for name, _ in model.named_parameters()}


def test_a_block_is_the_papers_equation():
    model = fixed(resnet())
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=rng) / math.sqrt(p[0].numel()))
    block, x = model.blocks[0], torch.randn(2, 16, 6, 6)
    conv1, conv2 = layers_of(block)
    bias1a, bias1b, bias2a, scale, bias2b = (p for p in block.parameters() if p.shape == (1,))
    out = F.relu(F.conv2d(x + bias1a, conv1.weight, padding=1) + bias1b)
    out = F.conv2d(out + bias2a, conv2.weight, padding=1) * scale + bias2b
    torch.testing.assert_close(block(x), F.relu(x + out))


@pytest.mark.parametrize("activation", [ReLU, GELU, Mish, Swish])
def test_it_knows_the_nonlinearities_of_the_activation_seam(activation):
    """A nonlinearity that it does not know would be left without its scalar bias in silence."""
    models = [fixed(resnet(14, activation=each)) for each in (activation, None)]
    assert [p.shape for p in models[0].parameters()] == [p.shape for p in models[1].parameters()]


def test_without_scalars_the_network_keeps_its_parameters():
    names = [name for name, _ in resnet().named_parameters()]
    model = fixed(resnet(), scalars=False)
    assert [name for name, _ in model.named_parameters()] == names
    assert not model(torch.randn(2, 3, 8, 8)).any()


def test_a_network_of_110_layers_starts_as_the_identity_and_trains():
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    images, labels = (images - images.mean()) / images.std(), torch.tensor(digits.target)
    model, losses = fixed(resnet(110, in_channels=1)), []
    x = images[:2]
    for block in [model.stem, *model.blocks]:
        y = block(x)
        assert torch.equal(y, block.shortcut(x) if hasattr(block, "shortcut") else y)
        x = y
    scalars = [p for p in model.parameters() if p.numel() == 1]
    others = [p for p in model.parameters() if p.numel() > 1]
    optimizer = torch.optim.SGD([{"params": others}, {"params": scalars, "lr": 0.01}], lr=0.1, momentum=0.9)
    for _ in range(60):
        rows = torch.randint(len(images), (64,))
        loss = F.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(10), abs=1e-6)
    assert all(map(math.isfinite, losses))
    assert sum(losses[-5:]) / 5 < 1.5


def test_autocast_and_the_memory_format_are_kept():
    model = fixed(resnet()).to(memory_format=torch.channels_last)
    seen = []
    for block in model.blocks:
        block.branches[0].register_forward_hook(lambda module, args, out: seen.append(out))
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last))
    assert all(out.dtype == torch.bfloat16 and out.is_contiguous(memory_format=torch.channels_last) for out in seen)


@pytest.mark.parametrize("norm", [None, nn.InstanceNorm2d, lambda c: nn.GroupNorm(2, c), nn.PReLU])
def test_a_network_with_normalisation_is_refused(norm):
    with pytest.raises(ValueError, match=r"without normalisation \(norm=none\); this one has "):
        fixup(ResNet(num_classes=10, norm=norm))


def test_a_classifier_that_is_no_plain_linear_layer_is_refused():
    class Other(nn.Linear):
        pass

    with pytest.raises(ValueError, match="this one has Other"):
        fixup(resnet(head=Other))
    with pytest.raises(ValueError, match="finds no linear classifier"):
        fixup(resnet(head=lambda features, classes: nn.Identity()))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: VGG(10, norm=identity), "finds no residual branch"),
        (lambda: SqueezeNet(10, bypass="simple"), "finds no linear classifier"),
        (lambda: MobileNetV2(10, nonlinear_bottleneck=True, norm=identity), "ends in an activation"),
    ],
)
def test_nothing_to_act_on(make, said):
    with pytest.raises(ValueError, match=said):
        fixup(make())


def test_branches_of_one_layer_are_refused():
    model = resnet()
    model.blocks[1].branches[0] = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1))
    with pytest.raises(ValueError, match="at least 2 weight layers in a row, and finds one of 1"):
        fixup(model)


def test_a_wrong_exponent():
    with pytest.raises(ValueError, match=r"^exponent must be at most 0, got 0.5"):
        fixup(resnet(), exponent=0.5)
