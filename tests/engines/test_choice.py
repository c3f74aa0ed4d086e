"""Which engine is meant, and what its runs are: settled where they are planned, whatever machine makes them."""

import os
import subprocess
import sys

import pytest
import torch

from tests.conftest import ROOT, TINY
from tricktable.runner.config import roots
from tricktable.runner.config.compose import compose
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.errors import BadInput
from tricktable.runner.launch import settled, sweep
from tricktable.runner.launch.engines import choice, engine
from tricktable.runner.launch.engines.engine import Node, Order
from tricktable.runner.launch.engines.local import Local
from tricktable.runner.launch.engines.ray import Ray
from tricktable.runner.training import job

OPEN = tuple(each for each in TINY if not each.startswith("compute"))  # device and threads are left open


class Elsewhere(Local):
    """Children of this machine, as if it were another."""

    def __init__(self, node):
        super().__init__()
        self.node = node


@pytest.fixture
def ray_installed(monkeypatch):
    monkeypatch.setattr("tricktable.runner.launch.engines.ray.needs", lambda *_: None)


def planned(overrides, node):
    typed = Overrides(overrides)
    return sweep.plan([(typed, compose(typed))], Elsewhere(node))[0]


def test_device_and_threads_of_another_machine_are_typed_with_the_run():
    asked = compose(OPEN).compute
    assert settled.overrides(asked, None) == ()
    assert settled.overrides(asked, Node("cpu", 3)) == ("compute.device=cpu", "compute.threads=3")
    assert settled.overrides(compose(["compute.threads=2"]).compute, Node("cuda", 3)) == ("compute.device=cuda",)
    assert settled.overrides(compose(["compute=cpu", "compute.threads=2"]).compute, Node("cuda", 3)) == ()


@pytest.mark.parametrize("node", [Node("cpu", 1), Node("cpu", 7)])
def test_a_run_is_planned_as_the_one_that_it_will_be(node):
    """7 threads: more than this machine may have cores, whose own number it must not take."""
    typed = [*OPEN, "compute.device=auto", "seed=3"]
    found = planned(typed, node)
    order = Order.of(found)
    config = compose([each for each in order.arguments if not each.startswith("--")])
    assert config.compute.threads == node.threads and config.compute.device == node.device
    assert job.prepare(config, sweep.data.load(config.data))[1] == found.identity


def test_a_run_for_a_gpu_is_planned_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = planned([*OPEN, "seed=3"], Node("cuda", 4))
    assert found.settled == ("compute.device=cuda", "compute.threads=4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert job.config_hash(compose([*OPEN, *found.settled, "seed=3"])) == found.identity.config_hash
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match="compute.device: cuda was asked for, and torch finds no GPU here"):
        sweep.plan([(Overrides([*OPEN, "compute.device=cuda"]), compose([*OPEN, "compute.device=cuda"]))])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a process's cores to be chosen")
def test_a_machine_of_fewer_cores_makes_the_run_that_was_planned(tmp_path):
    found = planned([*OPEN, f"output.root={tmp_path}"], Node("cpu", 2))
    command = [sys.executable, "-m", "tricktable", "train", *Order.of(found).arguments]
    one = min(os.sched_getaffinity(0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    preexec = lambda: os.sched_setaffinity(0, {one})  # noqa: E731 (a statement for the child)
    subprocess.run(command, env=environment, preexec_fn=preexec, check=True, capture_output=True, timeout=600)
    assert found.folder().read().state == "complete"


def test_an_engine_is_read_like_a_config(ray_installed):
    found = choice.chosen("ray", ["engine.gpus=0.5", "engine.resources={disk: 1}"], at_once=3)
    assert isinstance(found, Ray) and found.slots == 3 and found.node == Node("cuda", 1)
    assert (found.options.gpus, dict(found.options.resources), found.options.address) == (0.5, {"disk": 1}, None)


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("slrum", [], "--engine: nothing is called slrum; did you mean slurm?"),
        ("ray", ["engine.gpu=1"], "engine.gpu: --engine ray has no such key; did you mean gpus?"),
        ("ray", ["engine.cpus=0"], "engine.cpus: expected a number above 0, got 0"),
        ("ray", ["engine.cpus=many"], "engine.cpus: expected a number, got 'many'"),
        ("local", ["engine.cpus=2"], "engine.cpus: --engine local has no such key"),
    ],
)
def test_what_an_engine_has_not_is_refused(ray_installed, name, typed, words):
    with pytest.raises(BadInput, match=f"^{words}"):
        choice.chosen(name, typed)


@pytest.mark.parametrize("name", ["local", "ray"])
def test_only_slurm_keeps_runs(ray_installed, name):
    with pytest.raises(BadInput, match="^--detach: "):
        choice.chosen(name, [], detached=True)


def test_a_library_that_is_not_there_is_named_with_its_extra():
    words = r"^--engine slurm needs nosuchlibrary, which is not installed: pip install 'tricktable\[slurm\]'$"
    with pytest.raises(BadInput, match=words):
        engine.needs("slurm", "nosuchlibrary")


def test_a_site_has_engines_of_its_own(ray_installed, monkeypatch, tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "shared.yaml").write_text("# two to a card\nname: ray\ngpus: 0.5\n")
    monkeypatch.setenv(roots.CONFIG_DIR, str(tmp_path))
    found = choice.chosen("shared", ["engine.cpus=2"])
    assert (found.options.gpus, found.options.cpus, found.options.retries) == (0.5, 2, 3)
    (tmp_path / "engine" / "shared.yaml").write_text("name: lsf\n")
    with pytest.raises(BadInput, match="name: expected local or ray or slurm"):
        choice.chosen("shared", [])
    (tmp_path / "engine" / "shared.yaml").write_text("name: ray\ngpu: 0.5\n")
    with pytest.raises(BadInput, match=r"engine: unknown key gpu; did you mean gpus"):
        choice.chosen("shared", [])


def test_the_command_says_what_it_is_for(tricktable):
    done = tricktable("train", "-m", "engine.time=5", *TINY, "seed=0,1")
    assert done.returncode == 2 and "engine.time=5: of which engine?" in done.stderr
    done = tricktable("train", "-m", "engine=slurm", *TINY, "seed=0,1")
    assert done.returncode == 2 and "type --engine slurm" in done.stderr
    done = tricktable("train", "--engine", "local", *TINY)
    assert done.returncode == 2 and "are for several runs: add -m" in done.stderr
    done = tricktable("list", "engine")
    assert done.returncode == 0 and all(name in done.stdout for name in ("local", "slurm", "ray"))
