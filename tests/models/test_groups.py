"""Which parameter is in which group, for every family and every trick of `groups`: a new one is covered by existing."""

import copy
import importlib.util
import inspect
from functools import cache

import pytest
import torch
import yaml
from torch import nn

from tests.conftest import ROOT
from tricktable.runner.config import CONFIGS
from tricktable.runner.config.compose import compose, options
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build, objects

LIBRARIES = {name: "model.arch=resnet18" for name in ("torchvision", "timm") if importlib.util.find_spec(name)}
FAMILIES = sorted({p.stem for p in (ROOT / "models").glob("[!_]*.py")} - ({"timm"} - set(LIBRARIES)))
FIXUP = ("norm=none", "init=[fixup]")
NORM = nn.modules.batchnorm._BatchNorm | nn.LayerNorm


@cache
def family(member):
    """The file that a member's YAML names, or the one that it inherits from."""
    values = yaml.safe_load((CONFIGS / "model" / f"{member}.yaml").read_text(encoding="utf-8"))
    return values["name"] if "name" in values else family(values["defaults"][0])


def members(name):
    return sorted((m for m in options("model") if family(m) == name), key=lambda m: (len(m), m))


@cache
def original(name, *overrides):
    with torch.device("meta"):
        typed = [f"model={members(name)[0]}", *([LIBRARIES[name]] if name in LIBRARIES else []), *overrides]
        return build.build_model(compose(typed), 3, 10)


def network(name, *overrides):
    """A family's member with the shortest name, which is one of its simplest; on the meta device, and one's own."""
    return copy.deepcopy(original(name, *overrides))


def seams(name):
    return set(inspect.signature(objects.target("models", name)).parameters)


# Whose branches fixup does not take: those of one weight layer, and those that end in an activation or have none.
WITHOUT_FIXUP = {"airbench", "convmixer"}
RESIDUAL = [name for name in FAMILIES if {"norm", "residual", "head"} <= seams(name) and name not in WITHOUT_FIXUP]
NETWORKS = [(name,) for name in FAMILIES] + [(name, *FIXUP) for name in RESIDUAL]


def kinds(model):
    """Each trainable parameter's kind, by the module that owns it."""
    found = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
                found[parameter] = name
            else:
                assert isinstance(module, NORM), f"{type(module).__name__} has parameters"
                found[parameter] = {"weight": "gamma", "bias": "beta"}[name]
    return found


@cache
def made(trick):
    return objects.make("groups", compose([f"groups={trick}"]).groups)


def grouped(trick, model):
    return made(trick)(model)


def the_kinds_in(group, kind):
    return {kind[p] for p in group["params"]}


@pytest.mark.parametrize("trick", options("groups"))
@pytest.mark.parametrize("chosen", NETWORKS, ids=" ".join)
def test_every_trainable_parameter_is_in_one_group_once(trick, chosen):
    model = network(*chosen)
    try:
        groups = grouped(trick, model)
    except ValueError as nothing:
        assert str(nothing).startswith(f"{trick} finds no ")
        return
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    assert all(group["params"] for group in groups)
    assert all(set(group) <= {"params", "lr_scale", "decay_scale", "origin"} for group in groups)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_decay_exempts_biases_and_normalisations(name):
    model = network(name)
    kind = kinds(model)
    weights, others = grouped("no_decay", model)
    assert the_kinds_in(weights, kind) == {"weight"}
    assert the_kinds_in(others, kind) == set(kind.values()) - {"weight"}
    assert (weights.get("decay_scale", 1), others["decay_scale"]) == (1, 0)


@pytest.mark.parametrize("name", FAMILIES)
def test_norm_decay_tells_gammas_and_betas_from_all_others(name):
    model = network(name)
    kind = kinds(model)
    if "gamma" not in kind.values():
        with pytest.raises(ValueError, match="finds no trainable gamma"):
            grouped("norm_decay", model)
        return
    groups = grouped("norm_decay", model)
    found = [the_kinds_in(group, kind) for group in groups]
    assert [{"gamma"} in found, {"beta"} in found] == [True, "beta" in kind.values()]
    assert found[-1] == set(kind.values()) - {"gamma", "beta"}


@pytest.mark.parametrize("name", FAMILIES)
def test_layerwise_has_a_group_for_each_module_and_the_classifier_is_the_last(name):
    model = network(name)
    owners = [m for m in model.modules() if any(True for _ in m.parameters(recurse=False))]
    groups = grouped("layerwise", model)
    assert [[id(p) for p in group["params"]] for group in groups] == [
        [id(p) for p in m.parameters(recurse=False) if p.requires_grad] for m in owners
    ]
    scales = [group["lr_scale"] for group in groups]
    assert scales == sorted(scales) and len(set(scales)) == len(owners)
    assert scales[-1] == 1 and owners[-1].weight.shape[0] == 10


@pytest.mark.parametrize("name", sorted(WITHOUT_FIXUP))
def test_fixup_refuses_the_others(name):
    with pytest.raises(BadInput, match="init.fixup: fixup (needs|finds)"):
        network(name, *FIXUP)


@pytest.mark.parametrize("name", RESIDUAL)
def test_scalar_lr_finds_fixups_scalars_and_nothing_else(name):
    plain, model = network(name, "norm=none"), network(name, *FIXUP)
    others, scalars = grouped("scalar_lr", model)
    (classifier,) = [p for p in plain.parameters() if p.ndim == 1]  # its bias is slowed too, by its name
    assert [p.shape for p in others["params"]] == [p.shape for p in plain.parameters() if p is not classifier]
    assert {p.shape for p in scalars["params"]} == {(1,), classifier.shape}
    assert (others.get("lr_scale", 1), scalars["lr_scale"]) == (1, 0.1)
    with pytest.raises(ValueError, match="finds no trainable parameter of one element"):
        grouped("scalar_lr", plain)
