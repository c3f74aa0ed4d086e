"""`tricktable lr-range`: the learning-rate range test. Smith 2017, arXiv:1506.01186, section 3.3.

One short run whose learning rate rises at each update, from `low` to `high`:

    lr(t) = low (high / low)^(t / T)    or, linear,    lr(t) = low + (high - low) t / T

with the time t and the run's length T in epochs. The paper reads two bounds off the accuracy: base_lr where it starts
to rise, max_lr where it slows, becomes ragged or falls; `suggest` makes both exact.

Differs from the paper: the accuracy is that of the training batches, and the rise is exponential unless asked for.
"""

import csv
import io
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tricktable.runner import data, terminal
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.schema import Config
from tricktable.runner.disk import atomic, record, rundir
from tricktable.runner.disk.info import Identity
from tricktable.runner.errors import BadInput
from tricktable.runner.training import job
from tricktable.runner.training.progress import Reporter
from tricktable.runner.training.run import Run
from tricktable.runner.training.train import train_epoch

UPDATES = 100  # at least, where no length is asked for
BETA = 0.98
BEGUN, DONE = 0.1, 0.95  # shares of the accuracy's rise
DIVERGING = 4.0  # times the best loss
COLUMNS = ("update", "epoch", "lr", "loss", "accuracy", "smoothed_loss", "smoothed_accuracy")
OURS = ("schedule.lr", "schedule.noise_scale", "noise", "scale_with_batch")


@dataclass(frozen=True)
class Suggestion:
    """Bounds for the learning rate, and the smoothed accuracies (percent) that they are read from."""

    base_lr: float
    max_lr: float
    accuracy_at_start: float
    accuracy_at_peak: float
    still_rising: bool  # the peak is the last update


@dataclass(frozen=True)
class RangeTest:
    """A range test that was run: one row per update (COLUMNS), why it stopped early, and what follows."""

    folder: Path
    config: Config
    rows: list[dict[str, Any]]
    planned: int  # updates
    stopped: str | None
    suggestion: Suggestion | None


def lr_range(
    overrides: Sequence[str],
    low: float = 1e-5,
    high: float = 10.0,
    linear: bool = False,
    updates: int | None = None,
) -> RangeTest:
    """Run the test, and write lr-range.csv, .json and .png to `<output.root>/<study>/lr-range-<label>`.

    As long as a typed `epochs`, or as few epochs as have `updates` (100) of them. Hooks see the steps; what they do at
    an epoch's end is left out, for nothing is evaluated. BadInput where the overrides say what the lr is.
    """
    overrides = Overrides(overrides)
    config = _config(overrides, low, high, updates)
    source = data.load(config.data)
    if updates is not None or "epochs" not in overrides.keys:
        knobs = job.prepare(config, source)[0].knobs
        epochs = (updates or UPDATES) * config.epochs / knobs.updates(config.epochs)
        config = replace(config, epochs=math.ceil(epochs))
    run, identity = job.prepare(config, source)
    base, rise = run.knobs.base["lr"], rising(low, high, linear, config.epochs)
    run.knobs = replace(run.knobs, schedules={**run.knobs.schedules, "lr": lambda epoch: rise(epoch) / base})
    folder = _folder(config, identity)
    rows, planned, stopped = _trained(run)
    test = RangeTest(folder, config, rows, planned, stopped, _read_off(rows, planned))
    _write(test, run, {"overrides": list(overrides), "from": low, "to": high, "linear": linear})
    return test


def _config(overrides: Overrides, low: float, high: float, updates: int | None) -> Config:
    """The config, without a schedule of the lr; BadInput where the range or the overrides cannot be."""
    if not 0 < low < high < math.inf:
        raise BadInput(f"--from and --to: expected 0 < from < to, got {low:g} and {high:g}")
    if updates is not None and updates < 1:
        raise BadInput(f"--updates: expected at least 1, got {updates}")
    if updates is not None and "epochs" in overrides.keys:
        raise BadInput("epochs: --updates says how long the test is; give one of the two")
    for override in overrides:
        rate = override.group == "optimizer" and override.key.endswith(".lr")
        if rate or override.within(*OURS):
            raise BadInput(f"{override}: the range test sets the learning rate itself, between --from and --to")
    config = compose(overrides)
    return replace(config, schedule={knob: option for knob, option in config.schedule.items() if knob != "lr"})


