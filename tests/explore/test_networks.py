"""What a network costs: counted once per network, at its paper's input or at another."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.stub import environment
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import networks
from tricktable.runner.training.count import count


def test_a_network_is_counted_once_whatever_else_its_configs_have(monkeypatch):
    counted = []
    monkeypatch.setattr(
        networks, "count", lambda model, shape, where: counted.append(shape) or count(model, shape, where)
    )
    monkeypatch.setattr(networks, "_counted", {})
    same = [["seed=3"], ["optimizer.lr=0.05", "augment=[crop]"], ["epochs=7"]]
    costs = {networks.cost(compose(["model=resnet8", *each])) for each in same}
    assert len(costs) == len(counted) == 1
    others = [["model=resnet20"], ["model=resnet8", "norm=group"], ["model=resnet8", "model.width=8"]]
    for each in others:
        networks.cost(compose(each))
    networks.cost(compose(["model=resnet8"]), (1, 8, 8), 10)
    networks.cost(compose(["model=resnet8"]), None, 100)
    assert len(counted) == 6


def test_the_input_is_the_papers_unless_another_is_given():
    config = compose(["model=resnet20"])
    paper = config.model.paper
    assert paper["input"] == [3, 32, 32] and networks.cost(config).params == paper["params"] == 269_722
    assert networks.cost(config, (1, 8, 8)).madds < networks.cost(config).madds
    read = schema.read(schema.plain(config))  # as a run's config.yaml, which has no facts
    with pytest.raises(BadInput, match="says no `paper"):
        networks.cost(read)
    assert networks.cost(read, (3, 32, 32), 10) == networks.cost(config)


def test_a_papers_facts_are_no_part_of_what_is_chosen():
    config = compose(["model=resnet20"])
    read = schema.read(schema.plain(config))
    assert read.model == config.model and read.model.paper is None
    assert "paper" not in schema.plain(config)["model"] and schema.choices_key(read) == schema.choices_key(config)


def test_a_small_network_costs_the_same_on_the_cpu_as_on_the_meta_device(monkeypatch):
    found = []
    for most in (networks.SMALL, 0.0):
        monkeypatch.setattr(networks, "SMALL", most)
        monkeypatch.setattr(networks, "_counted", {})
        configs = (
            compose([each, "init=[he]"]) for each in ("model=resnet20", "model=cct_2_3x2", "model=shufflenet_g3")
        )
        found.append([networks.cost(config, (3, 32, 32), 10) for config in configs])
    assert found[0] == found[1]


def test_a_small_network_is_counted_without_the_compiler():
    code = (
        "import sys; from tricktable.runner.config.compose import compose; from tricktable.runner.explore import networks\n"
        "networks.cost(compose(['model=resnet20', 'init=[he]'])); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
