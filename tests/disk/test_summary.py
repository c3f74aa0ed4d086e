"""summary.json: its keys, what comes back, and what an older or a damaged one is."""

import json
import math

import pytest

from tricktable.runner.disk.summary import ComputeSummary, DataSummary, Environment, Result, Summary
from tricktable.runner.errors import StorageProblem

SUMMARY = Summary(
    id="run-a", study="s", state="complete", train_loss=0.25, train_error=1.5, seed=3, epochs=2, updates=10, samples=100,
    params=7, madds=9, weights_sha256="0" * 64,
    results=(
        Result(variant="final", inference="plain", test_loss=0.5, test_error=12.5),
        Result(variant="ema", inference="flip", picked=0.5, val_loss=1 / 3, val_error=10.0, test_loss=0.1, test_error=11.0),
    ),
    data=DataSummary(title="digits", fingerprint="sha256:x", dataset="digits", complete=True, train=100, mean=[4.5],
                     classes=2, class_names=["one", "zwei"]),
    compute=ComputeSummary(device="cpu", precision="fp32", threads=1), environment=Environment(cpu="a processor"),
)  # fmt: skip


def test_it_comes_back_as_it_was_written(tmp_path):
    SUMMARY.write(tmp_path / "summary.json")
    assert Summary.read(tmp_path / "summary.json") == SUMMARY


def test_its_own_result_stands_among_the_first_keys(tmp_path):
    SUMMARY.write(tmp_path / "summary.json")
    values = json.loads((tmp_path / "summary.json").read_text())
    assert list(values)[:9] == [
        "id", "study", "state", "variant", "inference", "test_loss", "test_error", "train_loss", "train_error",
    ]  # fmt: skip
    assert values["results"][0] == {"variant": "final", "inference": "plain", "test_loss": 0.5, "test_error": 12.5}
    assert values["results"][1]["picked"] == 0.5 and values["data"]["dataset"] == "digits"


def test_figures_have_the_names_of_its_keys():
    names = ("test_error", "train_loss", "updates", "val_error")
    assert [SUMMARY.figure(name) for name in names] == [12.5, 0.25, 10, None]
    assert Summary(state="diverged", diverged_at=3).figure("test_error") is None


def test_an_older_one_lacks_what_came_later_and_a_newer_one_has_more(tmp_path):
    values = SUMMARY.plain()
    for key in ("dataset", "copy", "complete", "class_names"):
        del values["data"][key]
    (tmp_path / "summary.json").write_text(json.dumps({**values, "of_tomorrow": [1]}))
    data = Summary.read(tmp_path / "summary.json").data
    assert (data.title, data.dataset, data.copy, data.complete) == ("digits", None, None, False)
    assert data.classes == 2 and data.class_names == []


def test_what_is_not_finite_is_null(tmp_path):
    result = Result(variant="final", inference="plain", test_loss=math.nan, test_error=90.0)
    Summary(results=(result,)).write(tmp_path / "summary.json")
    assert json.loads((tmp_path / "summary.json").read_text())["test_loss"] is None
    assert Summary.read(tmp_path / "summary.json").figure("test_loss") is None


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "three"}, {"results": {}}, {"results": [3]}, {"results": [{"variant": "final"}]}, {"data": []},
        {"updates": 1.5}, {"train_loss": [0.1]}, {"data": {"mean": ["x"]}},
    ],
)  # fmt: skip
def test_a_damaged_one_is_one_line(tmp_path, change):
    (tmp_path / "summary.json").write_text(json.dumps({**SUMMARY.plain(), **change}))
    with pytest.raises(StorageProblem, match=r"summary\.json: damaged \(") as error:
        Summary.read(tmp_path / "summary.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"a": NaN}', b"[" * 100_000, b"\xff", None])
def test_one_that_is_missing_or_no_json_is_one_line(tmp_path, data):
    if data is not None:
        (tmp_path / "s.json").write_bytes(data)
    with pytest.raises(StorageProblem, match=r"s\.json") as caught:
        Summary.read(tmp_path / "s.json")
    assert "\n" not in str(caught.value)
