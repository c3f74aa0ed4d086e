"""The table of a run is never torn, its figures come back bit for bit."""

import errno
import math
import os
import subprocess
import sys
import time

import pytest

from tricktable.runner.disk import record
from tricktable.runner.errors import StorageProblem


def table(path, rows=3):
    metrics = record.Metrics(path)
    for i in range(rows):
        metrics.append({"epoch": i, "loss": i / 3, "note": None})
    return metrics


def test_values_come_back_bit_for_bit(tmp_path):
    floats = [0.1, 1 / 3, 1e-320, -0.0, 1e22, math.inf, -math.inf]
    metrics = record.Metrics(tmp_path / "m.csv")
    for x in floats:
        metrics.append({"x": x, "n": 10**20, "none": None, "nan": math.nan, "word": 'a,"b"', "flag": True})
    rows = record.read(tmp_path / "m.csv")
    assert [row["x"].hex() for row in rows] == [x.hex() for x in floats]
    assert rows[0]["n"] == 10**20 and rows[0]["none"] is None and math.isnan(rows[0]["nan"])
    assert rows[0]["word"] == 'a,"b"' and rows[0]["flag"] == 1
    assert (tmp_path / "m.csv").read_text().splitlines()[1].startswith("0.1,100000000000000000000,,nan,")


def test_a_word_is_not_read_as_a_number_nor_breaks_a_line(tmp_path):
    record.Metrics(tmp_path / "m.csv").append({"a": "1_000", "b": "two\nlines"})
    assert record.read(tmp_path / "m.csv") == [{"a": "1_000", "b": "two\\nlines"}]


def test_a_table_of_an_earlier_version_is_given_the_columns_that_it_lacks(tmp_path):
    path = tmp_path / "m.csv"
    assert record.extended(path, [{"a": 0.1}]) == b"a\n0.1\n" and not path.exists()
    record.Metrics(path).append({"a": 0.1, "word": "x"})
    before = path.read_bytes()
    assert record.extended(path, []) == before
    path.write_bytes(record.extended(path, [{"a": 0.2, "b": 2}]))
    assert record.read(path) == [{"a": 0.1, "word": "x", "b": None}, {"a": 0.2, "word": None, "b": 2}]


def test_columns_are_those_of_the_first_row(tmp_path):
    metrics = table(tmp_path / "m.csv")
    metrics.append({"epoch": 9})
    assert record.read(tmp_path / "m.csv")[-1] == {"epoch": 9, "loss": None, "note": None}
    for each in (metrics, record.Metrics(tmp_path / "m.csv")):
        with pytest.raises(ValueError, match="other"):
            each.append({"other": 1})
    with pytest.raises(TypeError):
        metrics.append({"epoch": object()})
    assert len(record.read(tmp_path / "m.csv")) == 4


def test_truncate_drops_the_rows_after_a_checkpoint(tmp_path):
    metrics = table(tmp_path / "m.csv")
    size = metrics.size
    metrics.append({"epoch": 3, "loss": 1.0})
    again = record.Metrics(tmp_path / "m.csv")
    again.truncate(size)
    again.append({"epoch": 3, "loss": 2.0})
    rows = record.read(tmp_path / "m.csv")
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3] and rows[-1]["loss"] == 2.0
    again.truncate(0)
    again.append({"new": 1})
    assert record.read(tmp_path / "m.csv") == [{"new": 1}]


def test_a_table_that_is_not_the_checkpoints_is_one_line(tmp_path):
    metrics = table(tmp_path / "m.csv")
    size = metrics.size
    with pytest.raises(StorageProblem, match="bytes"):
        metrics.truncate(size + 1)
    with pytest.raises(StorageProblem, match="no row ends"):
        metrics.truncate(size - 1)
    assert metrics.size == size
    (tmp_path / "m.csv").unlink()
    with pytest.raises(StorageProblem, match="not there"):
        metrics.truncate(size)
    metrics.truncate(0)  # a run that was killed before its first row
    assert record.Metrics(tmp_path / "m.csv").size == 0


def test_a_table_that_vanishes_is_not_begun_again(tmp_path):
    metrics = table(tmp_path / "m.csv")
    (tmp_path / "m.csv").unlink()
    with pytest.raises(StorageProblem, match="not there"):
        metrics.append({"epoch": 3})
    assert os.listdir(tmp_path) == []


def test_an_unfinished_line_is_ignored_and_then_cut(tmp_path):
    table(tmp_path / "m.csv")
    with (tmp_path / "m.csv").open("ab") as file:
        file.write(b"3,0.1")
    assert len(record.read(tmp_path / "m.csv")) == 3
    record.Metrics(tmp_path / "m.csv").append({"epoch": 4})
    assert [row["epoch"] for row in record.read(tmp_path / "m.csv")] == [0, 1, 2, 4]


