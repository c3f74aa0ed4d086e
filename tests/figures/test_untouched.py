"""What a figure leaves of a run: all of it as it was, beside a folder of figures with the same bytes each time."""

import pytest

from tricktable.runner.figures import figure


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "name", ["activations", "calibration", "confusion", "ensembles", "per_class", "projections", "worst"]
)
def test_a_run_gets_a_folder_of_figures_and_nothing_else(twin, name):
    typed = ["batch=20"] if name == "activations" else []
    before = contents(twin)
    written = figure.make(name, [str(twin)], typed)
    after = contents(twin)
    assert {twin / path for path in after.keys() - before.keys()} == set(written)
    assert all(after[path] == data for path, data in before.items())
    assert figure.make(name, [str(twin)], typed) == written and contents(twin) == after
