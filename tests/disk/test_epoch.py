"""A row of metrics.csv: its columns in order, and what comes back from a table."""

import dataclasses

import pytest

from tricktable.runner.disk import record
from tricktable.runner.disk.epoch import EpochRow

ROW = EpochRow(
    epoch=2, samples=20, updates=4, lr=0.1, batch_size=5, momentum=0.9, noise_scale=3.5, noise_scale_exact=3.0,
    effective_lr=1.0, train_loss=1 / 3, train_error=50.0, figures={"l1_zeros": 0.25}, test_loss=0.5, test_error=40.0,
    images_per_second=12.5,
)  # fmt: skip


def test_columns_stand_in_their_order_and_the_optimizers_knobs_alone():
    assert list(ROW.plain()) == [
        "epoch", "samples", "updates", "lr", "batch_size", "momentum", "noise_scale", "noise_scale_exact",
        "effective_lr", "train_loss", "train_error", "l1_zeros", "val_loss", "val_error", "test_loss", "test_error",
        "images_per_second",
    ]  # fmt: skip
    assert ROW.plain()["l1_zeros"] == 0.25 and ROW.plain()["val_loss"] is None


@pytest.mark.parametrize("row", [ROW, dataclasses.replace(ROW, size=16)])
def test_a_row_comes_back_from_its_table(tmp_path, row):
    record.Metrics(tmp_path / "m.csv").append(row.plain())
    (read,) = record.read(tmp_path / "m.csv")
    assert EpochRow.of(read) == row and ("size" in read) is (row.size is not None)


@pytest.mark.parametrize("row", [{}, {"epoch": None}, {"epoch": "two"}, {"epoch": 1, "lr": "fast"}])
def test_a_row_of_something_else_is_none(row):
    with pytest.raises(ValueError, match="a row has no epoch"):
        EpochRow.of(row)
