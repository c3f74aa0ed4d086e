"""CCT: a small transformer of tokens that convolutions make, pooled by attention.

Hassani et al. 2021, Escaping the Big Data Paradigm with Compact Transformers, arXiv:2104.05704. CCT-L/kxn has L layers
and a tokenizer of n convolutions of k x k, each with ReLU and 3x3 max pooling of stride 2; embeddings of the positions
are added to its N tokens of d numbers. Layers and sequence pooling (equation 3; g is linear, d -> 1):

    x <- x + W_o attention(LN(x)),    attention = softmax(q k^T / sqrt(d / heads)) v for each head
    y = LN(x),  x <- y + W_2 gelu(W_1 y)
    logits = W sum_i softmax(g(z))_i z_i,    z = LN(x)

The shortcut around W_2 gelu(W_1 y) carries y as in the authors' code; `mlp_shortcut` has the other reading, x. Weights
of linear layers are drawn from N(0, 0.02^2) within [-2, 2], of convolutions as by He et al.; `init=[]` keeps them so.

Layer norm is part of the transformer: there is no seam `norm`. A residual term of the seam sees tokens as B d N 1.

Shapes: B images, C channels, H W pixels, K classes, N tokens of d numbers.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tricktable.models._parts import Factory, PreActivationBlock, Sum

_TOKENIZER_WIDTH = 64  # channels between the tokenizer's convolutions


def _linear(in_features: int, out_features: int, bias: bool = True) -> nn.Linear:
    """A linear layer as the authors initialise it."""
    layer = nn.Linear(in_features, out_features, bias)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def _convolution(channels: int, out_channels: int, kernel_size: int, **arguments: Any) -> nn.Conv2d:
    """A convolution as the authors initialise it."""
    layer = nn.Conv2d(channels, out_channels, kernel_size, **arguments)
    nn.init.kaiming_normal_(layer.weight)
    return layer


class _Attention(nn.Module):
    """Self-attention of B N d, written out: every multiply-add of it is counted, and its dropout is torch's."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = _linear(dim, 3 * dim, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.projection = _linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """B N d -> B N d."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each B heads N d/heads
        weights = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)
        return self.projection((self.dropout(weights) @ v).transpose(1, 2).flatten(2))


class _DropPath(nn.Module):
    """A branch that is left out of an image's layer with probability `rate`, and divided by 1 - rate elsewhere."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """B N d -> B N d."""
        if not self.training:
            return x
        kept = torch.empty(len(x), 1, 1, device=x.device).bernoulli_(1 - self.rate)
        return x * (kept / (1 - self.rate)).to(x.dtype)


class _OfTokens(nn.Module):
    """A residual term for tokens: channels come second for those that tell channels apart."""

    def __init__(self, term: nn.Module) -> None:
        super().__init__()
        self.term = term

    def forward(self, *branches: Tensor) -> Tensor:
        """B N d each -> B N d."""
        return self.term(*[branch.mT.unsqueeze(3) for branch in branches]).squeeze(3).mT


class _SequencePooling(nn.Module):
    """The mean of the tokens, weighted by a softmax over what one linear layer makes of each."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention = _linear(dim, 1)

    def forward(self, z: Tensor) -> Tensor:
        """B N d -> B d."""
        return (torch.softmax(self.attention(z), 1).mT @ z).squeeze(1)


