"""What every network of configs/model/ must do, whatever its family: a new one is covered by existing."""

import inspect
import math
import typing
from functools import cache

import pytest
import torch
import yaml
from torch import nn

from tests.conftest import ROOT
from tricktable.runner.config import CONFIGS
from tricktable.runner.config.compose import compose, merge, options
from tricktable.runner.config.schema import Option
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import networks
from tricktable.runner.training import build, count, objects

MEMBERS = tuple(networks.members())
LIBRARIES = {"torchvision", "timm"}  # families without members of their own: tests/models/test_libraries.py
DOCS = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").splitlines()

# Where ours and the paper's figure are counts of different things: ours minus theirs, and why.
CONVENTIONS = {("preact_resnet18", "madds"): (512 * 10, "zhang2018_mixup counts convolutions without the classifier")}


@cache
def family(name):
    """The file that a member's YAML names, or the one that it inherits from."""
    values = yaml.safe_load((CONFIGS / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    return values["name"] if "name" in values else family(values["defaults"][0])


FAMILIES = sorted({family(name) for name in MEMBERS})
SEAMS = ("conv", "norm", "activation", "residual", "head")


@cache
def facts(name):
    """A member's input shape and number of classes in its paper, and the paper's counts."""
    paper = merge([f"model={name}"])["model"]["paper"]
    return tuple(paper["input"]), paper["classes"], {key: paper[key] for key in ("params", "madds")}


@cache
def smallest(name):
    """The member of a family that costs least."""
    members = [member for member in MEMBERS if family(member) == name]
    return min(members, key=lambda member: networks.network([f"model={member}"])["madds"])


def residual_member(name):
    """The member whose blocks are residual, where the family's smallest has none."""
    return {"squeezenet": "squeezenet1_0_simple", "airbench": "airbench96"}.get(name) or smallest(name)


def on_meta(name, *overrides):
    shape, classes, _ = facts(name)
    with torch.device("meta"):
        return build.build_model(compose([f"model={name}", *overrides]), shape[0], classes), shape, classes


@pytest.mark.parametrize("name", MEMBERS)
def test_shapes_gradients_and_the_papers_counts(name):
    model, shape, classes = on_meta(name)
    logits = model(torch.empty(2, *shape, device="meta"))
    assert logits.shape == (2, classes)
    logits.sum().backward()
    missed = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not missed, f"no gradient reaches {missed}"
    assert model.stride >= model.stem_stride >= 1
    counted, paper = count.count(model, shape), facts(name)[2]
    for key in ("params", "madds"):
        if (name, key) in CONVENTIONS:
            assert getattr(counted, key) - paper[key] == CONVENTIONS[name, key][0]
        else:
            assert paper[key] in (None, getattr(counted, key)), key
    row = {"model": name, "input": shape, "params": counted.params, "madds": counted.madds, "flops": counted.flops}
    row |= {f"paper_{key}": paper[key] for key in paper}
    assert networks.markdown([row]).splitlines()[6] in DOCS, "run `make docs`"


def real(name):
    """A small real instance: the paper's input, but not above 64 pixels where the network takes less."""
    (channels, height, _), classes, _ = facts(name)
    config = compose([f"model={name}"])
    model = build.build_model(config, channels, classes)
    for size in sorted({min(height, 64), min(height, 96), height}):
        try:
            count.count(model, (channels, size, size))
            return model, torch.randn(4, channels, size, size), classes
        except RuntimeError:
            continue
    raise AssertionError(f"{name} takes no size")


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "bf16 channels_last"])
def test_the_smallest_of_each_family_trains(name, half):
    torch.manual_seed(0)
    model, x, classes = real(smallest(name))
    layout = torch.channels_last if half else torch.contiguous_format
    model.to(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = model(x.contiguous(memory_format=layout))
    loss = nn.functional.cross_entropy(logits.float(), torch.randint(classes, (4,)))
    loss.backward()
    assert math.isfinite(loss.item())
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def takes(name):
    return set(inspect.signature(objects.target("models", name)).parameters)


class Counted:
    """A factory that counts what it makes, and how often that is called in a forward pass."""

    def __init__(self, make):
        self.make, self.made, self.called = make, 0, 0

    def __call__(self, *arguments, **options):
        self.made += 1
        module = self.make(*arguments, **options)
        module.register_forward_hook(lambda *_: setattr(self, "called", self.called + 1))
        return module


OWN = {
    "conv": nn.Conv2d,
    "norm": nn.BatchNorm2d,
    "activation": nn.Softplus,
    "head": nn.Linear,
    "residual": objects.target("tricks/residual", "sum"),
}


@pytest.mark.parametrize("seam", SEAMS)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_seam_is_used_or_refused(name, seam, monkeypatch):
    member = residual_member(name) if seam == "residual" else smallest(name)
    shape, classes, _ = facts(member)
    config = compose([f"model={member}"])
    config = type(config)(**{**vars(config), seam: Option("counted", {})})
    counted = Counted(OWN[seam])
    make = objects.make
    monkeypatch.setattr(objects, "make", lambda p, o, *a, **g: counted if o.name == "counted" else make(p, o, *a, **g))
    if seam not in takes(name):
        with pytest.raises(BadInput, match=f"{seam}: the network {name} has no such seam"):
            build.build_model(config, shape[0], classes)
        return
    with torch.device("meta"):
        model = build.build_model(config, shape[0], classes)
        model.eval()
        model(torch.empty(2, *shape))
    assert counted.made >= 1 and counted.called >= counted.made
    left = {"conv": nn.Conv2d, "norm": nn.modules.batchnorm._BatchNorm, "head": nn.Linear}.get(seam)
    if left is not None and seam != "head":
        assert sum(isinstance(m, left) for m in model.modules()) == counted.made, "one was made past the seam"
    if seam == "head":
        assert counted.made == 1


@pytest.mark.parametrize("name", [n for n in FAMILIES if {"norm", "residual"} <= takes(n)])
def test_residual_networks_build_without_normalisation(name):
    model, shape, classes = on_meta(residual_member(name), "norm=none")
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    assert model(torch.empty(2, *shape, device="meta")).shape == (2, classes)


@pytest.mark.parametrize("name", [n for n in FAMILIES if "residual" in takes(n)])
def test_residual_blocks_are_numbered_in_forward_order(name, monkeypatch):
    seen, widths = [], []

    def residual(index, total, branches, channels):
        seen.append((index, total, branches))
        term = OWN["residual"](index, total, branches, channels)
        term.register_forward_hook(lambda module, args, out: widths.append((channels, out.shape[1])))
        return term

    member = residual_member(name)
    config = compose([f"model={member}"])
    config = type(config)(**{**vars(config), "residual": Option("seen", {})})
    make = objects.make
    monkeypatch.setattr(objects, "make", lambda p, o, *a, **g: residual if o.name == "seen" else make(p, o, *a, **g))
    shape, classes, _ = facts(member)
    with torch.device("meta"):
        model = build.build_model(config, shape[0], classes)
    assert [index for index, _, _ in seen] == list(range(1, len(seen) + 1))
    assert {total for _, total, _ in seen} == {len(seen)}
    model(torch.empty(2, *shape, device="meta"))
    assert len(widths) == len(seen) and all(said == channels for said, channels in widths)
    blocks = [m for m in model.modules() if hasattr(m, "branches") and isinstance(m.branches, nn.ModuleList)]
    assert [len(m.branches) for m in blocks] == [branches for _, _, branches in seen]
    assert all(isinstance(branch, nn.Sequential) for m in blocks for branch in m.branches)


def test_every_family_has_a_member_and_every_member_its_family():
    files = {p.stem for p in (ROOT / "models").glob("[!_]*.py")}
    assert files == set(FAMILIES) | LIBRARIES
    assert set(options("model")) == set(MEMBERS) | LIBRARIES


@pytest.mark.parametrize("name", FAMILIES)
def test_arguments_have_types_that_the_runner_can_check(name):
    made = objects.target("models", name)
    hints = typing.get_type_hints(made.__init__)
    assert set(inspect.signature(made).parameters) <= set(hints), "an argument without a type"


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_says_the_papers_facts(name):
    values = yaml.safe_load((CONFIGS / "model" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert {"input", "classes", "params", "madds"} <= set(values["paper"]), (
        "also where all of them are inherited or null"
    )


def test_the_table_in_the_docs_has_every_member_in_order():
    rows = [line.split(" | ")[0].removeprefix("| ") for line in DOCS if line.startswith("| ")]
    assert rows[2:] == list(MEMBERS), "run `make docs`"
