"""The reports of the fake device, shared by all processes of a session."""

import pytest

from tests.cuda import device


@pytest.fixture(scope="session")
def reports(tmp_path_factory, worker_id):
    """Reports of a group of cases, by their names: `reports("tricks", cases)`; its process runs once."""
    if device.MISSING:
        pytest.skip(device.MISSING)
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "cuda"
    folder.mkdir(exist_ok=True)
    known = {}

    def of(group, cases):
        if group not in known:
            known[group] = device.tried(folder, group, cases)
        return known[group]

    return of
