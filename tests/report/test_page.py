"""The page: whole in one file, inert, equal to the CSV, and no wider than a phone."""

import base64
import csv
import dataclasses
import hashlib
import html
import html.parser
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest
from matplotlib.figure import Figure

from tests.report.conftest import HOSTILE, make, make_apart, make_study
from tricktable.runner import report
from tricktable.runner.papers.measured import MeasuredRow, Verdict
from tricktable.runner.report import cells, drawing, foot, page, plots, style

BROWSER = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
VOID = {"meta", "wbr"}
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium (on the path, or CHROMIUM=...)")


class Reader(html.parser.HTMLParser):
    """Elements with their attributes, the text of each table cell, and whether every end has its beginning."""

    def __init__(self):
        super().__init__()
        self.elements, self.rows, self.text, self.open = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The report of the table made by hand: its folder, and its table."""
    folder = tmp_path_factory.mktemp("report")
    table = make(folder / "outputs")
    report.write(table, folder / "out")
    return folder / "out", table


@pytest.fixture(scope="module")
def parsed(written):
    reader = Reader()
    reader.feed((written[0] / "report.html").read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def test_no_label_becomes_an_element(parsed):
    tags = [tag for tag, _ in parsed.elements]
    assert tags.count("script") == 1, "the page's own, which the policy knows by its digest"
    assert not set(tags) & {"img", "b", "i", "iframe", "link", "object"}
    assert not [name for _, given in parsed.elements for name in given if name.startswith("on")]
    assert HOSTILE[0] in "".join(parsed.text), "it is shown as it is"
    assert "\u202e" not in "".join(parsed.text)


def test_nothing_is_loaded_from_anywhere(written, parsed):
    loads = [
        given[key] for _, given in parsed.elements for key in ("src", "srcset", "data", "xlink:href") if key in given
    ]
    assert all(where.startswith("#") for where in loads)
    links = [given["href"] for _, given in parsed.elements if "href" in given]
    own = [foot.address()] if foot.address() else []
    assert links == ["https://arxiv.org/abs/2001.00001", *own], "links are followed by people only"
    text = (written[0] / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"url\(\s*['\"]?(?!#)", text) and "@import" not in text
    policy = next(given["content"] for tag, given in parsed.elements if given.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    (own,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert base64.b64encode(hashlib.sha256(own.encode()).digest()).decode() in policy


def test_ids_are_there_once_and_what_refers_finds_its_own(parsed):
    ids = [given["id"] for _, given in parsed.elements if "id" in given]
    assert len(ids) == len(set(ids))
    refers = [r for _, given in parsed.elements for r in (given.get("aria-labelledby") or "").split()]
    refers += [given["xlink:href"][1:] for _, given in parsed.elements if "xlink:href" in given]
    refers += [r for _, given in parsed.elements for r in re.findall(r"url\(#([^)]*)\)", str(given))]
    assert refers and set(refers) <= set(ids)


def test_every_figure_has_words_and_its_command(written, parsed):
    figures = [given for tag, given in parsed.elements if tag == "svg" and given.get("role") == "img"]
    assert len(figures) == 3
    said = "".join(parsed.text)
    assert said.count(written[1].command) == 1 + len(figures)
    assert f"{HOSTILE[0]} ends at 8.88% (mean of 3)" in said


def test_the_page_has_the_figures_of_the_csv(written, parsed):
    with (written[0] / "table.csv").open(newline="") as file:
        exact = list(csv.DictReader(file))
    shown = [dict(zip(parsed.rows[0], row, strict=False)) for row in parsed.rows[1:]]
    assert len(shown) == len(exact) == 4

    def rounded(row, name, sign=False):
        return cells.figure(float(row[name]) if row[name] else None, "percent", sign)

    for page_row, row in zip(shown, exact, strict=True):
        assert page_row["row"] == row["row"] or row["row"].startswith("'=1+1")
        assert page_row["theirs"].startswith(rounded(row, "theirs"))
        if not row["not_runnable"]:
            assert page_row["ours ± 95%"].startswith(rounded(row, "ours"))
            assert page_row["difference"] == rounded(row, "difference", sign=True)
            assert page_row["runs"].startswith(f"{row['n']} of {row['declared']}")


def test_every_verdict_has_a_sign_of_its_own():
    assert set(page.TONES) == set(Verdict.__args__)
    signs = [sign for tone, sign in page.TONES.values() if tone != "quiet"]
    assert len(signs) == len(set(signs))


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_text_and_lines_contrast_with_what_is_behind_them(colours):
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for what drawings are read by (1.4.11)."""

    def contrast(a, b):
        low, high = sorted((luminance(colours[a]), luminance(colours[b])))
        return (high + 0.05) / (low + 0.05)

    for text in ("ink", "muted", "link", "theirs"):
        assert min(contrast(text, "surface"), contrast(text, "ground")) >= 4.5, text
    for tone in ("good", "bad", "open", "quiet"):
        assert min(contrast(tone, f"{tone}-ground"), contrast(tone, "surface"), contrast(tone, "ground")) >= 4.5, tone
    for i in range(drawing.PER_FIGURE):
        assert contrast(f"row-{i}", "surface") >= 3


