"""What makes planning fast, by counting: each thing is done once for all runs that share it, to the same ends."""

import pytest

from tests.conftest import TINY
from tricktable.runner.config import compose, schema
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.disk import rundir
from tricktable.runner.disk.info import Identity, RunInfo
from tricktable.runner.launch import sweep
from tricktable.runner.training import job


@pytest.fixture
def points():
    texts = compose.expand(
        [*(each for each in TINY if not each.startswith("seed=")), "optimizer.lr=0.1,0.2", "seed=range(5)"]
    )
    return [(Overrides(text), compose.compose(text)) for text in texts]


def test_what_differs_by_its_seed_is_read_once(monkeypatch):
    compose._read.cache_clear()
    read, times = schema.read, []
    monkeypatch.setattr(schema, "read", lambda values: times.append(1) or read(values))
    configs = [compose.compose(["model=resnet8", f"seed={seed}"]) for seed in range(10)]
    assert len(times) == 1
    for config in configs:
        whole = read(compose.merge(["model=resnet8", f"seed={config.seed}"]))
        assert (config, config.label) == (whole, whole.label)


def test_a_point_is_built_once_for_all_seeds_and_has_its_own_hash(monkeypatch, points):
    prepare, built = job.prepare, []
    monkeypatch.setattr(job, "prepare", lambda *given: built.append(1) or prepare(*given))
    jobs = sweep.plan(points)
    assert len(built) == 2
    assert [each.identity.config_hash for each in jobs] == [job.config_hash(config) for _, config in points]
    assert len({each.identity.config_hash for each in jobs}) == 10


def test_a_study_that_was_listed_earlier_is_as_good_as_a_new_look(tmp_path, monkeypatch):
    def made(hex8, slug="x", number=""):
        identity = Identity(hex8 + "0" * 56, "sha256:0", {})
        folder = tmp_path / "study" / f"{slug}-{hex8}{number}"
        folder.mkdir(parents=True)
        RunInfo(identity=identity, id=folder.name).write(folder)
        return identity

    before, other, ends_alike = made("00000001"), made("00000002", "y"), made("deadbeef", "z", "-12345678")
    known = rundir.listing(tmp_path, "study")
    since, gone = made("00000003"), made("00000004", "y")
    (tmp_path / "study" / "y-00000002" / "run.json").unlink()
    (tmp_path / "study" / "y-00000002").rmdir()
    monkeypatch.setattr(rundir, "listing", None)  # it is not called again

    def exists(identity):
        return rundir.find_or_plan(tmp_path, "study", "x", identity, known).exists

    assert exists(before) and exists(ends_alike) and exists(since)
    assert not exists(other), "it was deleted meanwhile"
    assert not exists(gone), "another slug that came since is for a whole look"
