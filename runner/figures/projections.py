"""how tightly three classes cluster: penultimate activations on the plane through the classes' templates

Müller et al. 2019, arXiv:1906.02629, section 2: logit k is x^T w_k of the penultimate activations x, and w_k, a row of
the last layer's weight, is the template of class k. The plane is the one through the templates of three classes a, b, c

    e_1 = u / ||u||,  u = w_b - w_a;    e_2 = v / ||v||,  v = (w_c - w_a) - ((w_c - w_a)^T e_1) e_1
    coordinates of x: ((x - o)^T e_1, (x - o)^T e_2),    o = (w_a + w_b + w_c) / 3

The paper leaves basis and origin open: another choice turns, mirrors or moves the picture. Biases play no part.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tricktable.runner import randomness
from tricktable.runner.data.draw import Split
from tricktable.runner.data.stratify import some_of_each
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import reevaluate
from tricktable.runner.explore.reevaluate import Request
from tricktable.runner.figures.figure import Figure, one, used
from tricktable.runner.report.drawing import Colours, Plot, prepare
from tricktable.runner.training import evaluate
from tricktable.runner.training.run import Run

MARKERS = ("o", "^", "s")
TEMPLATE = "template"  # what the rows of the templates have for a split


def projections(
    runs: Sequence[StoredRun], images: Request, classes: tuple[int, int, int] = (0, 1, 2), examples: int = 300
) -> Figure:
    """Draw train and test images of three classes side by side, as a run's final model sees them.

    classes: their numbers, from 0. examples: at most so many images of each class, the same for every run.
    """
    used(images, "projections", "data", "compute")
    run = reevaluate.rebuilt(one(runs, "projections"), images)
    k = len(run.splits.classes)
    if len(set(classes)) < 3 or not all(0 <= each < k for each in classes):
        raise BadInput(f"classes: expected three of 0 to {k - 1}, got {list(classes)}")
    if examples < 1:
        raise BadInput(f"examples: expected 1 or more, got {examples}")
    last = _last_layer(run)
    origin, basis = plane(last.weight.detach().double().cpu()[list(classes)])
    names = {each: run.splits.classes[each] for each in classes}
    records = []
    for name, split in (("train", run.splits.train), ("test", run.splits.test)):
        for each in classes:
            x = _penultimate(run, last, split, _some(split, each, examples, k))
            records += _records(name, each, names, (x - origin) @ basis.T)
    for each, point in zip(
        classes, (last.weight.detach().double().cpu()[list(classes)] - origin) @ basis.T, strict=True
    ):
        records += _records(TEMPLATE, each, names, point[None])
    return Figure((_plot(records, names),), tuple(records))


def plane(templates: Tensor) -> tuple[Tensor, Tensor]:
    """A plane's point (D) and orthonormal basis (2 D), from three templates 3 D. BadInput where they lie on a line."""
    first, second = templates[1] - templates[0], templates[2] - templates[0]
    e1 = first / first.norm().clamp(min=torch.finfo(first.dtype).tiny)
    rest = second - (second @ e1) * e1
    if first.norm() == 0 or rest.norm() <= 1e-9 * second.norm():
        raise BadInput("classes: the templates of these three lie on one line, which has no plane")
    return templates.mean(0), torch.stack((e1, rest / rest.norm()))


def _last_layer(run: Run) -> nn.Linear:
    """The linear layer that makes the logits: of what has tensors of its own, what runs last."""
    ran: list[nn.Module] = []
    own = [m for m in run.evaluated.modules() if [*m.parameters(recurse=False), *m.buffers(recurse=False)]]
    hooks = [module.register_forward_hook(lambda module, *_: ran.append(module)) for module in own]
    split = run.splits.train
    for _ in evaluate.outputs(run, run.evaluated, split, torch.arange(1)):
        pass
    for hook in hooks:
        hook.remove()
    last = ran[-1]
    if not isinstance(last, nn.Linear) or last.out_features != len(run.splits.classes):
        raise BadInput("projections: the network does not end with a linear layer, whose rows would be the templates")
    return last