def test_drawings_take_their_colours_from_the_page(written):
    text = (written[0] / "report.html").read_text(encoding="utf-8")
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", text))
    assert used <= set(style.LIGHT) == set(style.DARK)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert not [colour for each in drawings for colour in re.findall(r"#[0-9a-f]{6}\b", each)]


def test_the_mean_and_the_band_of_curves_are_of_the_finished_seeds(written):
    found = plots.band(plots._courses(written[1].rows[0], "test_error"))
    assert found[0] == [1.0, 2.0, 3.0]
    assert found[2][0] == 95.0 and found[3][0] == 96.125
    assert found[1][0] == pytest.approx((95 + 95.5 + 96.125) / 3)
    assert len(plots._courses(written[1].rows[1], "test_error")) == 1, "the diverged one is not averaged"


def test_rows_with_the_same_knobs_are_one_line(tmp_path):
    table = make(tmp_path)
    metrics = table.rows[0].runs[0].run.folder / "metrics.csv"
    shutil.copy(metrics, table.rows[1].runs[0].run.folder / "metrics.csv")
    assert plots.knobs(table)[0].labels == (f"{HOSTILE[0]}, {HOSTILE[1]}",)


def test_the_size_of_images_is_drawn_of_the_rows_that_have_a_schedule_of_it(tmp_path):
    table = make(tmp_path)
    metrics = table.rows[0].runs[0].run.folder / "metrics.csv"
    head, *rows = metrics.read_text().splitlines()
    sizes = [f"{row},{size}" for row, size in zip(rows, (8, 12, 16), strict=True)]
    metrics.write_text("\n".join([f"{head},size", *sizes, ""]))
    (plot,) = plots.knobs(table)
    assert plot.words.count("image size") == 1 and "image size from 8 to 16" in plot.words.split("; ")[0]
    figure = Figure()
    plot.draw(figure, drawing.PAGE)
    panels = {panel.get_ylabel(): panel for panel in figure.axes}
    assert [list(line.get_ydata()) for line in panels["image size"].lines] == [[8, 8, 12, 16]]
    assert len(panels["learning rate"].lines) > 1


def test_a_damaged_or_missing_metrics_table_leaves_its_curve_out(tmp_path):
    table = make(tmp_path)
    for row in table.rows[:2]:
        (row.runs[0].run.folder / "metrics.csv").write_bytes(b"epoch,test_error\n1\n")
    (table.rows[0].runs[1].run.folder / "metrics.csv").unlink()
    (curves,) = plots.curves(table)
    assert curves.labels == (HOSTILE[0],) and "(mean of 1)" in curves.words


