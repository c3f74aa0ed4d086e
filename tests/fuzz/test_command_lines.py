"""Command lines at random, in this process: `show` and `schedule`, which train nothing and write nothing."""

import pytest
from hypothesis import given

from tests.fuzz.ends import ended, few, many
from tests.fuzz.values import overrides


def show(typed):
    assert ended(["show", *typed]) in (0, 2)


def schedule(typed):
    assert ended(["schedule", "--json", "--images", "500", "epochs=3", *typed]) in (0, 2)


def multirun(typed):
    from tricktable.runner.config.grammar import expand
    from tricktable.runner.errors import BadInput

    try:
        assert expand(typed)
    except BadInput as error:
        assert str(error)


@few(120)
@given(overrides())
def test_what_is_shown(typed):
    show(typed)


@few(60)
@given(overrides())
def test_what_is_scheduled(typed):
    schedule(typed)


@few(120)
@given(overrides())
def test_what_a_multirun_s_points_are(typed):
    multirun(typed)


@pytest.mark.long
@pytest.mark.parametrize("command", [show, schedule, multirun])
def test_many_command_lines(command):
    many(3000)(given(overrides())(command))()
