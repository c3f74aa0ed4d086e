"""`tricktable evaluate --predictions FILE`: what was predicted of each test image, a row each, as CSV or Parquet."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from tricktable.runner import terminal
from tricktable.runner.data.split import Splits
from tricktable.runner.disk import atomic
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.disk.summary import Result
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.report.records import Record, as_csv
from tricktable.runner.training.predictions import Predictions


class Table:
    """The rows of every evaluation that it hears of; BadInput at once for a file that could not be written at the end.

    path: a .csv, or a .parquet where pyarrow is installed.
    """

    def __init__(self, path: Path) -> None:
        kinds = (".csv", ".parquet")
        if path.suffix.lower() not in kinds:
            hint = suggest(path.suffix, kinds)
            raise BadInput(f"--predictions: expected the name of a .csv or .parquet file, got {path}{hint}")
        if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
            raise BadInput(f"--predictions: {path} needs pyarrow (pip install pyarrow); a .csv needs nothing")
        if path.is_dir():
            raise BadInput(f"--predictions: {path} is a folder")
        self.path = path
        self.rows: list[Record] = []

    def add(self, stored: StoredRun, splits: Splits, result: Result, predictions: Predictions) -> None:
        """An evaluation of a run on the test images of `splits`."""
        of = {"run": stored.id, "variant": result.variant, "inference": result.inference}
        self.rows += [{**of, **row} for row in _rows(splits, predictions)]

    def write(self) -> Path:
        """Put the file in place, whole or not at all; its path. StorageProblem where that fails."""
        with atomic.storage(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix.lower() == ".csv":
            data = as_csv(self.rows).encode("utf-8")
        else:
            import pandas as pd

            data = pd.DataFrame(self.rows).to_parquet(index=False)
        atomic.replace(self.path, data)
        return self.path


def _rows(splits: Splits, predictions: Predictions) -> Iterator[Record]:
    names = [terminal.clean(name) for name in splits.classes]
    files = splits.test.names
    columns = (predictions.labels, predictions.predicted, predictions.right, predictions.losses)
    told = zip(*(column.tolist() for column in columns), strict=True)
    likeliest = zip(predictions.likeliest.tolist(), predictions.probabilities.tolist(), strict=True)
    for index, ((label, predicted, right, loss), (classes, shares)) in enumerate(zip(told, likeliest, strict=True)):
        row: Record = {"index": index}
        if files:
            row["name"] = terminal.clean(files[index])
        row |= {
            "label": label,
            "class": names[label],
            "predicted": predicted,
            "predicted_class": names[predicted],
            "correct": int(right),
            "loss": loss,
        }
        for place, (c, share) in enumerate(zip(classes, shares, strict=True), 1):
            row |= {f"top{place}_class": names[c], f"top{place}_probability": share}
        yield row
