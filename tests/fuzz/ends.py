"""What is typed and written at random must end as foreseen. `make test` draws the same few cases every time, `make test-long` many new ones."""

import contextlib
import io

import pytest
from hypothesis import HealthCheck, Phase, settings

from tricktable.runner import cli

# No deadline: a machine may be busy.
COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def few(examples):
    """For CI: the same examples every time, and no minutes spent on making a failure smaller."""
    return settings(max_examples=examples, derandomize=True, phases=(Phase.generate,), **COMMON)


def many(examples):
    return settings(max_examples=examples, print_blob=True, **COMMON)


def ended(arguments):
    """Run a command in this process: its exit code. It fails by any exception that is not an end of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ending:
        cli.main(arguments)
    code, said = ending.value.code, err.getvalue()
    if code != 0:
        assert said.startswith("tricktable: ") and len(said.splitlines()) == 1, said
        assert len(said) < 4100 and said.strip("\n").isprintable(), said
    return code
