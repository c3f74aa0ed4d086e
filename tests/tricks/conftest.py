"""What tests of tricks share: a finished run, for tricks that use another one."""

import pytest

from tests.conftest import TINY
from tricktable.runner.config.compose import compose
from tricktable.runner.training import job


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A complete run on disk, for tricks that use another run."""
    root = tmp_path_factory.mktemp("outputs")
    summary = job.execute(compose([*TINY, f"output.root={root}"]))
    return root / "default" / summary.id