def _folder(config: Config, identity: Identity) -> Path:
    """The test's folder, made before the training: a disk that cannot be written to should show at once."""
    plan = rundir.find_or_plan(Path(config.output.root), config.study, f"lr-range-{config.label}", identity)
    folder = plan.path.parent / plan.slug
    if folder.is_symlink():
        raise BadInput(terminal.clean(f"{folder} is a symbolic link; results are kept in real folders"))
    with atomic.storage(folder):
        folder.mkdir(parents=True, exist_ok=True)
        atomic.sweep(folder, age=3600)
    return folder


def rising(low: float, high: float, linear: bool, epochs: float) -> Callable[[float], float]:
    """The learning rate at a time in epochs."""

    def at(epoch: float) -> float:
        share = epoch / epochs
        return (1 - share) * low + share * high if linear else low ** (1 - share) * high**share

    return at


class _Stop(Exception):
    """Raised between two steps to end the training."""


def _trained(run: Run) -> tuple[list[dict[str, Any]], int, str | None]:
    """One row per update, the number of updates planned, and why it stopped before that.

    The smoothed loss is the exponential average of the losses so far, corrected for its beginning at 0.
    """
    times = [epoch + start / run.knobs.n for epoch in range(run.epochs) for start, _ in run.knobs.batches(epoch)]
    rows: list[dict[str, Any]] = []
    beta, best, average = beta_for(len(times)), math.inf, 0.0

    def edge() -> None:
        nonlocal best, average
        totals = run.sums.read()
        run.sums.zero()
        time = times[len(rows)]
        average = beta * average + (1 - beta) * totals.loss / totals.images
        smoothed = average / (1 - beta ** (len(rows) + 1))
        figures = (totals.mean_loss, 100 * (1 - totals.wrong / totals.images), smoothed)
        row = (len(rows) + 1, time, run.knobs.at(time)["lr"], *figures)
        rows.append(dict(zip(COLUMNS, row, strict=False)))
        if not math.isfinite(totals.loss):
            raise _Stop("the loss is not finite")
        best = min(best, smoothed)
        if smoothed > DIVERGING * best:
            raise _Stop(f"the smoothed loss is more than {DIVERGING:g} times its best")
        reporter.advance(run.time)

    with Reporter(title="lr-range") as reporter:
        reporter.start(run.epochs)
        try:
            while run.clock.epoch < run.epochs:
                train_epoch(run, edge)
                run.clock.epoch, run.clock.position = run.clock.epoch + 1, 0
        except _Stop as stop:
            return rows, len(times), str(stop)
    return rows, len(times), None


def beta_for(updates: int) -> float:
    """Of the loss: 0.98, which averages over 50 updates; in a test of fewer than 1000, over a twentieth of them."""
    return max(0.0, min(BETA, 1 - 20 / updates))


def smoothed_both_ways(values: Sequence[float], beta: float) -> list[float]:
    """The exponential average with the weights beta^|i - j|: of what comes before and after, so it does not lag."""

    def sums(numbers: Sequence[float]) -> list[float]:
        ahead, total = [], 0.0
        for number in numbers:
            total = number + beta * total
            ahead.append(total)
        return ahead

    def both(numbers: Sequence[float]) -> list[float]:
        behind = sums(numbers[::-1])[::-1]
        return [a + b - number for a, b, number in zip(sums(numbers), behind, numbers, strict=True)]

    return [total / weight for total, weight in zip(both(values), both([1.0] * len(values)), strict=True)]


def suggest(rates: Sequence[float], accuracies: Sequence[float], beta: float) -> Suggestion | None:
    """The bounds from each update's learning rate and accuracy (percent); None where the accuracy never rises.

    On the smoothed accuracy a, from its first value to its peak: base_lr is the first lr at which it has made 10% of
    that rise, max_lr the first at which it has made 95%. A rise is more than 4 standard errors of a's first value, the
    noise being taken from the differences of neighbouring updates.
    """
    smooth = smoothed_both_ways(accuracies, beta)
    start, peak = smooth[0], max(smooth)
    differences = [abs(b - a) for a, b in itertools.pairwise(accuracies)]
    noise = statistics.median(differences or [0.0]) / 0.954  # of normal noise: its standard deviation
    rise = peak - start
    if rise <= max(4 * noise * math.sqrt((1 - beta) / (1 + beta)), 1e-9):
        return None

    def first(share: float) -> float:
        return next(rate for rate, a in zip(rates, smooth, strict=True) if a >= start + share * rise)

    return Suggestion(first(BEGUN), first(DONE), start, peak, smooth[-1] == peak)


