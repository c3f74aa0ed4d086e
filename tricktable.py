"""tricktable: name a model, an optimizer, a schedule and some tricks; get the paper's table back, measured.

The folders beside this file are the parts of the package: tricktable.runner, tricktable.models and tricktable.tricks,
with configs/ as data. In a checkout they lie at its top, for that is where people look for them; an installed package
has them in a folder, with this file as its __init__. The same two lines serve both.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__path__ = [str(Path(__file__).resolve().parent)]

# What Python is offered (docs/python.md), and where it lies: imported when it is first asked for.
_ERRORS = (
    "TricktableError", "BadInput", "CheckpointProblem", "DataProblem", "Diverged", "ExpectationFailed", "Interrupted",
    "RunFailed", "RunInUse", "StorageProblem", "SweepFailed",
)  # fmt: skip
_HOMES = {
    **{
        name: f"tricktable.runner.python.{name}"
        for name in ("evaluate", "figure", "load", "run", "runs", "table", "train")
    },
    "study": "tricktable.runner.python.table",
    **dict.fromkeys(_ERRORS, "tricktable.runner.errors"),
}
__all__ = [*_HOMES]  # noqa: PLE0604 (names, all of them)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tricktable' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if __name__ == "__main__":  # `python -m tricktable` in a checkout, where this file is a module
    import runpy

    runpy.run_module("tricktable.runner", run_name="__main__", alter_sys=True)
