"""run.json: what it says of a run, and what becomes of one that an earlier version, or nobody in their senses, wrote."""

import json

import pytest

from tricktable.runner.disk.info import Identity, RunInfo

IDENTITY = Identity("a" * 64, "sha256:b", {"models/resnet.py": "c" * 64}, {"teacher-0123": "d" * 64})
INFO = RunInfo(
    identity=IDENTITY, id="run-a", state="interrupted", reason="SIGINT", attempt=3, host="h", pid=5,
    started="2026-01-01T00:00:00+00:00", epoch=2, epochs=30, updates=17, choices_key="e" * 64,
)  # fmt: skip


def of_an_earlier_version(folder):
    """Its values, without the seal and the digest that came later."""
    INFO.write(folder)
    values = json.loads((folder / "run.json").read_text())
    return {name: value for name, value in values.items() if name not in ("seal", "pending", "digest")}


def test_it_comes_back_as_it_was_written_and_its_keys_are_flat(tmp_path):
    INFO.write(tmp_path)
    assert RunInfo.read(tmp_path) == INFO
    values = json.loads((tmp_path / "run.json").read_text())
    assert values["config_hash"] == "a" * 64 and values["state"] == "interrupted" and "identity" not in values


def test_teachers_once_stood_among_the_files(tmp_path):
    values = of_an_earlier_version(tmp_path)
    values["code"] |= {f"run {name}": digest for name, digest in values.pop("teachers").items()}
    (tmp_path / "run.json").write_text(json.dumps(values))
    assert RunInfo.read(tmp_path) == INFO


@pytest.mark.parametrize("name", ["config_hash", "fingerprint", "code", "teachers"])
@pytest.mark.parametrize("value", [None, 3, ["x"], {"models/resnet.py": 1}])
def test_without_its_identity_it_is_not_read(tmp_path, name, value):
    values = of_an_earlier_version(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({**values, name: value}))
    assert RunInfo.read(tmp_path) is None


def test_what_else_has_another_type_is_not_there(tmp_path):
    values = of_an_earlier_version(tmp_path)
    damaged = {"state": "finished", "attempt": "many", "pid": [1], "epoch": {}, "updates": True, "of_tomorrow": 1}
    (tmp_path / "run.json").write_text(json.dumps({**values, **damaged}))
    info = RunInfo.read(tmp_path)
    assert (info.state, info.attempt, info.pid, info.epoch, info.updates) == ("planned", 0, None, None, None)
    assert (info.identity, info.reason, info.epochs) == (IDENTITY, "SIGINT", 30)


def test_what_has_ended():
    states = ("planned", "running", "complete", "diverged", "interrupted", "failed")
    assert [s for s in states if RunInfo(identity=IDENTITY, state=s).ended] == ["complete", "diverged"]
