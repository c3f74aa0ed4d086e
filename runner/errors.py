"""What can go wrong, as exit codes: each error is one line for a person and one number for a script."""


class TricktableError(Exception):
    """An end of a command that is foreseen; `exit_code` is what the process returns."""

    exit_code = 1


class BadInput(TricktableError):
    """A config, option or argument that cannot be run. Nothing has been created."""

    exit_code = 2


class SweepFailed(TricktableError):
    """A sweep ended, and some of its runs failed."""

    exit_code = 3


class Diverged(TricktableError):
    """The loss or the weights stopped being finite. A result, not a crash."""

    exit_code = 4


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


class ExpectationFailed(TricktableError):
    """A figure is not what `--expect` asked for."""

    exit_code = 9


class Interrupted(TricktableError):
    """A signal arrived; the run is saved, and the same command continues it."""

    exit_code = 75
