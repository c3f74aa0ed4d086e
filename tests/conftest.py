"""What tests share: the commands as a person starts them, runs built in this process, and what a machine lacks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tricktable.runner import data
from tricktable.runner.config.compose import compose
from tricktable.runner.training.job import prepare

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# A run of a second: 60 images, 3 epochs of 4 steps.
TINY = ("model=resnet8", "data.subset=6", "batch_size=16", "epochs=3", "compute.threads=1", "compute=cpu")


def pytest_configure():
    """Tests send signals, which a shell's background or nohup has processes ignore, and those that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Say what is skipped, and why."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
        if item.get_closest_marker("shared") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="needs the image archives beside the checkout (../shared)"))


@pytest.fixture
def tricktable(tmp_path):
    """Run a command in an empty folder; returns the finished process, its output as text."""

    def run(*arguments, **options):
        environment = {**os.environ, "TRICKTABLE_CACHE": str(tmp_path / "cache"), **options.pop("env", {})}
        command = [sys.executable, "-m", "tricktable", *map(str, arguments)]
        options = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 1800, **options}
        return subprocess.run(command, env=environment, check=False, **options)

    return run


@pytest.fixture
def make_run():
    """A Run from overrides on the tiny config, without a folder on disk."""

    def make(*overrides):
        keys = {override.split("=")[0] for override in overrides}
        tiny = [t for t in TINY if t.split("=")[0] not in keys]
        config = compose([*tiny, *overrides])
        return prepare(config, data.load(config.data))[0]

    return make