def _read_off(rows: list[dict[str, Any]], planned: int) -> Suggestion | None:
    """The suggestion; gives the rows their smoothed accuracy: as many updates as of the loss, half on each side."""
    accuracies, beta = [row["accuracy"] for row in rows], beta_for(planned) ** 2
    for row, smooth in zip(rows, smoothed_both_ways(accuracies, beta), strict=True):
        row["smoothed_accuracy"] = smooth
    return suggest([row["lr"] for row in rows], accuracies, beta)


def _write(test: RangeTest, run: Run, asked: dict[str, Any]) -> None:
    """Each file whole or not at all, in the place of one from before."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(test.rows)
    record.write_text(test.folder / "lr-range.csv", text.getvalue())
    found = asdict(test.suggestion) if test.suggestion else dict.fromkeys(Suggestion.__dataclass_fields__)
    summary = {
        **found,
        "base_lr_by_max": test.suggestion and test.suggestion.max_lr / 3,
        **asked,
        "epochs": test.config.epochs,
        "updates": len(test.rows),
        "planned_updates": test.planned,
        "stopped": test.stopped,
        "beta": beta_for(test.planned),
        "data": {"title": run.splits.title, "fingerprint": run.splits.fingerprint, "train": run.splits.train.n},
        "compute": run.compute.plain(),
    }
    atomic.replace(test.folder / "lr-range.json", atomic.dump(summary))
    title = f"Learning-rate range test: {test.config.label}\n{run.splits.title}, batch size {test.config.batch_size}"
    atomic.replace(test.folder / "lr-range.png", picture(test, title, log=not asked["linear"]))


def picture(test: RangeTest, title: str, log: bool) -> bytes:
    """A PNG: loss and accuracy against the learning rate, the raw values faint, the suggested range shaded."""
    from matplotlib.figure import Figure

    rates, suggestion = [row["lr"] for row in test.rows], test.suggestion
    figure = Figure(figsize=(8, 7.5), dpi=150, layout="constrained")
    figure.suptitle(title, fontsize=13)
    panels = figure.subplots(2, 1, sharex=True)
    for panel, name, label in zip(panels, ("loss", "accuracy"), ("training loss", "training accuracy, %"), strict=True):
        panel.plot(rates, [row[name] for row in test.rows], color="C0", alpha=0.3, linewidth=1, label="each update")
        panel.plot(rates, [row[f"smoothed_{name}"] for row in test.rows], color="C0", linewidth=2, label="smoothed")
        if suggestion:
            base, top = suggestion.base_lr, suggestion.max_lr
            panel.axvspan(base, top, color="C1", alpha=0.2, linewidth=0, label=f"suggested: {base:.2g} to {top:.2g}")
        panel.set_ylabel(label, fontsize=12)
        panel.tick_params(labelsize=11)
        panel.grid(alpha=0.3)
    # The loss on which the test stopped would flatten all others.
    losses = [row["smoothed_loss"] for row in test.rows]
    panels[0].set_ylim(0, 1.2 * max(filter(math.isfinite, losses[:-1] or losses), default=1.0))
    panels[1].set_ylim(bottom=0)
    panels[1].set_xlabel("learning rate", fontsize=12)
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=11)
    if log:
        panels[1].set_xscale("log")
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def show(test: RangeTest) -> None:
    """Print what a person wants to know of it."""
    rates, found = [row["lr"] for row in test.rows], test.suggestion
    print(f"{len(test.rows)} of {test.planned} updates, lr {rates[0]:.3g} to {rates[-1]:.3g}")
    if test.stopped:
        print(f"stopped: {test.stopped}")
    if found is None:
        print("no suggestion: the training accuracy never rises; try another range (--from, --to), or more --updates")
    else:
        rise = f"the rise in accuracy ({found.accuracy_at_start:.1f}% to {found.accuracy_at_peak:.1f}%)"
        print(f"base_lr {found.base_lr:.3g}, where {BEGUN:.0%} of {rise} is made")
        print(f"max_lr  {found.max_lr:.3g}, where {DONE:.0%} of it is made")
        print(f"or base_lr {found.max_lr / 3:.3g}, a third of max_lr (Smith 2017, arXiv:1506.01186, section 3.3)")
        if found.still_rising:
            print("the accuracy still rises at the end of the range: a larger --to may show a larger max_lr")
    for ending in ("csv", "json", "png"):
        print(test.folder / f"lr-range.{ending}")
