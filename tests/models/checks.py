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

    def __init__(self, index, total, branches, channels):
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

    def residual(index, total, branches, channels):
        made["residual"].append((index, total, branches))
        return Residual(index, total, branches, channels)

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


def _randomised(model, x):
    """Weights and biases that are not the neutral ones, and the statistics of x, so that the signal keeps its size."""
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
                if m.bias is not None:
                    nn.init.normal_(m.bias, std=0.1)
            if isinstance(m, nn.BatchNorm2d):
                nn.init.uniform_(m.weight, 0.5, 1.5)
                nn.init.normal_(m.bias, std=0.1)
                m.reset_running_stats()
                m.momentum = None  # the average of all batches, here of one
                m.train()
        model(x)
    model.eval()


def has_torchvisions_outputs(make, theirs, renamed, pixels):
    """With the weights of a network of torchvision's, their names made ours by `renamed`, ours has its outputs."""
    torch.manual_seed(0)
    with torch.device("meta"):  # torchvision's initialisation takes seconds
        their_model, model = theirs(weights=None), make()
    their_model = their_model.to_empty(device="cpu").eval()
    _randomised(their_model, torch.randn(8, 3, pixels, pixels))
    model.load_state_dict(renamed(their_model.state_dict()), assign=True)
    x = torch.randn(2, 3, pixels, pixels)
    with torch.no_grad():
        expected, logits = their_model(x), model.eval()(x)
    assert 0.01 < (expected[0] - expected[1]).std() < 100  # else a comparison would show nothing
    assert (logits - expected).abs().max() < 1e-5
