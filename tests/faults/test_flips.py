"""A finished run's files, each with one bit flipped or its end cut off: it is found, or no figure comes from the file."""

import random
import shutil

import pytest

from tests.conftest import TINY
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import record, runs, seal
from tricktable.runner.disk.evaluation import Evaluation
from tricktable.runner.errors import CheckpointProblem
from tricktable.runner.papers import studies
from tricktable.runner.training import job

STUDY = "flips"
NO_FIGURES = ("log.txt", ".lock")  # what tables never read


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two seeds, the first with a later evaluation."""
    root = tmp_path_factory.mktemp("flips")
    for seed in (0, 1):
        job.execute(compose([*TINY, "data.validation=10", f"output.root={root}", f"study={STUDY}", f"seed={seed}"]))
    (run, _) = runs.under(root, STUDY)
    images = {"data": run.summary.data.title, "fingerprint": run.summary.data.fingerprint}
    later = Evaluation(variant="final", inference="flip", test_loss=0.5, test_error=12.5, **images)
    seal.renew(run.folder, "evaluations.csv", record.extended(run.files.evaluations, [vars(later)]))
    return root


def files(root):
    """The first run's files but those that nobody reads; of its checkpoints the last one's, which is the run's end."""
    (run, _) = runs.under(root, STUDY)
    last = f"step_{run.summary.updates:08d}"
    paths = [p for p in sorted(run.folder.rglob("*")) if p.is_file()]
    return [p for p in paths if p.name not in NO_FIGURES and ("checkpoints" not in p.parts or last in p.parts)]


def rows(root):
    """The figures of the study's table, and the folders that it names as damaged."""
    table = studies.tabulate(STUDY, runs.under(root))
    figures = [(row.seeds, row.figures) for row in table.rows], table.evaluated
    return figures, [each.folder for each in table.damaged], table.warnings


def is_found(root, path, before):
    """Whether the damage is named where the file is read, and its run used in no row; AssertionError where it is used."""
    folder = runs.under(root).root / STUDY / path.relative_to(root / STUDY).parts[0]
    if "checkpoints" in path.parts:
        with pytest.raises(CheckpointProblem):
            runs.at(folder).checkpoint()
        return True
    figures, damaged, warnings = rows(root)
    if figures == before and not damaged:
        return False
    assert damaged == [folder] and any(folder.name in line for line in warnings)
    assert [seeds for seeds, _ in figures[0]] == [(1,)] and figures[1] == ()
    return True


def trials(root, number, change, seed):
    """How many of so many damages are found, and in which files the others are; every file has its share of them."""
    rng, before, there = random.Random(seed), rows(root)[0], files(root)
    assert {"run.json", "config.yaml", "metrics.csv", "evaluations.csv", "summary.json"} < {p.name for p in there}
    found, others = 0, []
    for trial in range(number):
        path = there[trial % len(there)]
        data = path.read_bytes()
        path.write_bytes(change(rng, data))
        try:
            if is_found(root, path, before):
                found += 1
            else:
                others.append(path.name)
        finally:
            path.write_bytes(data)
    assert rows(root) == (before, [], rows(root)[2])
    print(f"{found} of {number} found; figures the same in {len(others)}: {sorted(set(others))}")
    return others


def flip(rng, data):
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(rng, data):
    return data[: rng.randrange(len(data))]


@pytest.mark.parametrize("number", [pytest.param(40, id="short"), pytest.param(400, marks=pytest.mark.faults)])
def test_b2_a_flipped_bit_is_found_in_every_file_that_figures_come_from(root, held, number):
    others = trials(root, number, flip, 0)
    held(number, number - len(others), "bits, over every file of a run's folder")


@pytest.mark.parametrize("number", [pytest.param(40, id="short"), pytest.param(200, marks=pytest.mark.faults)])
def test_b1_a_file_that_was_cut_off_is_found(root, held, number):
    """But for run.json without its last line's end, which says the same."""
    others = trials(root, number, cut, 1)
    harmless = others.count("run.json")
    held(number, number - len(others) + harmless, f"files of a run's folder; {harmless} harmless (a line's end)")


def test_what_nobody_reads_changes_nothing(root):
    before, (run, _) = rows(root), runs.under(root, STUDY)
    for name in NO_FIGURES:
        (run.folder / name).write_bytes(b"\xff" * 99)
        assert rows(root) == before


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "metrics.csv", "evaluations.csv", "summary.json"])
def test_a_file_that_is_gone_is_found(root, name):
    before = rows(root)[0]
    (path,) = [p for p in files(root) if p.name == name]
    data = path.read_bytes()
    path.unlink()
    try:
        assert is_found(root, path, before)
    finally:
        path.write_bytes(data)


def test_a_copy_with_other_line_ends_and_times_is_as_good(root):
    """As a version control system checks text out on some systems; the checkpoints' files are no text to it."""
    before, kept = rows(root), {}
    for path in files(root):
        if path.suffix in (".json", ".csv", ".yaml", ".txt") and "checkpoints" not in path.parts:
            kept[path] = path.read_bytes()
            path.write_bytes(kept[path].replace(b"\n", b"\r\n"))
    try:
        assert rows(root) == before
    finally:
        for path, data in kept.items():
            path.write_bytes(data)


def test_a_copy_of_a_run_in_the_same_study_counts_once(root):
    """The same run in two folders is one seed, and the table says so."""
    (run, _) = runs.under(root, STUDY)
    before = rows(root)[0]
    copy = run.folder.with_name(f"a-{run.id}")
    shutil.copytree(run.folder, copy)
    try:
        figures, damaged, warnings = rows(root)
        assert figures == before and damaged == []
        assert warnings[0] == f"In no row, for each is a copy of a run that is: {copy.name}."
    finally:
        shutil.rmtree(copy)
