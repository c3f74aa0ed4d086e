"""What a network costs: counted once per network, at its paper's input or at another."""

import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.conftest import ROOT
from tests.stub import environment
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import networks
from tricktable.runner.training.build import build_model
from tricktable.runner.training.count import count


def test_a_network_is_counted_once_whatever_else_its_configs_have(monkeypatch):
    counted = []
    monkeypatch.setattr(networks, "count", lambda model, shape: counted.append(shape) or count(model, shape))
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


@pytest.mark.parametrize("name", ["resnet20", "cct_2_3x2", "shufflenet_g3", "squeezenet1_0"])
def test_what_is_not_drawn_nor_computed_costs_the_same(name):
    config = compose([f"model={name}", "init=[he]"])
    shape = (3, 32, 32)
    drawn = build_model(config, 3, 10)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        drawn.eval()(torch.randn(1, *shape))
    cost = networks.cost(config, shape, 10)
    assert cost.flops == counter.get_total_flops() == 2 * cost.madds
    assert cost.params == sum(each.numel() for each in drawn.parameters())


def test_networks_are_counted_without_the_compiler():
    code = (
        "import sys; from tricktable.runner.config.compose import compose; from tricktable.runner.explore import networks\n"
        "[networks.cost(compose([f'model={name}'])) for name in ('resnet110', 'wrn_28_10', 'mobilenet_v2')]; print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
