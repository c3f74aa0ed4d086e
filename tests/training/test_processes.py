"""One run on several processes: the same bits as micro-batches in one, and what happens when a process is lost."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from PIL import Image

from tests.conftest import ROOT
from tests.faults.forked import newest, run_of
from tests.training.sharing import TINY, ended, made
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput, ProcessLost
from tricktable.runner.training import company, compute
from tricktable.runner.training.processes import Alone, Together
from tricktable.runner.training.ranks import Place, meeting_point, place
from tricktable.runner.training.summary import weights_sha256
from tricktable.runner.training.train import train

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
    "growing images": ["norm=ghost_batch", "norm.ghost_batch_size=4", "schedule.size=linear", "schedule.size.start=0.5",
                       "schedule.size.end=1", "hook=[swa]", "hook.swa.start=0.5"],
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


def test_images_that_are_decoded_while_training_are_those_of_one_process(pair, tmp_path):
    """Batches of 16 and of one image, which only one process decodes; crops are made of whole pictures."""
    for i in range(34):
        folder = tmp_path / ("train" if i < 33 else "test") / str(i % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 10), (7 * i, 255 - 7 * i, 40)).save(folder / f"{i}.png")
    Image.new("RGB", (12, 10)).save(tmp_path / "test" / "1" / "last.png")
    (tmp_path / "test" / "0").mkdir()
    Image.new("RGB", (12, 10)).save(tmp_path / "test" / "0" / "first.png")
    images = ["data=image_folder", f"data.path={tmp_path}", "data.size=8", "data.stream=true", "data.subset=null"]
    overrides = [*images, "data.test_subset=null", "norm=group", "micro_batch=8", "augment=[random_resized_crop,mixup]"]
    one, two = ended(made(overrides)), pair.end([*overrides, *SHARED])
    assert one["sha"] == two["sha"]


@pytest.mark.parametrize(
    "overrides",
    [["batch_size=15"], ["batch_size=15", "norm=ghost_batch", "norm.ghost_batch_size=5"]],
    ids=["batch norm", "ghost batch norm"],
)
def test_in_float64_two_processes_are_one_that_takes_batches_whole(pair, overrides):
    """Batches of 15, 15 and 10: in shares of 7 and 8, or of 5 and 10, which have other sums."""
    one, two = ended(made(overrides, double=True)), pair.end([*overrides, *SHARED], double=True)
    difference = torch.tensor(one["weights"]) - torch.tensor(two["weights"])
    assert difference.abs().max() <= 1e-12
    for own, theirs in zip(one["rows"], two["rows"], strict=True):
        for key in ("train_loss", "train_error", "test_loss", "test_error"):
            assert own[key] == pytest.approx(theirs[key], rel=1e-12)


def test_draws_for_a_batch_are_those_of_one_process_and_those_for_an_image_are_not(monkeypatch):
    cpu, position = torch.device("cpu"), (3, "noise", 1, 7)
    Alone().key_noise(cpu, *position)
    drawn, alone = [], torch.rand(4)
    for rank in (0, 1):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        monkeypatch.setattr(dist, "get_world_size", lambda: 2)
        together = Together(cpu)
        together.key_noise(cpu, *position)
        torch.testing.assert_close(torch.rand(4, generator=together.draws), alone, rtol=0, atol=0)
        drawn.append(torch.rand(4))
    assert not torch.equal(*drawn) and not any(torch.equal(each, alone) for each in drawn)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["norm=batch_renorm"], "compute.processes: BatchRenorm normalises over the whole batch, which 2 processes"),
        (["norm=batch_group"], "compute.processes: BatchGroupNorm normalises over the whole batch"),
        (["batch_size=39"], "a batch of 1 has 1 part for 2 processes; data.last_batch=drop leaves"),
        (["norm=group", "micro_batch=16"], "compute.processes: a batch of 16 has 1 part for 2 processes"),
        (["micro_batch=8"], "micro_batch: BatchNorm2d normalises over the whole batch"),
        (["compute.capture=on"], "compute.capture: the steps of a run are not recorded where several processes share"),
        (["compute.compile=on"], "compute.compile: a network is not compiled where several processes share"),
        (["compute.pad_channels=8"], "compute.pad_channels: channels are not padded where several processes share"),
        (["compute.processes=0"], "compute.processes: expected a whole number at least 1 and at most 1024, got 0"),
    ],
)
def test_what_cannot_be_shared_is_refused(overrides, words):
    with pytest.raises(BadInput, match=words):
        made([*SHARED, *overrides] if overrides != ["compute.processes=0"] else overrides)


def test_the_number_of_processes_is_part_of_the_identity_but_for_one():
    configs = [compose([*TINY, *more]) for more in ([], ["compute.processes=1"], SHARED)]
    alone, one, two = (compute.resolve(config.compute).identity() for config in configs)
    assert alone == one and "processes" not in one
    assert two == {**one, "processes": 2}


TORCHRUN = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
SRUN = {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "gpu[07-08,11]",
        "SLURM_JOB_ID": "20123", "SLURM_STEP_ID": "2"}  # fmt: skip


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN])
def test_launchers_say_which_process_this_is(environment):
    assert place(4, environment) == Place(rank=3, size=4, local=1, ours=False)
    assert place(1, environment) == Place(), "a run of its own in each task, as ever"
    with pytest.raises(BadInput, match="2 were asked for, and the launcher started 4"):
        place(2, environment)


def test_without_a_launcher_the_first_process_starts_the_others():
    assert place(4, {}) == place(4, {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}) == Place(rank=0, size=4)
    with pytest.raises(BadInput, match="the launcher's variables make no sense"):
        place(4, {"RANK": "first", "WORLD_SIZE": "4"})


@pytest.mark.parametrize(
    ("nodes", "first"), [("gpu[07-08,11]", "gpu07"), ("gpu3", "gpu3"), ("a1,b[2-3]", "a1"), ("n-x[1,4]", "n-x1")]
)
def test_tasks_of_srun_meet_on_its_first_machine(nodes, first):
    assert meeting_point({**SRUN, "SLURM_STEP_NODELIST": nodes}) == {"MASTER_ADDR": first, "MASTER_PORT": "20125"}
    assert meeting_point(TORCHRUN) == {"MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
    with pytest.raises(BadInput, match="no MASTER_ADDR"):
        meeting_point({"RANK": "0"})


def test_a_process_that_gives_no_sign_of_life_is_named(monkeypatch):
    monkeypatch.setattr(company, "BEAT", 0.01)
    monkeypatch.setattr(company, "SILENCE", 0.2)
    monkeypatch.setattr(company, "GRACE", 60.0)
    store = dist.TCPStore("127.0.0.1", 0, 2, is_master=True, wait_for_workers=False)
    watch = company.Watch(store, Place(0, 2), company.Others(2), lambda words: None)
    store.set("beat 1", "left")
    time.sleep(0.4)
    assert watch.lost is None, "it has ended"
    store.set("beat 1", "7")
    assert watch.who() == "process 1 of 2 has given no sign of life for 0.2 s"
    watch.leave()


# Long enough to be stopped in the middle of an epoch of 25 steps; parts of 8 of batches of 16.
COMMAND = ["model=resnet8", "data.subset=40", "data.test_subset=3", "batch_size=16", "epochs=3", "compute=cpu",
           "compute.threads=1", "norm=group", "micro_batch=8", "augment=[crop,mixup]", "hook=[ema]"]  # fmt: skip


def start(folder, *more):
    command = [sys.executable, "-m", "tricktable", "train", *COMMAND, *SHARED, f"output.root={folder}/outputs", *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def saved_after(folder, process, updates):
    """Wait until a later state is saved than that of so many updates; its clock."""
    while process.poll() is None and ((clock := newest(folder)) is None or clock["updates"] <= updates):
        time.sleep(0.005)
    assert process.returncode is None, process.communicate()
    return newest(folder)


def children(process):
    return list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def state(folder):
    return json.loads((run_of(folder) / "run.json").read_text())


@pytest.fixture(scope="module")
def whole():
    """The weights of the command in one process that nobody stops."""
    run = made(COMMAND)
    for _ in train(run, lambda: None):
        pass
    return weights_sha256(run.evaluated.state_dict())


def test_stopped_and_robbed_of_a_process_it_ends_with_the_same_bits(tmp_path, whole):
    first = start(tmp_path, "checkpoint.every=2")
    saved_after(tmp_path, first, 0)
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 75 and "SIGTERM: saved at epoch" in said
    assert state(tmp_path)["state"] == "interrupted" and 0 < newest(tmp_path)["position"] < 400

    second = start(tmp_path, "checkpoint.every=2")
    saved_after(tmp_path, second, newest(tmp_path)["updates"])
    (other,) = children(second)
    killed = time.monotonic()
    os.kill(other, signal.SIGKILL)
    _, said = second.communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert second.returncode == ProcessLost.exit_code == 10
    assert "process 1 of 2 was killed by SIGKILL; the same command goes on from the last save" in said
    assert state(tmp_path)["state"] == "failed" and "process 1 of 2" in state(tmp_path)["reason"]

    third = start(tmp_path)
    _, said = third.communicate(timeout=120)
    assert third.returncode == 0 and "continuing" in said
    assert json.loads((run_of(tmp_path) / "summary.json").read_text())["weights_sha256"] == whole


@pytest.mark.long
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_the_others_do_not_outlive_the_first(tmp_path, whole, name):
    """Nor does it outlive one that hangs."""
    process = start(tmp_path, "checkpoint.every=2")
    saved_after(tmp_path, process, 0)
    (other,) = children(process)
    at = time.monotonic()
    os.kill(process.pid if name == "SIGKILL" else other, signal.Signals[name])
    while time.monotonic() - at < 30 and (process.poll() is None or Path(f"/proc/{other}").exists()):
        time.sleep(0.1)
    assert process.poll() == (-signal.SIGKILL if name == "SIGKILL" else 10) and not Path(f"/proc/{other}").exists()
    process.communicate()
    again = start(tmp_path)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert json.loads((run_of(tmp_path) / "summary.json").read_text())["weights_sha256"] == whole
