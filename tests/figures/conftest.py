"""One finished run for all figures: a small residual network on a few digits."""

import shutil

import pytest

from tests.conftest import TINY
from tests.report.conftest import write_metrics, write_run
from tricktable.runner.config.compose import compose
from tricktable.runner.training import job


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


@pytest.fixture
def grid(tmp_path):
    """A study by hand: two learning rates, two batch sizes, two seeds; a diverged run, a diverged cell, a cell missing."""
    study = tmp_path / "outputs" / "grid"
    for name, seed, lr, batch, error in (
        ("a0", 0, 0.01, 32, 8.0), ("a1", 1, 0.01, 32, 9.0), ("b0", 0, 0.1, 32, 4.0), ("b1", 1, 0.1, 32, None),
        ("c0", 0, 0.1, 64, None), ("c1", 1, 0.1, 64, None),
    ):  # fmt: skip
        state = "complete" if error is not None else "diverged"
        write_run(study / name, seed, error, [f"optimizer.lr={lr}", f"batch_size={batch}"], state)
        write_metrics(study / name, error or 90.0, lr)
    return study
