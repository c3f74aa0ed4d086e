"""Rows E: a run that diverges, runs out of memory, leaves, or whose decoding processes die."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.data import sets
from tests.faults.forked import digest, run_of, tiny


@pytest.mark.parametrize(
    ("action", "arguments", "code", "reason"),
    [
        ("raise", {"error": "MemoryError"}, 1, "MemoryError: injected"),
        ("raise", {"error": "KeyboardInterrupt"}, 130, None),
        ("exit", {"code": 7}, 7, None),
        ("signals", {"numbers": [signal.SIGSEGV]}, -signal.SIGSEGV, None),
        ("signals", {"numbers": [signal.SIGABRT]}, -signal.SIGABRT, None),
    ],
)
def test_e3_a_run_that_leaves_in_any_way_can_be_continued(zygote, tmp_path, held, action, arguments, code, reason):
    overrides = tiny("checkpoint.every=2")
    whole = zygote.whole(tmp_path / "whole", overrides)[0]
    folder = tmp_path / "run"
    child = zygote.train(folder, overrides, inject=[("at_step", {"number": 5, "action": action, **arguments})])
    assert child.wait() == code, child.said
    if reason:
        info = json.loads((run_of(folder) / "run.json").read_text())
        assert (info["state"], info["reason"]) == ("failed", reason)
    held(1, zygote.train(folder, overrides).wait() == 0 and digest(folder) == whole)


STREAMED = """
import sys
from tests.faults import injected
injected.at_step(5, "kill workers")
from tricktable.runner.cli import main
main(sys.argv[1:])
"""


@pytest.mark.faults
def test_e2_a_decoding_process_that_is_killed_is_one_line_and_the_run_goes_on(tmp_path, held):
    """By the kernel, say, where memory runs out: exit code 5, and the same command continues."""
    rng = np.random.default_rng(0)
    files = {
        f"{split}/{label}/{i}.png": sets.encode(rng.integers(0, 256, (20, 24, 3), np.uint8))
        for split, n in (("train", 16), ("val", 2)) for label in ("cat", "dog") for i in range(n)
    }  # fmt: skip
    sets.write_tree(tmp_path / "images", files)
    typed = [
        "train", *tiny("data=image_folder", f"data.path={tmp_path}/images", "data.stream=true", "data.size=16"),
        "data.workers=2", "checkpoint.every=1", "batch_size=4",
    ]  # fmt: skip
    typed = [each for each in typed if not each.startswith("data.subset") and each != "batch_size=16"]

    def command(*python, root="outputs"):
        return subprocess.run(
            [sys.executable, *python, *typed, f"output.root={tmp_path}/{root}/outputs"],
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    done = command("-c", STREAMED, root="killed")
    assert done.returncode == 5, done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("tricktable: a decoding process was killed") and "Traceback" not in done.stderr
    assert json.loads((run_of(tmp_path / "killed") / "run.json").read_text())["state"] == "failed"
    assert command("-m", "tricktable", root="killed").returncode == 0
    assert command("-m", "tricktable", root="whole").returncode == 0
    held(1, digest(tmp_path / "killed") == digest(tmp_path / "whole"))
