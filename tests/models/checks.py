"""What the tests of several families assert alike."""

import torch
from torch import nn
from torch.nn import functional as F


class Conv(nn.Conv2d):
    pass


class Norm(nn.BatchNorm2d):
    pass


class Head(nn.Linear):
    pass


class Residual(nn.Module):
    """Half of a block's only branch, or a quarter of the first of two and three quarters of the second."""

    def __init__(self, index, total, branches):
        super().__init__()
        self.index, self.weights = index, {1: [0.5], 2: [0.25, 0.75]}[branches]

    def forward(self, *branches):
        return sum(w * b for w, b in zip(self.weights, branches, strict=True))


KINDS = {"conv": (nn.Conv2d, Conv), "norm": (nn.BatchNorm2d, Norm), "residual": (Residual, Residual)}


def recording():
    """A factory for each seam, and what each is asked for."""
    made = {"conv": [], "norm": [], "residual": [], "head": []}

    def conv(channels, out_channels, kernel_size, *, stride, padding, groups, bias):
        made["conv"].append((channels, out_channels, kernel_size, stride, padding, groups, bias))
        return Conv(channels, out_channels, kernel_size, stride=stride, padding=padding, groups=groups, bias=bias)

    def norm(channels):
        made["norm"].append(channels)
        return Norm(channels)

    def residual(index, total, branches):
        made["residual"].append((index, total, branches))
        return Residual(index, total, branches)

    def head(in_features, num_classes):
        made["head"].append((in_features, num_classes))
        return Head(in_features, num_classes)

    return {"conv": conv, "norm": norm, "residual": residual, "head": head}, made


def uses_its_seams(make, *, head=None, **counts):
    """So many layers of each kind, all of them from the seam, and one head of these features and classes.

    Returns the network and what each seam was asked for.
    """
    factories, made = recording()
    seams = [*counts, "head"] if head else counts
    model = make(**{seam: factories[seam] for seam in seams})
    for seam, n in counts.items():
        kind, mine = KINDS[seam]
        layers = [m for m in model.modules() if isinstance(m, kind)]
        assert len(layers) == len(made[seam]) == n, seam
        assert all(type(m) is mine for m in layers), seam
    if head:
        assert made["head"] == [head]
        assert sum(isinstance(m, Head) for m in model.modules()) == 1
    return model, made


def residual_blocks_use_their_seams(make, classes):
    """As above for a network of residual blocks, however many layers it has."""
    plain = make()
    layers = [m for m in plain.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    convolutions = sum(isinstance(m, nn.Conv2d) for m in layers)
    blocks, features = len(plain.blocks), plain.head.in_features
    counts = {"conv": convolutions, "norm": len(layers) - convolutions, "residual": blocks}
    assert min(counts.values()) > 0
    model, made = uses_its_seams(make, head=(features, classes), **counts)
    assert made["residual"] == [(i, blocks, 1) for i in range(1, blocks + 1)]
    assert type(model.head) is Head
    return model


def calls_its_residuals_in_order(make, x, total, branches=1):
    """Each block has its own residual module, numbered and called in forward order; returns the network."""
    factories, made = recording()
    model, called = make(residual=factories["residual"]).eval(), []
    for m in model.modules():
        if isinstance(m, Residual):
            m.register_forward_hook(lambda module, terms, out: called.append((module.index, len(terms))))
    model(x)
    assert made["residual"] == [(i, total, branches) for i in range(1, total + 1)]
    assert called == [(i, branches) for i in range(1, total + 1)]
    return model


def takes_another_head(make, features, classes):
    """The head is made from features and classes, and is all that stands between those and the logits."""
    made = []

    def head(in_features, num_classes):
        made.append((in_features, num_classes))
        return nn.Linear(in_features, num_classes, bias=False)

    model = make(head=head)
    assert made == [(features, classes)]
    assert model.head.bias is None
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, classes)


def does_without_normalisation(make, x, classes):
    """Built with a norm that makes none it has none, takes x, and has gradients."""
    model = make(norm=lambda channels: nn.Identity())
    logits = model(x)
    F.cross_entropy(logits, torch.arange(len(x), device=x.device)).backward()
    assert logits.shape == (len(x), classes)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def trains(model, x, *, half=False, channels_last=True):
    """The loss is finite, as is every parameter's gradient, which is not zero; returns the logits."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model.to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = model(x.contiguous(memory_format=layout))
    loss = F.cross_entropy(logits.float(), torch.arange(len(x)))
    loss.backward()
    assert loss.isfinite()
    assert logits.dtype == (torch.bfloat16 if half else torch.float32)
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.any(), name
    return logits


def a_step_moves_every_parameter(model):
    before = [p.detach().clone() for p in model.parameters()]
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
