"""activations and gradients by depth: what each convolution and linear layer puts out, and what comes back to it

Bjorck et al. 2018, arXiv:1806.02375, and De & Smith 2020, arXiv:2002.10444, draw such statistics of
networks with and without normalisation. Over all entries of a layer's output y and its weight W, for one batch of B

    mean(y),  sd(y),  P(y = 0),  P(x = 0) of its input x,  sd(dL / dy),  sd(dL / dW),    L = mean cross-entropy of B

Differs from the papers: theirs are of channels, of blocks or of single layers; these are of every layer as a whole.

L is the cross-entropy with the labels, and the images are those of the run without its augmentations and penalties, the
same for all runs with the same images: so networks are compared, and not their losses. Everything is in float32.
"""

import copy
import math
from collections.abc import Sequence
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
from tricktable.runner.report.drawing import PER_FIGURE, Colours, Plot, dash, prepare, scale
from tricktable.runner.training import rehearse
from tricktable.runner.training.run import Run


@dataclass(frozen=True)
class Layer:
    """A layer's figures, standard deviations being those of a population; None where no gradient reaches it."""

    layer: str
    outputs: int
    mean: float
    sd: float
    zeros: float
    input_zeros: float
    output_gradient_sd: float | None
    weight_gradient_sd: float | None


def activations(
    runs: Sequence[StoredRun], images: Request, batch: int = 128, at: Literal["end", "start"] = "end"
) -> Figure:
    """Draw what one batch does in each run's network, in training mode, a line each.

    batch: B, 2 training images or more. at: the network as it was trained, or as it was initialised. On a logarithmic
    axis a 0 is a hollow circle at its edge.
    """
    used(images, "activations", "data", "compute")
    if "data" in images.keys:
        raise BadInput("data: activations are of the run's own training images")
    if len(runs) > PER_FIGURE:
        raise BadInput(f"activations: a figure of at most {PER_FIGURE} runs, got {len(runs)}")
    make = reevaluate.initial if at == "start" else reevaluate.rebuilt
    found = {stored.id: _of(make(stored, images), batch) for stored in runs}
    records = tuple({"run": name, "at": at, **vars(layer)} for name, layers in found.items() for layer in layers)
    when = "at the start" if at == "start" else "at the end"
    return Figure((_outputs(found, when, batch), _gradients(found, when, batch)), records)


def _of(run: Run, batch: int) -> list[Layer]:
    train = run.splits.train
    if not 2 <= batch <= train.n:
        raise BadInput(f"batch: expected 2 to {train.n}, the training images, got {batch}")
    order = torch.randperm(train.n, generator=randomness.generator("activations", "batch"))[:batch]
    drawn, labels = next(iter(train.draw([(0, batch)], order)))
    randomness.rekey(run.compute.device, run.seed, "activations", "noise")
    layers: list[Layer] = rehearse.called("batch", measured, run.evaluated, run.prepare(drawn), labels)
    return layers


class _Moments:
    """Of all entries of the tensors that are added."""

    def __init__(self) -> None:
        self.n, self.total, self.squares, self.zeros = 0, 0.0, 0.0, 0

    def add(self, tensor: Tensor) -> None:
        wide = tensor.detach().double()
        self.n += wide.numel()
        self.total += wide.sum().item()
        self.squares += wide.square().sum().item()
        self.zeros += int((wide == 0).sum())

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def sd(self) -> float:
        return math.sqrt(max(self.squares / self.n - self.mean**2, 0.0))


class _Seen:
    """What passes through one layer, forward and back."""

    def __init__(self) -> None:
        self.inputs, self.outputs, self.gradients = _Moments(), _Moments(), _Moments()

    def pass_through(self, x: Tensor, output: Tensor) -> None:
        """At once: an activation in place changes the output afterwards, and a tensor's hook is of what it was."""
        self.inputs.add(x)
        self.outputs.add(output)
        if output.requires_grad:
            output.register_hook(self.gradients.add)


