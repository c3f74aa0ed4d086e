from pathlib import Path

import pytest

from tricktable.runner.disk.info import Identity
from tricktable.runner.disk.summary import DataSummary, Result, Summary
from tricktable.runner.errors import BadInput, ExpectationFailed
from tricktable.runner.launch import expect, sweep
from tricktable.runner.launch.outcome import Job, Outcome

RESULTS = (
    Result(variant="final", inference="plain", test_error=4.0, test_loss=0.5, test_top5_error=1.0),
    Result(variant="ema", inference="flip", test_error=3.0),
)
SUMMARY = Summary(id="run", results=RESULTS, updates=100, train_error=7.5, data=DataSummary(train=60))


def check(*texts):
    expect.check(expect.parse(texts), SUMMARY)


@pytest.mark.parametrize(
    "text",
    [
        "test_error<5", "test_error <= 4", "updates==100", "updates > 1e1", "test_error>=4.0",
        "accuracy==96", "test_accuracy>=96", "train_accuracy==92.5", "error==4", "loss<0.6", "test_loss==0.5",
        "ema.flip.test_error<3.5", "ema.flip.accuracy==97", "data.train==60",
        "top5_error<5", "test_top5_error==1", "top5_accuracy==99", "final.plain.top5_error<=1",
    ],
)  # fmt: skip
def test_holds(text):
    check(text)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("test_error<4", "got 4 "), ("updates>100", "got 100 "), ("params>0", "got 0 "), ("accuracy>96.5", "got 96 "),
        ("val_error<50", "the run has not measured it"), ("swa.plain.test_error<50", "the run has not measured it"),
        ("ema.flip.test_loss<50", "the run has not measured it"),
    ],
)  # fmt: skip
def test_does_not_hold(text, got):
    with pytest.raises(ExpectationFailed) as failed:
        check(text)
    assert f"expected {text}, got" in str(failed.value) and got in str(failed.value)


def test_all_are_checked_and_every_miss_is_told():
    with pytest.raises(ExpectationFailed) as failed:
        check("test_error<1", "updates==100", "loss<0.1")
    assert str(failed.value) == "expected test_error<1, got 4; expected loss<0.1, got 0.5 (run)"


@pytest.mark.parametrize(
    "text", ["test_eror<5", "test_error", "test_error<five", "<5", "test_error<5<6", "test_error<e", "ema.flip.lr<1"]
)
def test_is_refused(text):
    with pytest.raises(BadInput, match=r"^--expect"):
        check(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("test_eror<5", "test_error"),
        ("acuracy>5", "accuracy"),
        ("test_acuracy>5", "test_accuracy"),
        ("updats>1", "updates"),
    ],
)
def test_suggests_the_nearest_figure(text, meant):
    with pytest.raises(BadInput, match=rf"did you mean {meant}\?"):
        check(text)


def outcome(title, state, reason=None, summary=None):
    job = Job((title,), Path("root"), "study", "label", Identity(title * 64, "f", {}), title)
    return Outcome(job, state, reason, summary, seconds=1.5)


DONE, DIVERGED = (
    outcome("a", "complete", None, SUMMARY),
    outcome("b", "diverged", "diverged at update 2", Summary(id="b")),
)
FAILED, STOPPED = outcome("c", "failed", "killed by SIGKILL"), outcome("d", "interrupted", "saved")


def test_a_run_that_diverged_or_failed_holds_nothing():
    """Else a study of which nothing is left passes."""
    expectations = expect.parse(["test_error<50", "updates>0"])
    sweep.check(expectations, [DONE])
    for lost, why in ((DIVERGED, "diverged at update 2"), (FAILED, "killed by SIGKILL")):
        with pytest.raises(ExpectationFailed) as failed:
            sweep.check(expectations, [DONE, lost])
        said = f"{lost.job.title}: expected test_error<50 and updates>0, and the run has no result: {why}"
        assert str(failed.value) == f"1 of 2 runs do not hold: {said}"
    sweep.check((), [DIVERGED, FAILED])  # nothing was expected
    sweep.check(expectations, [STOPPED])  # it goes on: exit code 75, by raise_for


def test_outcomes_as_a_report_has_them():
    (cases,) = sweep.cases([DONE, DIVERGED, FAILED, STOPPED], expect.parse(["test_error<3"])).values()
    assert [case.kind for case in cases] == ["failure", "failure", "failure", "error"]
    assert cases[0].failure == "expected test_error<3, got 4" and cases[0].seconds == 1.5
    (cases,) = sweep.cases([DONE, DIVERGED, FAILED], ()).values()
    assert [case.kind for case in cases] == [None, None, "error"], (
        "a diverged run is a result where nothing is expected"
    )
    assert cases[1].told == "diverged at update 2"


def test_an_outcome_for_programs():
    told = sweep.plain(DONE, expect.parse(["test_error<3"]))
    assert (told["state"], told["misses"]) == ("complete", ["expected test_error<3, got 4"])
    assert told["summary"]["test_error"] == 4.0 and sweep.plain(FAILED, ())["summary"] is None