def _some(split: Split, label: int, examples: int, classes: int) -> Tensor:
    """The positions of some images of a class: int64, ascending."""
    labels = split.labels.cpu()
    quota = torch.zeros(classes, dtype=torch.int64)
    quota[label] = min(examples, int((labels == label).sum()))
    return some_of_each(labels, quota, randomness.generator("projections", label))


def _penultimate(run: Run, last: nn.Linear, split: Split, order: Tensor) -> Tensor:
    """What the last layer is given for these images: float64 N D, on the CPU."""
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].double().cpu()))
    for _ in evaluate.outputs(run, run.evaluated, split, order):
        pass
    hook.remove()
    return torch.cat(seen) if seen else torch.zeros(0, last.in_features, dtype=torch.float64)


def _records(split: str, label: int, names: dict[int, str], points: Tensor) -> list[dict[str, Any]]:
    return [{"split": split, "label": label, "class": names[label], "x": x, "y": y} for x, y in points.tolist()]


def _plot(records: Sequence[dict[str, Any]], names: dict[int, str]) -> Plot:
    def points(split: str, label: int) -> tuple[list[float], list[float]]:
        found = [each for each in records if each["split"] == split and each["label"] == label]
        return [each["x"] for each in found], [each["y"] for each in found]

    def draw(figure: Any, colours: Colours) -> None:
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for panel, split in zip(panels, ("train", "test"), strict=True):
            prepare(panel, colours, "first coordinate", "")
            panel.set_title(f"{split} images", fontsize=9, color=colours.ink)
            for i, label in enumerate(names):
                style = {"color": colours.rows[i], "marker": MARKERS[i]}
                panel.scatter(*points(split, label), s=7, alpha=0.6, linewidths=0, **style)
            for label in names:
                panel.scatter(*points(TEMPLATE, label), s=30, marker="x", color=colours.ink, linewidths=1.2)
            panel.set_aspect("equal", adjustable="box")
        panels[0].set_ylabel("second coordinate", color=colours.muted)
        _legend(figure, colours, list(names.values()))

    counts = {split: sum(each["split"] == split for each in records) for split in ("train", "test")}
    words = (
        f"{counts['train']} train and {counts['test']} test images of the classes {', '.join(names.values())}. "
        f"{_spread(records, 'train')}; {_spread(records, 'test')}."
    )
    return Plot("Penultimate activations of three classes", words, (), draw, 3.2, width=6.0)


def _spread(records: Sequence[dict[str, Any]], split: str) -> str:
    """How far the points of a split lie from the middle of their class, and those middles from one another."""
    found: dict[int, list[tuple[float, float]]] = {}
    for each in records:
        if each["split"] == split:
            found.setdefault(each["label"], []).append((each["x"], each["y"]))
    clouds = [torch.tensor(points, dtype=torch.float64) for points in found.values()]
    if len(clouds) < 2:
        return f"{split}: images of {len(clouds)} of the classes"
    within = torch.cat([(cloud - cloud.mean(0)).norm(dim=1) for cloud in clouds]).mean().item()
    between = torch.pdist(torch.stack([cloud.mean(0) for cloud in clouds])).mean().item()
    return f"{split}: {within:.3g} from the middle of their class on average, whose middles are {between:.3g} apart"


def _legend(figure: Any, colours: Colours, names: Sequence[str]) -> None:
    """Below the panels, with the classes' marks: a plot's own legend has lines."""
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=colours.rows[i], marker=MARKERS[i], linestyle="none", markersize=4)
        for i in range(len(names))
    ]
    marks.append(Line2D([], [], color=colours.ink, marker="x", linestyle="none", markersize=5))
    labels = [*(f"class {name}" for name in names), "templates"]
    shown = figure.legend(marks, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    for text in shown.get_texts():
        text.set_parse_math(False)
        text.set_color(colours.ink)
