"""What can go wrong, as exit codes: each error is one line for a person and one number for a script."""

import difflib
from collections.abc import Iterable
from pathlib import Path

BEGUN, LISTED = 3, 24  # names in a line: of those that begin alike, and of all


class TricktableError(Exception):
    """An end of a command that is foreseen; `exit_code` is what the process returns."""

    exit_code = 1


class RunFailed(TricktableError):
    """A run ended by an error that nobody foresaw: a bug, or a machine that gave up."""


class BadInput(TricktableError):
    """A config, option or argument that cannot be run. Nothing has been created."""

    exit_code = 2


class SweepFailed(TricktableError):
    """A sweep ended, and some of its runs failed."""

    exit_code = 3


class Diverged(TricktableError):
    """The loss or the weights stopped being finite. A result, not a crash; the run's `folder` has its summary."""

    exit_code = 4
    folder: Path | None = None


class DataProblem(TricktableError):
    """A dataset is missing, corrupt or of the wrong shape."""

    exit_code = 5


class CheckpointProblem(TricktableError):
    """No checkpoint of a run that has some can be used."""

    exit_code = 6


class StorageProblem(TricktableError):
    """The disk is full, read-only or gone."""

    exit_code = 7


class RunInUse(TricktableError):
    """Another process works in this run directory."""

    exit_code = 8


class ProcessLost(TricktableError):
    """One of the processes that share a run has died or says nothing; the same command goes on from the last save."""

    exit_code = 10


class ExpectationFailed(TricktableError):
    """A figure is not what `--expect` asked for."""

    exit_code = 9


class Interrupted(TricktableError):
    """A signal arrived; the run is saved, and the same command continues it."""

    exit_code = 75


class Stopped(KeyboardInterrupt):
    """A signal arrived while no run was at work, which would have been saved; as by Ctrl-C, nothing goes on."""


def nearest(word: str, known: Iterable[str]) -> str:
    """«; did you mean x?», or nothing where nothing is near; of names that begin with the word the first few."""
    every = list(known)
    begun = [each for each in every if len(word) > 2 and each.lower().startswith(word.lower())]
    close = begun[:BEGUN] or difflib.get_close_matches(word, every, n=1, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """The nearest match, or all that there is."""
    every = list(known)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return nearest(word, every) or f"; there are: {', '.join(every[:LISTED]) or 'none'}{more}"
