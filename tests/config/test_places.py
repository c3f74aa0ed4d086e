"""Interfaces: a trick has one by what it defines, and each trick of the tree has that of its place."""

import inspect
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tricktable.runner.config import abilities, places
from tricktable.runner.config.abilities import StatefulHook, VariantHook, having
from tricktable.runner.config.compose import options
from tricktable.runner.config.places import EpochHook, FinishHook, Hook, Penalty, StepHook
from tricktable.runner.config.schema import Option
from tricktable.runner.training.objects import make, target


class Counts:
    """Nothing of the project is inherited."""

    def __init__(self):
        self.variants = {"counted": 2}

    def on_step(self, run): ...


class Ends:
    def on_step(self, run): ...
    def finish(self, run): ...


def test_tricks_have_an_interface_by_what_they_define():
    tricks = {"first": Ends(), "second": Counts(), "third": Ends(), "fourth": object()}
    assert [name for name, _ in having(tricks, StepHook)] == ["first", "second", "third"]
    assert dict(having(tricks, FinishHook)) == {"first": tricks["first"], "third": tricks["third"]}
    assert dict(having(tricks, VariantHook)) == {"second": tricks["second"]}
    assert not list(having(tricks, EpochHook)) and not list(having(tricks, StatefulHook))


def test_a_method_that_an_instance_gets_counts():
    """L1 has `loss` or `after_step` by its argument `decoupled`; its class has neither."""
    coupled = {"l1": make("penalty", Option("l1", {}))}
    decoupled = {"l1": make("penalty", Option("l1", {"decoupled": True}))}
    assert dict(having(coupled, places.CoupledPenalty)) == coupled and not dict(
        having(coupled, places.DecoupledPenalty)
    )
    assert dict(having(decoupled, places.DecoupledPenalty)) == decoupled
    assert not dict(having(decoupled, places.CoupledPenalty))


@pytest.mark.parametrize("name", options("penalty"))
def test_every_penalty_is_coupled_or_decoupled(name):
    assert isinstance(make("penalty", Option(name, {})), Penalty)


@pytest.mark.parametrize("name", options("hook"))
def test_every_hook_acts_and_saves_either_all_of_its_state_or_has_none(name):
    """Half of an interface would be a method that is silently never called."""
    hook = make("hook", Option(name, {}), total_epochs=3.0)
    assert isinstance(hook, Hook)
    assert isinstance(hook, StatefulHook) or not {"state_dict", "load_state_dict"} & set(dir(hook))
    assert isinstance(hook, FinishHook) or not isinstance(hook, VariantHook)


@pytest.mark.parametrize("place", ["augment", "hook", "penalty"])
def test_a_public_method_of_a_trick_belongs_to_an_interface(place):
    """A misspelt `on_setp` would be silently never called."""
    interfaces = [
        each
        for page in (places, abilities)
        for each in vars(page).values()
        if inspect.isclass(each) and getattr(each, "_is_protocol", False)
    ]
    known = {name for each in interfaces for name in vars(each) if not name.startswith("_")}
    assert {"on_step", "loss", "load_state_dict"} <= known
    for name in options(place):
        methods = [m for m, _ in inspect.getmembers(target(f"tricks/{place}", name), inspect.isfunction)]
        assert {m for m in methods if not m.startswith("_")} <= known, f"{place}/{name}"


def test_the_page_is_read_without_torch():
    code = "import sys, tricktable.runner.config.places, tricktable.runner.config.abilities; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
