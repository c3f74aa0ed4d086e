import pytest

from runner.disk.summary import Result, Summary
from runner.errors import BadInput, ExpectationFailed
from runner.launch.expect import parse

SUMMARY = Summary(id="run", results=(Result(variant="final", inference="plain", test_error=4.0),), updates=100)


@pytest.mark.parametrize(
    "text", ["test_error<5", "test_error <= 4", "updates==100", "updates > 1e1", "test_error>=4.0"]
)
def test_holds(text):
    parse(text).check(SUMMARY)


@pytest.mark.parametrize("text", ["test_error<4", "updates>100", "val_error<50", "params>0"])
def test_does_not_hold(text):
    with pytest.raises(ExpectationFailed, match="got"):
        parse(text).check(SUMMARY)


@pytest.mark.parametrize(
    "text", ["test_eror<5", "test_error", "test_error<five", "<5", "test_error<5<6", "test_error<e"]
)
def test_is_refused(text):
    with pytest.raises(BadInput, match=r"^--expect"):
        parse(text)


def test_suggests_the_nearest_figure():
    with pytest.raises(BadInput, match="did you mean test_error"):
        parse("test_eror<5")