def test_a_table_without_a_run_is_a_page_without_figures(tmp_path):
    table = make(tmp_path)
    bare = [MeasuredRow(label=row.label, seeds=(0, 1), theirs=row.theirs) for row in table.rows]
    said = page.page([dataclasses.replace(table, rows=tuple(bare), claims=())])
    assert "<figure>" not in said and "0 of 2, 2 to run" in said


def test_a_study_without_a_paper_has_no_theirs(tmp_path):
    said = page.page([make_study(tmp_path)])
    assert "theirs" not in said[said.index("<body>") :].replace("var(--theirs)", "") and "the paper</li>" not in said
    assert "<h1>Study s</h1>" in said and 'data-name="updates"' in said and "change from baseline" in said


def test_a_papers_table_without_a_figure_has_no_theirs(tmp_path):
    """Of claims alone; its headings do not promise what stands nowhere."""
    table = make(tmp_path)
    nothing = {"value": None, "params": None, "updates": None}
    rows = [
        dataclasses.replace(row, theirs=dataclasses.replace(row.theirs, **nothing), reason=None) for row in table.rows
    ]
    said = page.page([dataclasses.replace(table, rows=tuple(rows), claims=())])
    assert "theirs / ours" not in said and "the paper</li>" not in said and 'data-name="updates"' in said


def test_pictures_are_written_beside_the_page(written):
    for name in ("seeds.png", "curves.png", "knobs.png"):
        assert (written[0] / name).read_bytes().startswith(b"\x89PNG")


def test_several_tables_are_one_page_with_a_way_to_each(tmp_path):
    table = make(tmp_path / "outputs")
    report.write_page([table, table], tmp_path / "out")
    said = (tmp_path / "out" / "report.html").read_text()
    assert 'href="#t1"' in said and 'href="#t2"' in said and 'id="t2"' in said
    assert (tmp_path / "out" / "curves-2.png").exists()


def browse(path, *options):
    """The page as the browser has it after its load, and what it wrote about it."""
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000",
        *options, "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True)
    return done.stdout, done.stderr


@needs_browser
@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
def test_a_browser_has_nothing_to_complain_of_and_runs_nothing(written, scheme):
    shown, said = browse(written[0] / "report.html", f"--blink-settings=preferredColorScheme={scheme}")
    assert "CONSOLE" not in said, said
    assert "<title>ran</title>" not in shown and "· tricktable</title>" in shown


CLICKS = """<!doctype html><title>-</title><iframe src="report.html" style="border:0;width:WIDTHpx;height:4000px"></iframe>
<script>onload = () => {
  const page = document.querySelector("iframe").contentDocument, found = [], table = page.querySelector("table");
  const seen = () => [...table.tBodies[0].rows].filter(row => row.getBoundingClientRect().height).map(row => row.dataset.at).join("");
  [...table.tBodies[0].rows].forEach((row, i) => { row.dataset.at = i; });
  const heading = name => [...table.querySelectorAll("thead button")].find(each => each.textContent == name);
  const filter = words => { const box = page.querySelector("input"); box.value = words; box.dispatchEvent(new Event("input")); };
  const note = () => found.push(seen() + (page.querySelector("[aria-sort]")?.ariaSort?.[0] ?? ""));
  note();
  for (const name of ["ours ± 95%", "ours ± 95%", "row", "theirs", "theirs"]) { heading(name).click(); note(); }
  filter("PLAIN"); note(); filter("img"); note(); filter("no such"); note(); filter(""); note();
  table.querySelector("[data-at='1'] .hide").click(); note();
  page.querySelector(".tools button").click(); note();
  document.title = found.join(" ");
}</script>"""


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_rows_are_sorted_filtered_and_hidden(written, tmp_path, width):
    """Rows 0 to 3 have ours 5.54, 7.00, none, none; theirs 5.25, 6.00, 7.00, none."""
    shutil.copy(written[0] / "report.html", tmp_path / "report.html")
    (tmp_path / "clicks.html").write_text(CLICKS.replace("WIDTH", str(width)), encoding="utf-8")
    shown, said = browse(tmp_path / "clicks.html", "--allow-file-access-from-files", "--window-size=1300,1000")
    assert "CONSOLE" not in said, said
    found = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)[1].split()
    assert found[0] == "0123" and found[1:3] == ["0123a", "1023d"], "what has no figure is last both ways"
    assert sorted(found[3]) == sorted("0123a") and found[4:6] == ["0123a", "2103d"]
    assert found[6:10] == ["3d", "2d", "d", "2103d"], "the filter knows no case"
    assert found[10:] == ["203d", "2103d"], "a row is hidden, and comes back"


