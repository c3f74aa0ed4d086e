"""What the rows share: a zygote, a finished run, and a place for what was held."""

import re

import pytest

from tests.faults.forked import Zygote, run_of, tiny

ROW = re.compile(r"test_([a-t][0-9])_")


@pytest.fixture(scope="session")
def zygote():
    with Zygote() as found:
        yield found


@pytest.fixture(scope="session")
def finished(zygote, tmp_path_factory):
    """A complete run on disk, for tricks that use another run."""
    folder = tmp_path_factory.mktemp("finished")
    zygote.whole(folder, tiny())
    return run_of(folder)


@pytest.fixture
def held(request, record_property):
    """Say of the row that the test is named by how many trials there were, in how many it held, and what else."""

    def say(trials, number, note="", row=None):
        row = row or ROW.match(request.node.name)[1].upper()
        record_property("fault", {"row": row, "trials": trials, "held": int(number), "note": note})
        assert number == trials, f"{number} of {trials}: {note}"

    return say
