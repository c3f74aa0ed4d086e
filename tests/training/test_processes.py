"""One run on several processes: the same bits as micro-batches in one, and what happens when a process is lost."""

import contextlib
import json
import math
import os
import subprocess
import sys
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.conftest import ROOT
from tests.training.sharing import ended, made

SHARED = ["compute.processes=2"]


class Pair:
    """Processes that share what they are given, one run after another."""

    def __init__(self, size=2):
        self.store = dist.TCPStore(
            "127.0.0.1", 0, size + 1, is_master=True, wait_for_workers=False, timeout=timedelta(minutes=2)
        )
        command = [sys.executable, "-m", "tests.training.sharing"]
        self.processes = [
            subprocess.Popen(
                [*command, str(rank), str(size), str(self.store.port)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(size)
        ]

    def end(self, overrides, **options):
        """How a run with them ended, which is the same in each process."""
        for process in self.processes:
            process.stdin.write(json.dumps({"overrides": overrides, **options}) + "\n")
            process.stdin.flush()
        ends = [json.loads(process.stdout.readline()) for process in self.processes]
        assert len({end["sha"] for end in ends}) == 1, "they differ among themselves"
        return ends[0]

    def close(self):
        for process in self.processes:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait(30)


@pytest.fixture(scope="module")
def pair():
    pair = Pair()
    yield pair
    pair.close()


# Each with parts of 8 of batches of 16: one process takes them one after another, of two each takes one.
SAME = {
    "group norm": ["norm=group", "augment=[crop,mixup]", "gradient=[clip_norm]"],
    "ghost batch norm": ["norm=ghost_batch", "norm.ghost_batch_size=4"],
    "batch group norm": ["norm=batch_group", "norm.examples_per_group=4"],
    "stochastic depth": ["norm=group", "residual=stochastic_depth"],
    "shake-shake": ["model=shake_resnet26_2x32d", "model.depth=8", "model.width=4", "residual=shake_shake",
                    "residual.level=batch", "norm=group", "norm.group_size=4"],
    "shakedrop": ["norm=group", "residual=shakedrop", "residual.level=batch"],
    "a growing batch": ["norm=group", "batch_size=8", "micro_batch=8", "schedule.batch_size=multistep",
                        "schedule.batch_size.at=[1]", "schedule.batch_size.factor=2"],
    "averages of the weights": ["norm=ghost_batch", "norm.ghost_batch_size=4", "hook=[ema,swa]", "hook.swa.start=0.5"],
    "two gradients a step": ["norm=ghost_batch", "norm.ghost_batch_size=4", "optimizer=sam"],
    "weights of the optimizer's own": ["norm=ghost_batch", "norm.ghost_batch_size=4", "optimizer=schedule_free_sgd"],
    "penalties": ["norm=group", "penalty=[l2,orthogonal]"],
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_two_processes_have_the_bits_of_one_with_the_same_parts(pair, case):
    overrides = ["micro_batch=8", *SAME[case]] if "micro_batch=8" not in SAME[case] else SAME[case]
    one, two = ended(made(overrides)), pair.end([*overrides, *SHARED])
    assert one["rows"][-1]["train_loss"] == two["rows"][-1]["train_loss"]
    assert one["sha"] == two["sha"]
