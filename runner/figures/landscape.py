"""the loss around a network's weights: contours over two filter-normalised directions, and a profile of several runs

Li et al. 2018, arXiv:1712.09913, section 4:

    f(a, b) = L(w + a d + b e),    d_i <- d_i / ||d_i|| * ||w_i||,    and e alike

w are the weights at the end of the run; d and e are normal draws; i is a filter: the weights that make one channel or
one neuron. Tensors of one dimension (biases, scales and shifts) do not move, as in the paper's code, and neither do
buffers (running averages). L is the cross-entropy on some images, without augmentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tricktable.runner import randomness
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, shown, used
from tricktable.runner.report.colour_map import contours
from tricktable.runner.report.drawing import Colours, Plot, dash, parts, prepare, scale
from tricktable.runner.training.evaluate import BATCH
from tricktable.runner.training.run import Run

Batch = tuple[Tensor, Tensor]
FLOOR = 1e-4  # of a loss that is drawn on a logarithmic scale


@dataclass(frozen=True)
class Landscape:
    """A run's loss and error (percent) at w + along[j] d + along[i] e: float64 points x points, in row i, column j."""

    name: str
    along: Tensor
    loss: Tensor
    error: Tensor


def landscape(
    runs: Sequence[StoredRun],
    request: Request,
    images: int = 512,
    points: int = 21,
    span: float = 1.0,
    split: Literal["train", "test"] = "train",
    seed: int = 0,
) -> Figure:
    """Draw each run's contours, on the same levels, and the profiles along the first direction.

    `images`: the first so many of the split in an order keyed by the seed, all of them where there are fewer; they are
    the same for all runs of the same data. `points`, odd: along each direction, from -span to span. The directions are
    keyed by the seed and the parameters' names, so that those of runs of one network are the same before they are
    rescaled.
    """
    used(request, "landscape", "data", "compute")
    for name, value, good, wanted in (
        ("images", images, images >= 1, "at least 1"),
        ("points", points, points >= 3 and points % 2 == 1, "an odd number of 3 or more (the middle is the network)"),
        ("span", span, span > 0, "a number above 0"),
    ):
        if not good:
            raise BadInput(f"{name}: expected {wanted}, got {value:g}")
    if "data" in request.keys and split == "train":
        raise BadInput("data: other images are test images; add split=test")
    along = span * torch.linspace(-1, 1, points, dtype=torch.float64)
    along[points // 2] = 0.0  # to the bit
    found = [_landscape(stored, request, along, images, split, seed) for stored in runs]
    low, high = _range(found)
    drawn = [_contours(each, low, high) for each in found]
    profiles = [_profiles(part, number) for number, part in parts(found)]
    return Figure((*drawn, *profiles), tuple(record for each in found for record in _records(each)))


def _landscape(stored: StoredRun, request: Request, along: Tensor, images: int, split: str, seed: int) -> Landscape:
    run = reevaluate.rebuilt(stored, request)
    batches = list(_batches(run, split, images, seed))
    model = run.evaluated.eval()
    first, second = (directions(model, seed, axis) for axis in (1, 2))
    loss, error = (torch.zeros(len(along), len(along), dtype=torch.float64) for _ in range(2))
    for i, b in enumerate(along.tolist()):
        for j, a in enumerate(along.tolist()):
            with moved(model, (a, first), (b, second)):
                loss[i, j], error[i, j] = _figures(run, model, batches)
    return Landscape(stored.id, along, loss, error)


def _batches(run: Run, split: str, images: int, seed: int) -> Iterator[Batch]:
    """The first images of the split in an order of their own: normalised B C H W, and labels."""
    source = run.splits.train if split == "train" else run.splits.test
    order = torch.randperm(source.n, generator=randomness.generator(seed, "landscape", "images"))
    n = min(images, source.n)
    edges = [(start, min(start + BATCH, n)) for start in range(0, n, BATCH)]
    for pixels, labels in source.draw(edges, order):
        yield run.prepare(pixels), labels


def directions(model: nn.Module, seed: int, axis: int) -> dict[str, Tensor]:
    """A direction by parameter, normal draws of which each filter has the norm of the network's; of vectors none."""
    drawn = {}
    for name, w in model.named_parameters():
        if w.ndim > 1:
            d = torch.randn(w.shape, generator=randomness.generator(seed, "landscape", axis, name)).to(w.device)
            drawn[name] = d * (_norms(w.detach()) / _norms(d))
    return drawn


def _norms(w: Tensor) -> Tensor:
    """The norm of each filter, in a shape that broadcasts."""
    return torch.linalg.vector_norm(w, dim=tuple(range(1, w.ndim)), keepdim=True)


@contextmanager
def moved(model: nn.Module, *steps: tuple[float, Mapping[str, Tensor]]) -> Iterator[None]:
    """Within it the weights are w + the sum of length times direction; behind it they are w, to the bit."""
    parameters = dict(model.named_parameters())
    before = {name: parameters[name].detach().clone() for name in {name for _, d in steps for name in d}}
    with torch.no_grad():
        try:
            for length, direction in steps:
                for name, d in direction.items():
                    parameters[name].add_(d, alpha=length)
            yield
        finally:
            for name, w in before.items():
                parameters[name].copy_(w)


def _figures(run: Run, model: nn.Module, batches: Sequence[Batch]) -> tuple[float, float]:
    """Cross-entropy and error in percent."""
    sums = torch.zeros(2, dtype=torch.float64, device=run.compute.device)
    for images, labels in batches:
        with run.compute.autocast():
            outputs = model(images).float()
        loss = F.cross_entropy(outputs, labels, reduction="sum")
        sums += torch.stack((loss, (outputs.argmax(1) != labels).sum())).double()
    n = sum(len(labels) for _, labels in batches)
    total, wrong = sums.tolist()
    return total / n, 100 * wrong / n


def _range(found: Sequence[Landscape]) -> tuple[float, float]:
    """The least and the greatest loss of all that is drawn, apart from each other."""
    losses = torch.cat([each.loss[each.loss.isfinite()] for each in found]).clamp(min=FLOOR)
    if not len(losses):
        raise BadInput("span: no loss is finite; try a smaller one")
    low, high = losses.min().item(), losses.max().item()
    return low, max(high, 1.001 * low)


def _contours(each: Landscape, low: float, high: float) -> Plot:
    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "along the first direction", "along the second direction")
        contours(panel, colours, "loss", each.along, each.loss.clamp(min=FLOOR), (low, high))
        _plain_ticks(panel.xaxis, panel.yaxis)

    middle = len(each.along) // 2
    at, edge = each.loss[middle, middle].item(), each.along[-1].item()
    words = (
        f"Contours of the loss of {each.name} over two random directions, to {edge:g} times the filters' norms: "
        f"{at:.3g} at the network itself, from {each.loss.min():.3g} to {each.loss.max():.3g}."
    )
    return Plot(f"Loss around {shown(each.name)}", words, (), draw, 3.1)


