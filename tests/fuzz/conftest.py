"""What the tests of this folder share. They are skipped where hypothesis, of the dev extra, is not installed."""

import importlib.util

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("hypothesis") else ["test_*.py"]


@pytest.fixture(autouse=True)
def an_empty_folder(tmp_path, monkeypatch):
    """Nothing is read or written elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
