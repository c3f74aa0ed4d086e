"""the weights of a network: a histogram for each kind of parameter, and the share that is zero, by layer"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, one
from tricktable.runner.report.drawing import Colours, Plot, prepare

BINS = 61


def weights(runs: Sequence[StoredRun], images: Request, near: float = 1e-8) -> Figure:
    """Draw the histogram of all weights, and per layer their standard deviation and the share of |w| <= near.

    Weights are those that the run's figures are of, with two dimensions or more: kernels and matrices; scales and
    biases are left out, for they are alike by design.
    """
    stored = one(runs, "weights")
    model = reevaluate.rebuilt(stored, images).evaluated  # a checkpoint's tensors have no order
    tensors = {name: w.detach().float().cpu() for name, w in model.named_parameters() if w.ndim > 1}
    records = tuple(_record(name, w, near) for name, w in tensors.items())
    everything = torch.cat([w.flatten() for w in tensors.values()])
    zeros = (everything.abs() <= near).float().mean().item()
    return Figure((_histogram(everything, zeros, stored.id), _by_layer(records)), records)


def _record(name: str, w: Tensor, near: float) -> dict[str, Any]:
    return {
        "parameter": name,
        "weights": w.numel(),
        "mean": w.mean().item(),
        "sd": w.std(correction=0).item(),
        "least": w.min().item(),
        "greatest": w.max().item(),
        "zero_share": (w.abs() <= near).float().mean().item(),
    }


def _histogram(w: Tensor, zeros: float, name: str) -> Plot:
    bound = w.abs().max().item() or 1.0
    counts = torch.histc(w, BINS, -bound, bound) / w.numel()
    edges = torch.linspace(-bound, bound, BINS + 1).tolist()

    def draw(figure: Any, colours: Colours) -> None:
        panel = prepare(figure.subplots(), colours, "weight", "share of all weights")
        panel.stairs(counts.tolist(), edges, color=colours.rows[0], fill=True, alpha=0.5)
        panel.set_yscale("log")
        panel.set_ylim(bottom=0.5 / w.numel())  # below a single weight
        panel.minorticks_off()

    words = f"{w.numel():,} weights of {name}, standard deviation {w.std(correction=0):.3g}, {zeros:.1%} of them zero."
    return Plot("Histogram of the weights", words, (), draw, 2.6)


def _by_layer(records: Sequence[dict[str, Any]]) -> Plot:
    depth = range(1, len(records) + 1)

    def draw(figure: Any, colours: Colours) -> None:
        above, below = figure.subplots(2, sharex=True)
        prepare(above, colours, "", "standard deviation", counted=True)
        prepare(below, colours, "layer, in the order of the network", "zero, %", counted=True)
        above.plot(depth, [record["sd"] for record in records], "o-", color=colours.rows[0], markersize=3)
        below.plot(depth, [100 * record["zero_share"] for record in records], "o-", color=colours.rows[0], markersize=3)
        above.set_ylim(bottom=0)
        below.set_ylim(bottom=0)

    most = max(records, key=lambda record: record["zero_share"])
    words = f"{len(records)} layers; the most zeros are in {most['parameter']}, {most['zero_share']:.1%}."
    return Plot("Weights by layer", words, (), draw, 3.4)