def _profiles(found: Sequence[Landscape], number: str) -> Plot:
    middle = len(found[0].along) // 2

    def draw(figure: Any, colours: Colours) -> None:
        above, below = figure.subplots(2, sharex=True)
        prepare(above, colours, "", "loss")
        prepare(below, colours, "along the first direction, in norms of the filters", "error, %")
        for i, each in enumerate(found):
            for panel, values in ((above, each.loss.clamp(min=FLOOR)), (below, each.error)):
                panel.plot(each.along, values[middle], color=colours.rows[i], linewidth=1.5, linestyle=dash(i))
        losses = torch.cat([each.loss[middle] for each in found])
        scale(above, losses[losses.isfinite()].clamp(min=FLOOR).tolist() or [1.0])
        below.set_ylim(bottom=0)
        _plain_ticks(below.xaxis)

    ends = "; ".join(
        f"{each.name}: {each.loss[middle, 0]:.3g}, {each.loss[middle, middle]:.3g} and {each.loss[middle, -1]:.3g}"
        for each in found
    )
    words = f"The loss at the left end, at the network itself and at the right end. {ends}."
    labels = tuple(shown(each.name) for each in found)
    return Plot(f"Loss and error along one direction{number}", words, labels, draw, 3.6)


def _plain_ticks(*axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for axis in axes:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _records(each: Landscape) -> Iterator[dict[str, Any]]:
    for i, b in enumerate(each.along.tolist()):
        for j, a in enumerate(each.along.tolist()):
            yield {"run": each.name, "a": a, "b": b, "loss": each.loss[i, j].item(), "error": each.error[i, j].item()}
