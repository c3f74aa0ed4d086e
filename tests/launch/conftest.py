"""Launches of stubs, which are processes that look like runs and take no time."""

import json

import pytest

from tests import stub
from tricktable.runner.launch import pool


@pytest.fixture
def run(tmp_path):
    """Launch stubs of these seeds with these faults; returns their outcomes."""

    def go(seeds, faults=None, **options):
        (tmp_path / "faults.json").write_text(json.dumps(faults or {}))
        jobs = [stub.job(tmp_path, seed) for seed in seeds]
        return pool.launch(jobs, **{"command": stub.command(tmp_path), **options})

    return go
