"""predicted.json: what comes back, and what an older or a damaged one is."""

import json
import math

import pytest

from tricktable.runner.disk.predicted import Predicted, Worst
from tricktable.runner.errors import StorageProblem

WORST = Worst(index=7, name="ant/x.png", label=0, predicted=1, probability=0.75, loss=1.5, png="iVBO")
PREDICTED = Predicted(images=[3, 2], right=[2, 2], worst=(WORST,))


def test_it_comes_back_as_it_was_written(tmp_path):
    PREDICTED.write(tmp_path / "predicted.json")
    found = Predicted.read(tmp_path / "predicted.json")
    assert found == PREDICTED and found.worst[0].picture() == b"\x89PN"


def test_a_run_of_an_earlier_version_has_none(tmp_path):
    assert Predicted.read(tmp_path / "predicted.json") is None


def test_a_loss_that_is_not_finite_is_null(tmp_path):
    worst = Worst(index=0, label=0, predicted=0, probability=math.nan, loss=math.inf, png="")
    Predicted(images=[1], right=[0], worst=(worst,)).write(tmp_path / "predicted.json")
    (found,) = Predicted.read(tmp_path / "predicted.json").worst
    assert found.loss is None and found.probability is None


@pytest.mark.parametrize(
    "change",
    [
        {"right": [2]}, {"right": [4, 0]}, {"images": "two"}, {"images": [3, -1]}, {"worst": [{}]}, {"worst": 3},
        {"worst": [{"index": 0, "label": 2, "predicted": 0, "png": ""}]},
    ],
)  # fmt: skip
def test_a_damaged_one_is_one_line(tmp_path, change):
    plain = {"images": [3, 2], "right": [2, 2], "worst": []}
    (tmp_path / "predicted.json").write_text(json.dumps({**plain, **change}))
    with pytest.raises(StorageProblem, match=r"predicted\.json: damaged \(") as error:
        Predicted.read(tmp_path / "predicted.json")
    assert "\n" not in str(error.value)


def test_a_picture_that_is_no_base64_is_said():
    with pytest.raises(ValueError, match=r"^image 7: "):
        Worst(index=7, label=0, predicted=0, png="a b").picture()