class _Positions(nn.Module):
    """What is added to the tokens of images of one size."""

    def __init__(self, kind: str, tokens: int, dim: int, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        self.learned = nn.Embedding(tokens, dim) if kind == "learnable" else None
        self.waves: Tensor
        if self.learned is None:
            self.register_buffer("waves", _waves(tokens, dim), persistent=False)  # known without a checkpoint
        else:
            nn.init.trunc_normal_(self.learned.weight, std=0.2)

    def forward(self, x: Tensor) -> Tensor:
        """B N d -> B N d. ValueError where the images have another size."""
        added = self.waves if self.learned is None else self.learned.weight
        if x.shape[1] != len(added):
            raise ValueError(
                f"image_size must be the images' for {len(added)} positional embeddings of {self.image_size} pixels, "
                f"got {x.shape[1]} tokens"
            )
        return x + added


def _waves(tokens: int, dim: int) -> Tensor:
    """sin and cos of p / 10000^(2 floor(i / 2) / d) in turn, N x d."""
    i = torch.arange(dim, dtype=torch.float64)
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] / 10000 ** (2 * (i // 2) / dim)
    return torch.where(i % 2 == 0, angles.sin(), angles.cos()).float()


def _tokenizer(
    in_channels: int, dim: int, layers: int, kernel_size: int, conv: Factory, activation: Factory
) -> tuple[nn.Sequential, int, int]:
    """Its convolutions, with the stride and the padding of each."""
    stride, padding = max(1, kernel_size // 2 - 1), max(1, kernel_size // 2)
    widths = [in_channels, *[_TOKENIZER_WIDTH] * (layers - 1), dim]
    stages: list[nn.Module] = []
    for channels, out_channels in pairwise(widths):
        layer = conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=1, bias=False)
        stages += [layer, activation(), nn.MaxPool2d(3, stride=2, padding=1)]
    return nn.Sequential(*stages), stride, padding


def _side(pixels: int, layers: int, kernel_size: int, stride: int, padding: int) -> int:
    """The tokens each way that the tokenizer makes of so many pixels."""
    for _ in range(layers):
        pixels = (pixels + 2 * padding - kernel_size) // stride + 1
        pixels = (pixels - 1) // 2 + 1  # 3x3 pooling, padded by 1
    return pixels


@dataclass(frozen=True)
class _Encoder:
    """The transformer's layers: of each, attention and MLP are a block."""

    layers: int
    heads: int
    dim: int
    hidden: int
    dropout: float
    attention_dropout: float
    stochastic_depth: float
    normalised: bool
    activation: Factory
    residual: Factory | None

    def blocks(self) -> nn.Sequential:
        """All blocks in forward order."""
        made: list[nn.Module] = []
        for layer in range(self.layers):
            rate = self.stochastic_depth * layer / max(1, self.layers - 1)
            attention = [_Attention(self.dim, self.heads, self.attention_dropout), nn.Dropout(self.dropout)]
            mlp = [_linear(self.dim, self.hidden), self.activation(), nn.Dropout(self.dropout)]
            mlp += [_linear(self.hidden, self.dim), nn.Dropout(self.dropout)]
            around = nn.Identity() if self.normalised else None  # of the normalised tokens, or of those before
            for branch, shortcut in ((attention, None), (mlp, around)):
                term = self._term(len(made) + 1, rate)
                made.append(PreActivationBlock(nn.LayerNorm(self.dim), [nn.Sequential(*branch)], shortcut, term))
        return nn.Sequential(*made)

    def _term(self, index: int, rate: float) -> nn.Module:
        if self.residual is not None:
            return _OfTokens(self.residual(index, 2 * self.layers, 1, self.dim))
        return _DropPath(rate) if rate else Sum()


def _check(counts: dict[str, int], rates: dict[str, float], dim: int, heads: int, mlp_ratio: float) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise ValueError(f"{name} must be in [0, 1), got {rate}")
    if dim % heads:
        raise ValueError(f"num_heads must divide embedding_dim {dim}, got {heads}")
    if not 1 / dim <= mlp_ratio < math.inf:
        raise ValueError(f"mlp_ratio must be finite and at least 1 / embedding_dim, got {mlp_ratio}")


class CCT(nn.Module):
    """The compact convolutional transformer; B C H W -> logits B K.

    num_layers, num_heads, embedding_dim (d), mlp_ratio (hidden numbers of the MLP by d): of the transformer.
    conv_layers, kernel_size: of the tokenizer. positional_embedding: learnable, sine, or none; for the first two the
    images must have image_size pixels each way.
    dropout: of embedded tokens, projections and within the MLP. attention_dropout: of the attention's weights.
    stochastic_depth: probability of leaving a branch out in the last layer, which rises from 0 in the first; None is
    the authors' 0.1, or none where a `residual` is chosen, in whose place it would stand.
    mlp_shortcut: what the shortcut around the MLP carries: normalised (the authors' code), or plain (pre-norm).
    conv, activation, residual, head: factories as in the places of the same names; None is the paper's own choice.
    Blocks of the residual seam are attention and MLP in turn, two a layer.

    `stride` and `stem_stride` are the tokenizer's.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        *,
        num_layers: int = 7,
        num_heads: int = 4,
        embedding_dim: int = 256,
        mlp_ratio: float = 2.0,
        conv_layers: int = 1,
        kernel_size: int = 3,
        positional_embedding: Literal["learnable", "sine", "none"] = "learnable",
        image_size: int = 32,
        dropout: float = 0.0,
        attention_dropout: float = 0.1,
        stochastic_depth: float | None = None,
        mlp_shortcut: Literal["normalised", "plain"] = "normalised",
        conv: Factory | None = None,
        activation: Factory | None = None,
        residual: Factory | None = None,
        head: Factory | None = None,
    ) -> None:
        super().__init__()
        if residual is not None and stochastic_depth is not None:
            raise ValueError(f"stochastic_depth must be null where a residual is chosen, got {stochastic_depth}")
        depth_rate = 0.1 if stochastic_depth is None else stochastic_depth
        counts = {"num_layers": num_layers, "num_heads": num_heads, "embedding_dim": embedding_dim}
        counts |= {"conv_layers": conv_layers, "kernel_size": kernel_size, "image_size": image_size}
        rates = {"dropout": dropout, "attention_dropout": attention_dropout, "stochastic_depth": depth_rate}
        _check(counts, rates, embedding_dim, num_heads, mlp_ratio)
        factories = (conv or _convolution, activation or nn.ReLU)
        made = _tokenizer(in_channels, embedding_dim, conv_layers, kernel_size, *factories)
        self.tokenizer, step, padding = made
        self.stem_stride = self.stride = (2 * step) ** conv_layers
        self.positions: nn.Module = nn.Identity()
        if positional_embedding != "none":
            tokens = _side(image_size, conv_layers, kernel_size, step, padding) ** 2
            self.positions = _Positions(positional_embedding, tokens, embedding_dim, image_size)
        self.dropout = nn.Dropout(dropout)
        sizes = (num_layers, num_heads, embedding_dim, int(embedding_dim * mlp_ratio))
        noise = (dropout, attention_dropout, depth_rate)
        encoder = _Encoder(*sizes, *noise, mlp_shortcut == "normalised", activation or nn.GELU, residual)
        self.blocks = encoder.blocks()
        self.norm = nn.LayerNorm(embedding_dim)
        self.pool = _SequencePooling(embedding_dim)
        self.head = (head or _linear)(embedding_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W -> B K."""
        tokens = self.tokenizer(x).flatten(2).mT
        return self.head(self.pool(self.norm(self.blocks(self.dropout(self.positions(tokens))))))
