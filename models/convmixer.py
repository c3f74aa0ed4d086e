"""ConvMixer: patches, mixed over pixels and over channels in turn by convolutions.

Trockman & Kolter 2022, Patches Are All You Need?, arXiv:2201.09792, equations 1 to 3: an image becomes patches of h
channels, which keep their number through `depth` blocks of a depthwise convolution with a shortcut around it and a
convolution of 1x1; the normalisation stands after the activation. Global average pooling and a linear classifier.

    z_0     = BN(gelu(conv_{p x p, stride p}(x)))
    z'_l    = BN(gelu(depthwise_{k x k}(z_{l-1}))) + z_{l-1}
    z_{l+1} = BN(gelu(conv_{1x1}(z'_l)))

Shapes: B images, C channels, H W pixels, K classes.
"""

from typing import Literal

from torch import Tensor, nn

from tricktable.models._parts import Block, Factory, Seams, pooled, seams

_NONLINEARITIES = {"gelu": nn.GELU, "relu": nn.ReLU}


def _block(site: tuple[int, int], dim: int, kernel_size: int, parts: Seams, activation: Factory) -> Block:
    """Number `site[0]` of `site[1]`: the pixels are mixed around a shortcut, then the channels."""
    pixels = [parts.convolve(dim, dim, kernel_size, groups=dim, bias=True), activation(), parts.norm(dim)]
    channels = [parts.convolve(dim, dim, 1, bias=True), activation(), parts.norm(dim)]
    return Block([nn.Sequential(*pixels)], nn.Identity(), parts.term(*site, 1, dim), nn.Sequential(*channels))


class ConvMixer(nn.Module):
    """The network ConvMixer-dim/depth; B C H W -> logits B K.

    dim: channels h of a patch. depth: blocks. kernel_size: k of the depthwise convolutions, odd. patch_size: pixels p
    of a patch each way; pixels that fill no patch are left out.
    nonlinearity: gelu, or relu as in the paper's ConvMixer-768/32; what `activation` makes stands in its place.
    norm_where: last keeps the network's last normalisation alone (Bjorck et al. 2018, arXiv:1806.02375).
    conv, norm, activation, residual, head: factories as in the places of the same names; None is the paper's choice.

    `stride` and `stem_stride` are the patch's size.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        dim: int = 256,
        depth: int = 8,
        kernel_size: int = 5,
        patch_size: int = 2,
        nonlinearity: Literal["gelu", "relu"] = "gelu",
        norm_where: Literal["all", "last"] = "all",
        conv: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("depth", depth), ("patch_size", patch_size)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if kernel_size < 1 or kernel_size % 2 == 0:  # an even one would not keep the size
            raise ValueError(f"kernel_size must be odd and at least 1, got {kernel_size}")
        parts = seams(conv, norm, residual, head, norm_where)
        activate = activation or _NONLINEARITIES[nonlinearity]
        self.stem_stride = self.stride = patch_size
        embed = parts.conv(in_channels, dim, patch_size, stride=patch_size, padding=0, groups=1, bias=True)
        self.stem = nn.Sequential(embed, activate(), parts.norm(dim))
        blocks = (_block((i, depth), dim, kernel_size, parts, activate) for i in range(1, depth + 1))
        self.blocks = nn.Sequential(*blocks)
        self.head = parts.head(dim, num_classes)
        parts.finish(self)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.head(pooled(self.blocks(self.stem(x))))