@pytest.mark.parametrize("damage", [b"1,2\n", b"\xff\xfe,1,2\n", b'1,"2,3\n', b"\0\0\0\0\n"])
def test_a_damaged_table_is_one_line(tmp_path, damage):
    table(tmp_path / "m.csv")
    with (tmp_path / "m.csv").open("ab") as file:
        file.write(damage)
    with pytest.raises(StorageProblem, match=r"m\.csv: damaged") as caught:
        record.read(tmp_path / "m.csv")
    assert "\n" not in str(caught.value)


def test_no_table_has_no_rows(tmp_path):
    assert record.read(tmp_path / "m.csv") == []


def test_a_disk_that_fills_within_a_row_keeps_the_rows_before_it(tmp_path, monkeypatch):
    metrics = table(tmp_path / "m.csv")
    before, write, calls = (tmp_path / "m.csv").read_bytes(), os.write, []

    def half(handle, data):
        calls.append(data)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "")
        return write(handle, bytes(data)[:2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StorageProblem, match="no space left"):
        metrics.append({"epoch": 3})
    monkeypatch.undo()
    assert (tmp_path / "m.csv").read_bytes() == before


def test_a_reader_never_sees_a_torn_row(tmp_path):
    code = (
        "import itertools, pathlib, sys; from tricktable.runner.disk import record\nm = record.Metrics(pathlib.Path(sys.argv[1]))\n"
        "for i in range(3000): m.append({'i': i, 'text': 'x' * (i % 997), 'twice': 2 * i})"
    )
    path, counts = tmp_path / "m.csv", [0]
    writer = subprocess.Popen([sys.executable, "-c", code, path])
    while writer.poll() is None:
        rows = record.read(path)
        assert len(rows) >= counts[-1] and all(row["twice"] == 2 * row["i"] for row in rows)
        counts.append(len(rows))
    assert len(record.read(path)) == 3000 and len(set(counts)) > 2


def test_a_killed_writer_loses_at_most_its_last_row(tmp_path):
    code = (
        "import itertools, pathlib, sys; from tricktable.runner.disk import record\nm = record.Metrics(pathlib.Path(sys.argv[1]))\n"
        "for i in itertools.count(): m.append({'i': i, 'x': 'y' * 50})"
    )
    path = tmp_path / "m.csv"
    for trial in range(4):
        child = subprocess.Popen([sys.executable, "-c", code, path])
        while not path.exists():
            time.sleep(0.005)
        time.sleep(0.01 * trial)
        child.kill()
        child.wait()
        rows = record.read(path)
        assert [row["i"] for row in rows] == list(range(len(rows)))
        path.unlink()


def test_a_config_comes_back(tmp_path):
    shared = [1, 2]
    config = {"z": shared, "a": {"x": shared, "lr": 1e-5, "none": None, "text": "null"}}
    record.write_config(tmp_path / "c.yaml", config)
    assert record.read_config(tmp_path / "c.yaml") == config
    assert list(record.read_config(tmp_path / "c.yaml")) == ["z", "a"]


BOMB = b"a: &a [x]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 106))


@pytest.mark.parametrize("data", [BOMB, b"", b"- 1", b"a: [", b"a: !!python/name:os.system\n", b"a" * 2_000_000, None])
def test_a_damaged_or_hostile_config_is_one_line(tmp_path, data):
    if data is not None:
        (tmp_path / "c.yaml").write_bytes(data)
    with pytest.raises(StorageProblem, match=r"c\.yaml") as caught:
        record.read_config(tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("there", ["link", "pipe"])
def test_a_table_is_read_from_a_plain_file_alone(tmp_path, there):
    path = tmp_path / "m.csv"
    path.symlink_to("/dev/zero") if there == "link" else os.mkfifo(path)
    with pytest.raises(StorageProblem, match="m.csv"):
        record.read(path)


def test_rows_are_put_back_as_their_checkpoint_has_them(tmp_path):
    path = tmp_path / "m.csv"
    metrics = table(path)
    rows = metrics.rows
    assert path.read_bytes() == rows
    metrics.append({"epoch": 3})
    assert record.Metrics(path).restore(rows) == "" and path.read_bytes() == rows, "rows behind it are cut"
    path.write_bytes(rows.replace(b"0", b"9", 1))
    assert record.Metrics(path).restore(rows).startswith("it had other rows (kept as m.csv.damaged)")
    assert path.read_bytes() == rows and (tmp_path / "m.csv.damaged").read_bytes() != rows
    path.unlink()
    assert record.Metrics(path).restore(rows).startswith("it was not there") and path.read_bytes() == rows
    again = record.Metrics(path)
    assert again.restore(b"") == "" and path.read_bytes() == b"" and again.rows == b""
    path.unlink()
    assert again.restore(b"") == "" and not path.exists()
