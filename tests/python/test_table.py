"""Runs and tables as pandas has them, and as a notebook shows them."""

import re
from html.parser import HTMLParser

import pandas
import pytest

import tricktable
from tests.conftest import TINY


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tables") / "outputs"
    for seed in (0, 1):
        for how in ([], ["augment=[crop]"]):
            tricktable.train([*TINY, "study=crop", f"seed={seed}", *how, f"output.root={root}"])
    tricktable.train([*TINY, "study=lost", "optimizer.lr=1e30", f"output.root={root}"])
    return root


def test_a_row_per_run(root):
    found = tricktable.runs(root)
    assert isinstance(found, pandas.DataFrame) and len(found) == 5
    assert list(found.columns[:4]) == ["run", "study", "state", "seed"]
    assert found.columns.is_unique and {"augment", "optimizer.lr", "test_error", "path"} <= set(found.columns)
    assert "batch_size" not in found, "all have it alike"
    assert list(found.groupby("study").state.first()) == ["complete", "diverged"]
    crop = tricktable.runs(root, "crop")
    assert "optimizer.lr" not in crop and set(crop.augment) == {"[]", "[crop]"}
    means = crop.groupby("augment").test_error.mean()
    assert (means > 0).all() and crop["final.plain.test_error"].equals(crop.test_error)
    assert tricktable.run(crop.path[0]).id == crop.run[0]
    assert {"batch_size", "weights_sha256"} <= set(tricktable.runs(root, every_key=True))


def test_no_runs_and_damaged_ones_are_a_table_too(tmp_path):
    assert list(tricktable.runs(tmp_path).columns[:4]) == ["run", "study", "state", "seed"]
    (tmp_path / "a" / "b-12345678").mkdir(parents=True)
    (tmp_path / "a" / "b-12345678" / "run.json").write_text("{")
    found = tricktable.runs(tmp_path)
    assert list(found.state) == ["damaged"] and found.path[0].endswith("b-12345678")


class Parsed(HTMLParser):
    """The elements of HTML, whose tags must close each other."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in ("img", "wbr", "br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)


def test_a_study_shows_itself(root):
    table = tricktable.table("crop", [f"output.root={root}"])
    assert len(table.rows) == 2 and len(table.runs) == 4 and not len(table.claims)
    means = tricktable.runs(root, "crop").groupby("augment").test_error.mean()
    assert list(table.rows.test_error_mean) == pytest.approx([means["[]"], means["[crop]"]])
    other = tricktable.table("crop", [f"output.root={root}"], baseline="crop")
    assert list(other.rows.baseline.unique()) == ["augment=[crop]"]
    assert table._repr_markdown_() == table.markdown == str(table) and "| row |" in table.markdown
    assert repr(table) == "Table(crop, study: 2 rows)" and "tabular" in table.latex
    page = table._repr_html_()
    found = Parsed(page)
    assert found.tags[0] == "div" and "svg" in found.tags and "table" in found.tags
    assert "script" not in found.tags and "html" not in found.tags
    assert len(found.ids) == len(set(found.ids)) and all(re.match("t[0-9a-f]{12}", each) for each in found.ids)
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    depth, outside = 0, ""
    for character in style:  # every rule stands within the class's own: nothing else of a notebook is reached
        depth += (character == "{") - (character == "}")
        outside += character if depth == 0 else ""
    assert set(outside.replace("}", "").split()) == {".tricktable", "@media", "(prefers-color-scheme:", "dark)"}
    written = table.write()
    assert written[-1] == root / "crop" / "report" / "report.html" and all(path.is_file() for path in written)


def test_what_others_wrote_is_escaped(root, monkeypatch):
    table = tricktable.table("crop", [f"output.root={root}"])
    object.__setattr__(table.measured.rows[0], "label", "<script>alert(1)</script>")
    object.__setattr__(table.measured, "baseline", "<script>alert(1)</script>")
    assert "<script" not in table._repr_html_() and "&lt;script&gt;" in table._repr_html_()


def test_a_papers_table(tmp_path):
    table = tricktable.table("liu2020_radam/sec5.2_warmup", [f"output.root={tmp_path}"], budget="smoke")
    assert len(table.rows) and len(table.claims) and "theirs" in table.rows
    assert "What the paper claims" in table._repr_html_() and not list(tmp_path.iterdir())
    with pytest.raises(tricktable.BadInput, match="baseline: it is of a study's table"):
        tricktable.table("liu2020_radam/sec5.2_warmup", baseline="x")
    with pytest.raises(tricktable.BadInput, match="no table of a paper is called liu2020_radam; did you mean"):
        tricktable.table("liu2020_radam", run=True, budget="smoke")
    with pytest.raises(tricktable.BadInput, match="neither a table"):
        tricktable.table("nothing", [f"output.root={tmp_path}"])


def test_later_evaluations_are_rows(root):
    (first, *_) = tricktable.runs(root, "crop").path
    found = tricktable.evaluate(first, ["inference=[flip]"])
    assert list(found.inference) == ["flip"] and list(tricktable.run(first).results.inference) == ["plain", "flip"]


def test_a_figure_shows_itself(root):
    figure = tricktable.figure("curves", root / "crop", [f"output.root={root}"])
    assert figure.name == "curves" and len(figure.data) and figure.paths[0].suffix == ".png"
    assert Parsed(figure._repr_html_()).tags == ["img"] * (len(figure.paths) - 1)
    assert "data:image/png;base64,iVBOR" in figure._repr_html_()