def test_points_say_their_values_where_a_pointer_rests(written):
    text = (written[0] / "report.html").read_text(encoding="utf-8")
    said = [html.unescape(each) for each in re.findall(r"<g><title>(.*?)</title>", text)]
    assert f"{HOSTILE[0]}: 5.54 ± 1.40" in said and f"{HOSTILE[0]}, seed 1: 5.50" in said
    assert f"{HOSTILE[0]}, the paper: 5.25" in said and f"{HOSTILE[0]}, epoch 3: 8.88% (8.33% to 9.46%)" in said


def test_figures_are_written_in_other_formats_with_the_same_bytes_each_time(written, tmp_path):
    files = report.write_page(written[1], tmp_path / "a", ["svg", "pdf"])
    again = report.write_page(written[1], tmp_path / "b", ["svg", "pdf"])
    assert [path.name for path in files[:3]] == ["seeds.png", "seeds.svg", "seeds.pdf"] and len(files) == 10
    assert [path.read_bytes() for path in files] == [path.read_bytes() for path in again]
    pdf, svg = files[2].read_bytes(), files[1].read_text(encoding="utf-8")
    assert b"/FontFile2" in pdf and b"/CIDFontType2" in pdf and b"/Type3" not in pdf, "fonts are in it, as TrueType"
    assert b"CreationDate" not in pdf and "<dc:date>" not in svg
    xml.etree.ElementTree.fromstring(svg)


PROBE = """<!doctype html><title>-</title>
<iframe src="page.html" style="border:0;width:WIDTHpx;height:20000px"></iframe>
<script>onload = () => {
  const page = document.querySelector("iframe").contentDocument;
  const own = [...page.querySelectorAll("pre, thead, .unseen, .wide")].filter(e => getComputedStyle(e).overflowX != "visible");
  const wide = [...page.querySelectorAll("body *")].filter(e =>
    e.getBoundingClientRect().right > WIDTH + 0.5 && !own.some(box => box != e && box.contains(e)));
  document.title = [page.documentElement.scrollWidth, ...wide.map(e => e.outerHTML.slice(0, 80))].join(" ");
}</script>"""


def reaches(folder, width):
    """How wide page.html is in a window of this width, and what is wider than that."""
    (folder / "probe.html").write_text(PROBE.replace("WIDTH", str(width)))
    shown, _ = browse(folder / "probe.html", "--allow-file-access-from-files", "--window-size=1300,1000")
    return re.search(r"<title>(.*?)</title>", shown, re.DOTALL)[1]


@needs_browser
@pytest.mark.parametrize("width", [320, 390])
def test_the_papers_values_that_stand_apart_fit_a_phone(tmp_path, width):
    (tmp_path / "page.html").write_text(page.page([make_apart(tmp_path / "outputs")]), encoding="utf-8")
    assert reaches(tmp_path, width) == str(width)


@needs_browser
@pytest.mark.parametrize("width", [320, 390, 700, 1200])
def test_nothing_is_wider_than_the_window(written, tmp_path, width):
    """Measured from around it, in a frame: a window has a least width. What is within a box that scrolls may be wider."""
    shutil.copy(written[0] / "report.html", tmp_path / "page.html")
    assert reaches(tmp_path, width) == str(width)
