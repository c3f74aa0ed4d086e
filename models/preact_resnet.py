"""Residual networks of pre-activation blocks.

He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027: normalisation and ReLU stand before each
convolution, and nothing follows the addition.

    x_{l+1} = shortcut(x_l) + F(relu(norm(x_l)))

Without the first ReLU, and with a normalisation after the last convolution, a branch is that of Han et al. 2017,
arXiv:1610.02915, figure 6d: norm-conv-norm-relu-conv-norm.

For CIFAR: three stages of n blocks, 6n + 2 layers (basic) or 9n + 2 (bottleneck: ResNet-164 and ResNet-1001, as in the
authors' code). PreAct ResNet-18: four stages of two blocks of widths 64 to 512, as in the two codes of Zhang et al.
2018 (mixup), arXiv:1710.09412, which differ from each other by stem_norm and activated.

Shapes: B images, C channels, H W pixels, K classes.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import (
    EXPANSION,
    LAYERS,
    Block,
    Factory,
    PreActivationBlock,
    Seams,
    Site,
    ZeroPad,
    block_convolutions,
    doubling,
    pooled,
    seams,
    sites,
    stage_blocks,
)
from tricktable.models._parts import stem as _stem


@dataclass(frozen=True)
class _Design:
    """What all blocks of a network have in common."""

    block: str
    stride_in: str
    shortcut: str
    activated: str
    shortcut_of: str
    first_relu: bool
    last_norm: bool

    def branch(self, channels: int, width: int, stride: int, parts: Seams) -> nn.Sequential:
        """The residual branch behind its first activation: convolutions, with normalisation and ReLU between them."""
        layers: list[nn.Module] = []
        for kernel_size, step, made in block_convolutions(self.block, width, stride, self.stride_in):
            layers += [parts.norm(channels), parts.activation()] if layers else []
            layers.append(parts.convolve(channels, made, kernel_size, step))
            channels = made
        return nn.Sequential(*layers, *([parts.norm(channels)] if self.last_norm else []))

    def changes(self, site: Site) -> bool:
        """Whether the block's output has another shape than its input."""
        return site.channels != site.width * EXPANSION[self.block] or site.stride != 1

    def carries(self, site: Site) -> bool:
        """Whether the shortcut is of relu(norm(x)), in place of x."""
        if self.changes(site):
            return self.shortcut_of == "activated"
        return self.activated == "all" or (self.activated == "first" and site.index == 1)

    def around(self, site: Site, parts: Seams) -> nn.Module:
        """The shortcut. It has no normalisation: none follows the sum."""
        out_channels = site.width * EXPANSION[self.block]
        if not self.changes(site):
            return nn.Identity()
        if self.shortcut == "A":
            return ZeroPad(site.channels, out_channels, site.stride)
        return parts.convolve(site.channels, out_channels, 1, site.stride)

    def block_at(self, site: Site, parts: Seams) -> nn.Module:
        """The whole block: first activation, branch and shortcut."""
        carries, changes = self.carries(site), self.changes(site)
        bare = not (self.first_relu or carries)
        before = nn.Sequential(parts.norm(site.channels), *([] if bare else [parts.activation()]))
        branch = self.branch(site.channels, site.width, site.stride, parts)
        around = self.around(site, parts) if carries or changes else None
        term = parts.term(site.index, site.total, 1, site.width * EXPANSION[self.block])
        if around is None or carries:
            return PreActivationBlock(before, [branch], around, term)
        return Block([nn.Sequential(*before, *branch)], around, term)


def _check(width: int, block: str, stride_in: str, stem: str, stem_norm: bool) -> None:
    if width < 1:
        raise ValueError(f"width must be at least 1, got {width}")
    if block == "basic" and stride_in != "3x3":
        raise ValueError(f"stride_in must be 3x3 with block=basic, which has no other convolutions, got {stride_in}")
    if stem != "cifar" and not stem_norm:
        raise ValueError(f"stem_norm must be true with stem={stem}: normalisation and ReLU stand before its pooling")


class PreActResNet(nn.Module):
    """The residual network of pre-activation blocks; B C H W -> logits B K.

    depth: layers with weights, the shortcuts' not counted: 6n + 2, or 9n + 2 with bottlenecks, if `blocks` is None.
    width: of the first stage; each further stage has twice the one before.
    block: basic is two 3x3 convolutions; bottleneck is 1x1, 3x3 and 1x1, with 4 times the stage's width as its output.
    blocks: of each stage; None is n in each of three.
    stride_in: the bottleneck's convolution that has the stride; 1x1 in the authors' code.
    shortcut: where the shape changes, A subsamples and pads with zero channels, B is a 1x1 convolution.
    shortcut_of: what that is of: relu(norm(x)), which branch and shortcut have in common, or x.
    first_relu: whether a branch's first normalisation is followed by a ReLU. Where the shortcut carries relu(norm(x))
        it is, for that is what the branch gets too.
    last_norm: whether a branch ends in a normalisation.
    activated: which identity shortcuts carry relu(norm(x)) in place of x: the first block's (the paper's appendix: "the
        first activation right after conv1 and before splitting into two paths"), none, or all.
    stem: cifar is 3x3; imagenet is 7x7 with stride 2, then 3x3 max-pooling with stride 2; imagenet_deep has three 3x3
        for the 7x7; imagenet64 is 3x3, then the pooling.
    stem_norm: whether normalisation and ReLU follow the stem's convolution.
    final_norm: whether normalisation and ReLU stand before the global pooling.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375). The others'
        places are empty: their convolutions get no bias instead.
    conv, norm, activation, residual, head: factories as in the places of these names; None is the paper's own choice.

    `stride` is the total downsampling before the global pooling, `stem_stride` the stem's part of it.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        depth: int = 20,
        width: int = 16,
        block: Literal["basic", "bottleneck"] = "basic",
        blocks: list[int] | None = None,
        stride_in: Literal["1x1", "3x3"] = "3x3",
        shortcut: Literal["A", "B"] = "A",
        shortcut_of: Literal["activated", "input"] = "activated",
        first_relu: bool = True,
        last_norm: bool = False,
        activated: Literal["none", "first", "all"] = "first",
        stem: Literal["cifar", "imagenet", "imagenet_deep", "imagenet64"] = "cifar",
        stem_norm: bool = False,
        final_norm: bool = True,
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        _check(width, block, stride_in, stem, stem_norm)
        counts = stage_blocks(depth, blocks, LAYERS[block])
        parts = seams(conv, norm, residual, head, norm_where, activation)
        if stem_norm:
            self.stem, self.stem_stride = _stem(stem, in_channels, width, parts)
        else:
            self.stem, self.stem_stride = nn.Sequential(parts.convolve(in_channels, width, 3)), 1
        stages = doubling(width, counts)
        self.stride = self.stem_stride * 2 ** (len(stages) - 1)
        design = _Design(block, stride_in, shortcut, activated, shortcut_of, first_relu, last_norm)
        places = list(sites(width, stages, EXPANSION[block]))
        if not first_relu and all(design.carries(site) for site in places):
            raise ValueError("first_relu must be true where each block's shortcut carries relu(norm(x)), got false")
        self.blocks = nn.Sequential(*(design.block_at(site, parts) for site in places))
        features = stages[-1].width * EXPANSION[block]
        self.last = nn.Sequential(*([parts.norm(features), parts.activation()] if final_norm else []))
        self.head = parts.head(features, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.last(self.blocks(self.stem(x)))))
