"""A study with damaged runs: its table without them, their names at its foot in every format, and 7 at the end."""

import pytest

from tests.report.conftest import write_run
from tricktable.runner.disk import runs
from tricktable.runner.errors import StorageProblem
from tricktable.runner.papers import studies
from tricktable.runner.report import command


@pytest.fixture
def root(tmp_path):
    """Three seeds: one whole, one without a readable run.json, one with half a summary; and one that has not ended."""
    for seed in (0, 1, 2):
        write_run(tmp_path / "study" / f"s{seed}", seed, 5.0 + seed)
    write_run(tmp_path / "study" / "s3", 3, None, state="failed")
    for name in ("s1/run.json", "s2/summary.json"):
        path = tmp_path / "study" / name
        path.write_bytes(path.read_bytes()[:60])
    return tmp_path


def test_a_table_accounts_for_every_folder(root):
    table = studies.tabulate("study", runs.under(root))
    assert [(row.seeds, row.figures) for row in table.rows] == [((0,), (5.0,))]
    assert [each.folder.name for each in table.damaged] == ["s1", "s2"]
    assert table.warnings[0].startswith("Damaged, and in no row: study/s1: run.json: damaged (")
    assert table.warnings[1].startswith("Damaged, and in no row: study/s2: summary.json: damaged (")
    assert table.warnings[3] == "In no row, for they have not ended: 1 failed."
    assert table.warnings[-1].startswith("1 run of an earlier version carries no seal")


def test_every_format_names_them_and_the_command_ends_with_7(root, capsys):
    damaged = []
    written = command.produce("study", None, [f"output.root={root}"], damaged=damaged)
    texts = [path.read_text() for path in written if path.suffix in (".md", ".html", ".tex")]
    assert len(texts) == 3 and all("study/s1" in text and "study/s2" in text for text in texts)
    assert command.show_study(root / "study") == tuple(damaged)
    assert "study/s1: run.json" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(StorageProblem, match="2 runs are damaged, and in no row: study/s1: .*; study/s2: "):
        command.raise_for(damaged)
    command.raise_for([])


def test_where_nothing_else_is_left_they_are_named_too(root):
    for name in ("s0", "s2", "s3"):
        (root / "study" / name / "run.json").write_bytes(b"")
    with pytest.raises(StorageProblem, match="4 runs are damaged"):
        command.produce("study", None, [f"output.root={root}"])
    assert len(command.show_study(root / "study")) == 4
