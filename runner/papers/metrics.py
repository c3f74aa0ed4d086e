"""What the metrics of papers' tables are of a run: its errors, what they differ by, its time; or what is counted."""

from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.papers.recipe import Recipe

ERRORS = {  # a table's metric from an error in percent
    "top1_error": ("test_error", lambda error: error),
    "top1_accuracy": ("test_error", lambda error: 100 - error),
    "train_top1_accuracy": ("train_error", lambda error: 100 - error),
    "loss": ("test_loss", lambda loss: loss),
}
GAP, GAIN = "accuracy_gap", "accuracy_gain"  # in points: what other test images cost; what is won over a row
TIME = "train_time"  # of the steps of a run, without its evaluations
SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
FP32_MEGABYTES = 4e-6  # of a parameter
COUNTED = {"model_size": lambda params: FP32_MEGABYTES * params}  # a table's metric from a network's parameters


def unmeasured(recipe: Recipe) -> str | None:
    """Why no figure of the table is measured here; None where they are."""
    name = recipe.table.metric.name
    if name == GAP and not recipe.elsewhere:
        return "the recipe names no other test images (elsewhere) for a gap"
    if name == GAIN and not recipe.against:
        return "the recipe names no row that gains are over (against)"
    return None if name in (*ERRORS, *COUNTED, GAP, GAIN, TIME) else f"{name} is not measured by training here"


def less(error: Evaluation | None, other: Evaluation | None) -> float | None:
    """By how many points the first has the larger error; None where one is not there."""
    if error is None or other is None or error.test_error is None or other.test_error is None:
        return None
    return error.test_error - other.test_error


def time(run: StoredRun, unit: str) -> float | None:
    """How long a run's steps took, in this unit; None where an epoch does not say how fast it was."""
    before, seconds = 0, 0.0
    for epoch in run.epochs:
        if not epoch.images_per_second or epoch.samples is None:
            return None
        seconds += (epoch.samples - before) / epoch.images_per_second
        before = epoch.samples
    return seconds / SECONDS[unit] if run.epochs else None
