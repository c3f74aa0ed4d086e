"""Every trick, family, optimizer and precision on a CUDA device that is not there: what a step asks of it."""

import json

import pytest
import torch

from tests.cuda import cases
from tests.cuda.launches import RENEW, TABLE, row
from tests.models.test_zoo import FAMILIES, LIBRARIES

LAUNCHES = json.loads(TABLE.read_text(encoding="utf-8"))
CASES = [
    pytest.param(group, name, id=name, marks=[pytest.mark.long] if group in cases.LONG else [])
    for group, make in cases.GROUPS.items()
    for name in make()
]
OTHER_TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2]) != (2, 15)
FP16 = "compute.precision: fp16 leaves out a step whose gradient overflowed, and a GPU does not wait to say so"
TWICE = "compute.precision: fp16 scales one gradient a step"


def refusal(name):
    """How the error begins that a case is to end with; nothing where it is to train."""
    if name == "fp16 decoupled":
        return FP16
    if name.endswith(" fp16") and name.startswith("optimizer/"):
        optimizer = name.removeprefix("optimizer/").removesuffix(" fp16")
        return "" if optimizer in cases.FP16 else TWICE if optimizer in ("sam", "asam") else FP16
    return ""


@pytest.fixture
def report(reports, group, name):
    return reports(group, cases.GROUPS[group]())[name]


@pytest.mark.parametrize(("group", "name"), CASES)
def test_nothing_in_an_epoch_waits_for_the_device(report, name):
    """It builds and steps, every tensor is on the device, and no value, shape or blocking copy crosses to the host."""
    if begins := refusal(name):
        assert report["error"].startswith(f"BadInput: {begins}")
        return
    assert "error" not in report, f"{report['error']}\n{report['frames']}"
    assert not report["waits"]
    read = {at: n for at, n in report["evaluating"].items() if not at.endswith("runner/training/evaluate.py evaluate")}
    assert not read, "evaluating reads its figures, once, and nothing else"


@pytest.mark.skipif(OTHER_TORCH, reason="the table is of torch 2.15, and another dispatches other operators")
@pytest.mark.parametrize(("group", "name"), [case for case in CASES if case.values[0] not in cases.LONG])
def test_no_step_has_grown(report, name):
    """To the kernel: what has become less is to be written down as well, or the next to grow would not show."""
    assert row(report) == LAUNCHES.get(name), f"{name} is not as benchmarks/launches.json has it; renew it: {RENEW}"


def test_every_family_has_a_case():
    assert {*FAMILIES, *LIBRARIES} - {"timm"} == {*cases.FAMILIES}
