"""Two runs or rows side by side."""

import json

import pytest

from tests.report.conftest import write_run
from tricktable.runner.errors import BadInput, StorageProblem
from tricktable.runner.papers import intervals
from tricktable.runner.report.compare import compare

A, B = (5.0, 5.5, 6.0), (4.0, 4.25, 4.75)


@pytest.fixture
def root(tmp_path):
    for name, errors, overrides in (("a", A, []), ("b", B, ["augment=[crop]", "optimizer.lr=0.05"])):
        for seed, error in enumerate(errors):
            write_run(tmp_path / "study" / f"{name}-s{seed}", seed, error, overrides)
    return tmp_path


def line(text, name):
    return next(each for each in text.splitlines() if each.startswith(name))


def test_rows_differ_by_their_keys_and_by_welchs_interval(root):
    text = compare(f"{root}/study/a-*", f"{root}/study/b-*", root)
    assert line(text, "augment ").split() == ["augment", "[]", "[crop]"]
    assert line(text, "optimizer.lr").split() == ["optimizer.lr", "0.1", "0.05"]
    assert not [each for each in text.splitlines() if each.startswith(("seed", "study", "label"))]
    shift, half = intervals.difference(B, A)
    figures = line(text, "final, plain: test error")
    assert figures.endswith(f"{shift:+.3g} ± {half:.2g}")
    assert "5.5 ± 1.2" in figures
    assert "seeds 0 1 2" in text


def test_two_single_runs_by_id_have_a_difference_and_no_interval(root):
    text = compare("a-s0", "b-s0", root)
    figures = line(text, "final, plain: test error")
    assert figures.split()[-3:] == ["5", "4", "-1"]
    assert "One seed says little" in text


def test_a_side_may_be_a_list_of_runs(root):
    assert compare(["a-s0", "a-s1"], ["b-s0", "b-s1"], root).count("2 runs, seeds 0 1") == 2


def test_equal_configs_say_so(root):
    assert "no key differs but the seed" in compare("a-s0", "a-s1", root)


def test_arguments_that_only_one_side_has_are_shown(root):
    assert line(compare("a-s0", "b-s0", root), "augment.crop.pad").split()[1:] == ["–", "4"]


def test_other_images_are_said_first_of_all(root):
    write_run(root / "study" / "c-s0", 0, 1.0, fingerprint="sha256:ff")
    assert "not to be compared" in compare("a-s0", "c-s0", root)


def code_of(folder, digest):
    path = folder / "run.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "code": {"models/resnet.py": digest, "tricks/x.py": "0"}})
    )


def test_files_that_changed_between_the_sides_are_named(root):
    assert "Changed" not in compare(f"{root}/study/a-*", f"{root}/study/b-*", root)
    code_of(root / "study" / "b-s1", "1")
    text = compare(f"{root}/study/a-*", f"{root}/study/b-*", root)
    assert line(text, "Changed") == "Changed between A and B: models/resnet.py", "files of one side alone are not"
    code_of(root / "study" / "a-s2", "1")
    assert "Changed" not in compare(f"{root}/study/a-*", f"{root}/study/b-*", root), "each has a run of either"


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [("a-s0", "a-s0", "share a run"), ("a-s0", "nothing", "no run"), ("a-s0", [], "needs a run")],
)
def test_what_cannot_be_compared_is_refused(root, one, other, why):
    with pytest.raises(BadInput, match=why):
        compare(one, other, root)


def test_a_damaged_run_is_left_out_and_named(root):
    path = root / "study" / "a-s1" / "run.json"
    path.write_bytes(path.read_bytes()[:70])
    damaged = {}
    text = compare(f"{root}/study/a-*", f"{root}/study/b-*", root, damaged)
    assert "2 runs, seeds 0 2" in text and list(damaged) == [root / "study" / "a-s1"]
    assert line(text, "Damaged").startswith("Damaged, and left out: study/a-s1: run.json: damaged (")
    (root / "study" / "b-s0" / "summary.json").write_text('{"seed": 0, "results": [{"variant": "final"}]}')
    with pytest.raises(StorageProblem, match="b-s0: damaged, and nothing is left: .*summary.json"):
        compare(f"{root}/study/a-s0", f"{root}/study/b-s0", root)