def measured(model: nn.Module, x: Tensor, labels: Tensor) -> list[Layer]:
    """The convolutions and linear layers of a copy of the model, in the order in which they run.

    x: images B C H W, normalised; labels: int64 B. The model is left as it is, its running averages too.
    """
    model = copy.deepcopy(model).train()
    model.zero_grad(set_to_none=True)
    names: dict[nn.Module, str] = {m: name for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    seen: dict[str, _Seen] = {}

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.setdefault(names[module], _Seen()).pass_through(inputs[0], output)

    for module in names:
        module.register_forward_hook(watch)
    with torch.enable_grad():
        F.cross_entropy(model(x).float(), labels).backward()
    return [_layer(name, each, model.get_submodule(name)) for name, each in seen.items()]


def _layer(name: str, seen: _Seen, module: nn.Module) -> Layer:
    gradient, weight = _Moments(), dict(module.named_parameters(recurse=False)).get("weight")
    if weight is not None and weight.grad is not None:
        gradient.add(weight.grad)
    return Layer(
        layer=name,
        outputs=seen.outputs.n,
        mean=seen.outputs.mean,
        sd=seen.outputs.sd,
        zeros=seen.outputs.zeros / seen.outputs.n,
        input_zeros=seen.inputs.zeros / seen.inputs.n,
        output_gradient_sd=seen.gradients.sd if seen.gradients.n else None,
        weight_gradient_sd=gradient.sd if gradient.n else None,
    )


Found = dict[str, list[Layer]]


def _outputs(found: Found, when: str, batch: int) -> Plot:
    panels = {
        "|mean|": [[abs(each.mean) for each in layers] for layers in found.values()],
        "standard\ndeviation": [[each.sd for each in layers] for layers in found.values()],
        "output\nzero, %": [[100 * each.zeros for each in layers] for layers in found.values()],
        "input\nzero, %": [[100 * each.input_zeros for each in layers] for layers in found.values()],
    }
    ends = "; ".join(
        f"{name}: {len(layers)} layers, from {layers[0].sd:.3g} to {layers[-1].sd:.3g}"
        for name, layers in found.items()
    )
    words = f"Outputs of the layers for {batch} training images. The standard deviation goes, of {ends}."
    return Plot(f"Outputs by layer, {when} of training", words, tuple(map(shown, found)), _drawn(panels, shares=2), 5.2)


def _gradients(found: Found, when: str, batch: int) -> Plot:
    of_outputs = [[_or_nan(each.output_gradient_sd) for each in layers] for layers in found.values()]
    of_weights = [[_or_nan(each.weight_gradient_sd) for each in layers] for layers in found.values()]
    ends = "; ".join(
        f"{name}: from {values[0]:.3g} to {values[-1]:.3g}" for name, values in zip(found, of_weights, strict=True)
    )
    words = f"Standard deviations of the gradient for {batch} training images. That of the weights goes, of {ends}."
    panels = {"gradient of\noutput, sd": of_outputs, "gradient of\nweight, sd": of_weights}
    return Plot(f"Gradients by layer, {when} of training", words, tuple(map(shown, found)), _drawn(panels), 3.4)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _drawn(panels: dict[str, list[list[float]]], shares: int = 0) -> Any:
    """Draws a panel for each quantity, above one another, with a line for each run; the last `shares` are shares."""

    def draw(figure: Any, colours: Colours) -> None:
        axes = figure.subplots(len(panels), sharex=True)
        for axis, (name, lines) in zip(axes, panels.items(), strict=True):
            prepare(axis, colours, "", name, counted=True)
            scale(axis, [v for values in lines for v in values if math.isfinite(v) and v > 0] or [1.0])
        for axis in axes[len(panels) - shares :]:
            axis.set_yscale("linear")
            axis.set_ylim(-3, 103)
        nothing = [_lines(axis, lines, colours) for axis, lines in zip(axes, panels.values(), strict=True)]
        note = "; hollow: 0" if any(nothing) else ""
        axes[-1].set_xlabel(f"layer, in the order of the network{note}", color=colours.muted)
        figure.align_ylabels(axes)

    return draw


def _lines(axis: Any, lines: Sequence[Sequence[float]], colours: Colours) -> bool:
    """Returns whether there is a 0 where the axis is logarithmic: it has no place there, and stands on its edge."""
    found = False
    for i, values in enumerate(lines):
        zeros = [depth for depth, v in enumerate(values, 1) if v == 0 and axis.get_yscale() == "log"]
        points = [math.nan if depth in zeros else v for depth, v in enumerate(values, 1)]
        depths = range(1, len(values) + 1)
        axis.plot(depths, points, color=colours.rows[i], linestyle=dash(i), linewidth=1.2)
        axis.plot(depths, points, "o", color=colours.rows[i], markersize=2.5)
        style = {"color": colours.rows[i], "markerfacecolor": "none", "markersize": 4, "clip_on": False}
        (edge,) = axis.plot(zeros, [0.0] * len(zeros), "o", transform=axis.get_xaxis_transform(), **style)
        edge.set_in_layout(False)  # matplotlib would lay it out as if it stood at a height of 0
        found = found or bool(zeros)
    return found
