"""Every test of data has a cache folder of its own."""

import pytest

from tests.data import sets


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TRICKTABLE_CACHE", str(folder))
    return folder


@pytest.fixture
def tree(tmp_path):
    """A folder of 12 + 6 PNG images of 6x5 pixels in three classes."""
    return sets.write_tree(tmp_path / "tree", sets.images())
