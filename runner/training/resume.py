"""Whether a checkpoint is one of this very run, and the run as it stood then."""

from collections.abc import Callable
from typing import Any

from tricktable.runner import terminal
from tricktable.runner.disk.checkpoint import Checkpoint
from tricktable.runner.disk.code import of_another
from tricktable.runner.disk.info import Identity
from tricktable.runner.errors import CheckpointProblem
from tricktable.runner.training.run import Run


def refusal(run: Run, identity: Identity) -> Callable[[Checkpoint], str]:
    """What says of a whole checkpoint why the run cannot go on from it, in words; nothing where it can."""
    return lambda found: of_another(found.state, identity) or _shapes(run, found) or _clock(run, found)


def load(run: Run, found: Checkpoint) -> None:
    """Go back to a checkpoint that was not refused. CheckpointProblem where it lacks what the run needs."""
    try:
        run.load(found.tensors, found.state)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:  # a parser of foreign data may raise any of them
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointProblem(terminal.clean(f"{found.path}: it does not fit the run ({words})")) from error


def _shapes(run: Run, found: Checkpoint) -> str:
    own = {f"model/{name}": value.shape for name, value in run.model.state_dict().items()}
    its = {name: value.shape for name, value in found.tensors.items() if name.startswith("model/")}
    return "" if own == its else "it is of another network"


def _clock(run: Run, found: Checkpoint) -> str:
    """An epoch, a position or a step that the run does not have."""
    clock: Any = found.state.get("clock")
    names = ("epoch", "position", "updates", "samples")
    if not isinstance(clock, dict) or any(type(clock.get(name)) is not int for name in names):
        return "its clock is no four whole numbers"
    if type(found.state.get("stopped")) is not bool:
        return "whether a hook has stopped it is not true or false"
    ends = {"epoch": run.epochs, "position": run.knobs.n}
    for name in names:
        if not 0 <= clock[name] <= ends.get(name, clock[name]):
            return f"its clock has {name} {clock[name]}, of {ends.get(name, 'none below 0')}"
    return "" if clock["updates"] == found.step else f"its clock has {clock['updates']} updates, its name {found.step}"
