"""`tricktable schedule`: every knob over a run, as text, JSON and a picture, without a network and without training.

The knobs are made and read as in a run: before each step, at epoch + position/N.
"""

import io
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from tricktable.runner import data
from tricktable.runner.config.compose import compose
from tricktable.runner.config.schema import Config
from tricktable.runner.data.split import split
from tricktable.runner.disk import atomic, rundir
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.explore import networks
from tricktable.runner.training import build, image_size
from tricktable.runner.training.knobs import Knobs, time_constant

POINTS = 20_000  # of a run's steps that are looked at, about; of a longer run every second, or third
SPARKS = "▁▂▃▄▅▆▇█"
DECADES = 4  # on a logarithmic axis; a cosine's end, far below, is at its bottom
STRETCHES = 12  # lines of updates, at most
NOTHING, UNKNOWN = "–", "not known of this optimizer"


@dataclass(frozen=True)
class Plan:
    """A run's knobs, the number of updates in each epoch, and the times (in epochs) of steps.

    Of a long run the times are a part of its steps': the first of each epoch, the last of all, and others evenly.
    """

    config: Config
    knobs: Knobs
    updates: tuple[int, ...]
    times: tuple[float, ...]

    def at(self, epoch: float) -> dict[str, float | None]:
        """Every knob's value at a time in epochs, then what they come to (Knobs.scales): None where not known."""
        values = self.knobs.at(epoch)
        if values.get("momentum", 0) >= 1:
            raise BadInput(
                f"schedule.momentum: expected a momentum below 1, got {values['momentum']:g} at epoch {epoch:g}"
            )
        return {**values, **self.knobs.scales(values)}

    @cached_property
    def values(self) -> dict[str, list[float]]:
        """By name, the values at the times, of what is known."""
        return self.known(self.times)

    def known(self, times: Sequence[float]) -> dict[str, list[float]]:
        """By name, the values at these times; what is not known at one is not known at any."""
        rows = [self.at(t) for t in times]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        return {name: [v for v in values if v is not None] for name, values in columns.items() if None not in values}

    def stretches(self) -> list[tuple[int, int, int]]:
        """(first epoch, first one after it, updates in each) for stretches of epochs with as many updates."""
        found, begin = [], 0
        for count, epochs in groupby(self.updates):
            stop = begin + sum(1 for _ in epochs)
            found.append((begin, stop, count))
            begin = stop
        return found

    def memory(self, epoch: float) -> tuple[float, float]:
        """The momentum's time constant T = -1 / ln(m) in steps, and T B / N in epochs; 0 without a momentum."""
        values = self.knobs.at(epoch)
        steps = time_constant(values.get("momentum", 0.0))
        return steps, steps * values["batch_size"] / self.knobs.n


def show(overrides: Sequence[str], images: int | None = None, as_json: bool = False) -> None:
    """Print a run's plan; as text, then with its picture written. images: N, where the data shall not be loaded."""
    made = planned(overrides, images)
    if as_json:
        print(atomic.dump(plain(made)).decode(), end="")
        return
    path = draw(made)
    print(text(made, shutil.get_terminal_size((100, 24)).columns))
    print(f"\npicture: {path}")


def planned(overrides: Sequence[str], images: int | None = None) -> Plan:
    """The plan of a run over so many training images, or over those that its data has. BadInput as for a run."""
    config = compose(overrides)
    if images is not None and images < 1:
        raise BadInput(f"--images: expected a whole number of at least 1, got {images}")
    knobs = _of_the_data(config) if images is None else build.plan(config, images)
    n = knobs.n
    steps = [[epoch + start / n for start, _ in knobs.batches(epoch)] for epoch in range(config.epochs)]
    every = [t for epoch in steps for t in epoch]
    times = {*every[:: math.ceil(len(every) / POINTS)], *map(float, range(config.epochs)), every[-1]}
    return Plan(config, knobs, tuple(map(len, steps)), tuple(sorted(times)))


def _of_the_data(config: Config) -> Knobs:
    """The knobs over the training images that the data has; where the size moves the network says by how much."""
    try:
        splits = split(data.load(config.data), config.data)
    except DataProblem as error:
        raise DataProblem(f"{error} (--images N does without the data)") from None
    channels, *own = splits.train.shape
    if "size" not in config.schedule:
        return build.plan(config, splits.train.n)
    stride = image_size.stride_of(networks.blank(config, channels, len(splits.classes)))
    return build.plan(config, splits.train.n, (own[0], own[1]), stride)


def plain(plan: Plan) -> dict[str, Any]:
    """The plan for programs; lists have a value for each epoch's beginning. The knobs are those of the optimizer."""
    epochs = range(plan.config.epochs)
    rows = [plan.at(epoch) for epoch in epochs]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    steps, in_epochs = zip(*map(plan.memory, epochs), strict=True)
    return {
        "label": plan.config.label,
        "n": plan.knobs.n,
        "epochs": len(epochs),
        "updates": sum(plan.updates),
        "epoch": list(epochs),
        "updates_by_epoch": list(plan.updates),
        "knobs": {name: columns[name] for name in columns if name in plan.knobs.base},
        "scales": {name: columns[name] for name in columns if name not in plan.knobs.base},
        "momentum_time_constant": {"steps": list(steps), "epochs": list(in_epochs)} if any(steps) else None,
    }


def text(plan: Plan, width: int = 100) -> str:
    """The plan for a terminal of so many columns."""
    head = f"{plan.config.label}: {plan.knobs.n:,} training images, {plan.config.epochs:,} epochs"
    return "\n".join([head, "", *_table(plan, width), *_shares(plan), "", *_updates(plan), *_memory(plan)])


