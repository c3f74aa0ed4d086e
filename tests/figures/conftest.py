"""One finished run for all figures: a small residual network on a few digits."""

import shutil

import pytest

from runner.config.compose import compose
from runner.training import job
from tests.conftest import TINY


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a run that nobody may write into."""
    root = tmp_path_factory.mktemp("figures")
    typed = (*TINY, f"output.root={root}", "study=s", "data=digits")
    job.execute(compose(typed))
    (folder,) = (root / "s").glob("resnet8-*")
    return folder


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of its folder, in the study `s`."""
    return shutil.copytree(trained, tmp_path / "outputs" / "s" / trained.name)


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """The folder of a run of another seed that nobody may write into; it has snapshots."""
    root = tmp_path_factory.mktemp("twins")
    typed = (*TINY, f"output.root={root}", "study=s", "data=digits", "seed=1", "hook=[snapshots]")
    job.execute(compose((*typed, "hook.snapshots.cycles=3", "inference=[plain,ensemble]")))
    (folder,) = (root / "s").glob("resnet8-*")
    return folder


@pytest.fixture
def twin(twins, tmp_path):
    """A copy of its folder, in the study `s`."""
    return shutil.copytree(twins, tmp_path / "outputs" / "s" / twins.name)
