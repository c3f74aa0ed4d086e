"""What runs vary: keys that all of them have, and points in the order of their values."""

import pytest

from tests.report.conftest import write_run
from tricktable.runner.disk.runs import under
from tricktable.runner.errors import BadInput
from tricktable.runner.papers.varying import Point, points, varying


def stored(study):
    return list(under(study.parent, study.name))


def test_an_argument_that_only_some_have_comes_with_its_option(tmp_path):
    write_run(tmp_path / "s" / "a", 0, 1.0, ["optimizer=sgd", "study=x"])
    write_run(tmp_path / "s" / "b", 0, 2.0, ["optimizer=sgd", "augment=[flip]", "checkpoint.every=7"])
    assert varying(stored(tmp_path / "s")) == ["augment"]
    write_run(tmp_path / "s" / "c", 0, 2.0, ["optimizer=lion"])
    found = varying(stored(tmp_path / "s"))
    assert {"augment", "optimizer"} <= set(found) and "optimizer.nesterov" not in found
    assert "seed" not in found and "study" not in found


def test_points_ascend_in_numbers_and_keep_the_order_of_words(tmp_path):
    chosen = ((0.5, "[flip]"), (0.05, "[crop]"), (0.05, "[flip]"), (10, "[flip]"))
    for i, (lr, augment) in enumerate(chosen):
        write_run(tmp_path / "s" / f"r{i}", 0, float(i), [f"optimizer.lr={lr}", f"augment={augment}"])
    found = points(stored(tmp_path / "s"), ("optimizer.lr", "augment"), "test_error")
    assert list(found) == [(0.05, "[flip]"), (0.05, "[crop]"), (0.5, "[flip]"), (10, "[flip]")]
    assert [point.figures for point in found.values()] == [(2.0,), (1.0,), (0.0,), (3.0,)]


def test_a_point_without_figures_has_no_mean():
    assert Point((), 2).mean is None and Point((1.0, 4.0), 0).mean == 2.5


def test_what_differs_by_its_code_is_no_seed(tmp_path):
    for name, seed in (("a", 0), ("b", 1)):
        write_run(tmp_path / "s" / name, seed, 1.0)
    run_json = tmp_path / "s" / "b" / "run.json"
    run_json.write_text(run_json.read_text().replace('"models/resnet.py": "0"', '"models/resnet.py": "1"'))
    with pytest.raises(BadInput) as raised:
        points(stored(tmp_path / "s"), (), "test_error")
    assert str(raised.value) == "a and b: the same choices by other code; take one of them"