def _table(plan: Plan, width: int) -> Iterator[str]:
    """One line per knob: first, last, lowest, highest, and its course."""
    rows = [["", "first", "last", "lowest", "highest"]]
    shown = [name for name in plan.at(0) if name != "noise_scale_exact"]
    for name in shown:
        values = plan.values.get(name)
        if values is None:
            rows.append([name, NOTHING, "", "", ""])
            continue
        kept = [values[0], values[-1], min(values), max(values)] if _moves(values) else [values[0]]
        rows.append([name, *map(number, kept), *[""] * (4 - len(kept))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = min(60, max(10, width - sum(widths) - 2 * len(widths) - len(" log")))
    last = plan.times[-1]
    evenly = plan.known([last * i / (room - 1) for i in range(room)])
    known = (_course(plan.values[name], evenly[name]) if name in evenly else UNKNOWN for name in shown)
    courses = ["over the run", *known]
    for row, course in zip(rows, courses, strict=True):
        cells = [cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        yield "  ".join([*cells, course])


def _shares(plan: Plan) -> Iterator[str]:
    if "size" in plan.knobs.base and plan.knobs.own is None:
        yield "size is the share of the images' own; how large these are, --images does not say"


def _course(values: Sequence[float], evenly: Sequence[float]) -> str:
    """A knob's course, of which `evenly` are the values at equal distances of time.

    It is logarithmic where a quarter of the run would else lie in the lowest block.
    """
    if not _moves(values):
        return "constant"
    logarithmic = sorted(evenly)[len(evenly) // 4] < max(evenly) / len(SPARKS)
    return sparkline(evenly, logarithmic) + " log" * logarithmic


def _updates(plan: Plan) -> Iterator[str]:
    yield f"{sum(plan.updates):,} updates"
    stretches = plan.stretches()
    half = STRETCHES // 2
    many = len(stretches) > STRETCHES
    rows = [
        (f"epochs {begin}-{stop}:", f"{each:,}", f"{(stop - begin) * each:,}")
        for begin, stop, each in (stretches[:half] + stretches[-half:] if many else stretches)
    ]
    name, one, all_ = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = [f"  {a:<{name}}  {b:>{one}} updates each, {c:>{all_}} together" for a, b, c in rows]
    if many:
        between = [each for *_, each in stretches[half:-half]]
        lines.insert(half, f"  ... {len(between)} more, of {min(between):,} to {max(between):,} updates per epoch")
    yield from lines


def _memory(plan: Plan) -> Iterator[str]:
    begin, end = plan.memory(0), plan.memory(plan.times[-1])
    if not (begin[0] or end[0]):
        return
    told = [f"{number(steps)} steps = {number(epochs)} epochs" for steps, epochs in (begin, end)]
    yield ""
    yield "momentum's time constant T = -1 / ln(m), and T B / N in epochs:"
    if told[0] == told[1]:
        yield f"  {told[0]}"
        return
    yield f"  at the beginning  {told[0]}"
    yield f"  at the end        {told[1]}"


def number(value: float) -> str:
    """With four digits that count, or as many as stand before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def _moves(values: Sequence[float]) -> bool:
    """Whether they differ by more than rounding: payers leave 0.10000000000000003."""
    return not math.isclose(min(values), max(values))


def sparkline(values: Sequence[float], logarithmic: bool = False) -> str:
    """A block for each value, the lowest and the highest value at the two ends; values are at least 0.

    logarithmic: by the values' logarithms, of which those more than DECADES below the highest are lowest.
    """
    if logarithmic:
        least = max(values) / 10**DECADES
        values = [math.log(max(value, least)) for value in values]
    low, high = min(values), max(values)
    if math.isclose(low, high):
        return SPARKS[0] * len(values)
    return "".join(SPARKS[round((value - low) / (high - low) * (len(SPARKS) - 1))] for value in values)


def draw(plan: Plan) -> Path:
    """Write the picture: a panel for each knob that moves, and one for the noise scale. Returns its path."""
    folder = rundir.study_folder(Path(plan.config.output.root), plan.config.study)
    path = folder / f"schedule-{plan.config.label[:100]}.png"
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    shown = [k for k in plan.values if k == "noise_scale" or (k in plan.knobs.base and _moves(plan.values[k]))]
    shown = shown or ["lr"]
    figure = Figure(figsize=(7, 0.8 + 1.4 * len(shown)), dpi=150, layout="constrained")
    panels = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
    for panel, name in zip(panels, shown, strict=True):
        values = plan.values[name]
        # The last step's value lasts to the run's end.
        panel.step([*plan.times, plan.config.epochs], [*values, values[-1]], where="post", linewidth=1.2)
        course = f"from {number(values[0])} to {number(values[-1])}" if _moves(values) else number(values[0])
        panel.set_title(f"{name.replace('_', ' ')}: {course}", loc="left", fontsize=9)
        if max(values) > 10 * min(values):
            panel.set_yscale("log")
            panel.set_ylim(max(min(values), max(values) / 10**DECADES) / 1.5, max(values) * 1.5)
            panel.yaxis.set_minor_formatter(NullFormatter())
        elif not _moves(values):  # an axis fitted to it would show rounding
            panel.set_ylim(0, 2 * values[0] or 1)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        panel.set_xlim(0, plan.config.epochs)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("epochs", fontsize=9)
    figure.suptitle(f"{plan.config.label}, N = {plan.knobs.n:,}: {sum(plan.updates):,} updates", fontsize=10)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    with atomic.storage(path):
        folder.mkdir(parents=True, exist_ok=True)
    atomic.replace(path, png.getvalue())
    return path
