"""Cells of figures: their order, what is printed in them and how well it is read; the contours' levels."""

import re

import pytest
import torch
from matplotlib.figure import Figure

from tricktable.runner.report.colour_map import contours, luminance, on, shades
from tricktable.runner.report.drawing import PRINT
from tricktable.runner.report.heat_map import heat_map

CELLS = {(0.1, 128): 5.25, (0.01, 128): 7.5, (0.1, 64): "div", (1, 64): 60.125}


def texts(plot):
    canvas = Figure()
    plot.draw(canvas, PRINT)
    panel = canvas.axes[0]
    return panel, {text.get_position(): text for text in panel.texts if text.get_text()}


def test_numbers_ascend_and_every_cell_says_what_it_is():
    panel, found = texts(heat_map("t", "w", "lr", "batch", CELLS))
    assert [label.get_text() for label in panel.get_xticklabels()] == ["0.01", "0.1", "1"]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["64", "128"]
    assert {at: text.get_text() for at, text in found.items()} == {
        (0, 0): "–", (1, 0): "div", (2, 0): "60.12", (0, 1): "7.50", (1, 1): "5.25", (2, 1): "–"
    }  # fmt: skip
    assert [at for at, text in found.items() if text.get_weight() == "bold"] == [(1, 1)], "the best"
    assert [patch.get_xy() for patch in panel.patches if patch.get_linewidth() > 2] == [(0.52, 0.52)]


def test_words_keep_the_order_of_the_cells_and_a_note_stands_under_its_figure():
    panel, found = texts(heat_map("t", "w", "x", "y", {("sgd", 1): 2.0, ("adam", 1): 3.0}, {("adam", 1): "1 div"}))
    assert [label.get_text() for label in panel.get_xticklabels()] == ["sgd", "adam"]
    assert [text.get_text() for text in found.values()] == ["2.00", "3.00", "1 div"]


@pytest.mark.parametrize("value", [0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0])
def test_what_is_written_on_a_colour_contrasts_with_it(value):
    colour = shades(0.0, 1.0).to_rgba(value)
    ink = [int(on(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    light, dark = sorted((luminance(colour), luminance(ink)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_colours_of_the_map_get_lighter_step_by_step():
    lightness = [luminance(shades(1.0, 2.0).to_rgba(1 + i / 20)) for i in range(21)]
    assert lightness == sorted(lightness) and luminance((1, 1, 1)) == pytest.approx(1)


def test_values_over_decades_are_spread_by_their_logarithms():
    assert shades(1.0, 100.0).to_rgba(10.0) == pytest.approx(shades(1.0, 3.0).to_rgba(2.0))


def test_on_the_page_only_the_cells_have_colours_of_their_own():
    svg = heat_map("t", "w", "x", "y", CELLS).svg("h")
    own = set(re.findall(r"#[0-9a-f]{6}\b", svg))
    cells = {"#{:02x}{:02x}{:02x}".format(*(round(255 * c) for c in shades(5.25, 60.125).to_rgba(v)[:3]))
             for v in (5.25, 7.5, 60.125)}  # fmt: skip
    assert cells <= own <= cells | {"#ffffff", "#111111"}


@pytest.mark.parametrize("cells", [{(1, 1): "div"}, {(1, 1): 0.0}, {(1, 1): 2.0, (2, 1): 2.0}])
def test_few_cells_are_drawn_too(cells):
    assert heat_map("t", "w", "x", "y", cells).picture().startswith(b"\x89PNG")


def test_contours_are_log_spaced_and_cover_all_values():
    along = torch.linspace(-1, 1, 5, dtype=torch.float64)
    values = torch.logspace(-2, 2, 25, dtype=torch.float64).view(5, 5)
    values[0, 4] = float("inf")
    canvas = Figure()
    contours(canvas.subplots(), PRINT, "loss", along, values, (0.01, 100.0))
    filled, lines = canvas.axes[0].collections[:2]
    ratios = [b / a for a, b in zip(filled.levels, filled.levels[1:], strict=False)]
    assert ratios == pytest.approx([(100 / 0.01) ** (1 / 11)] * 11)
    assert filled.levels[0] <= 0.01 and filled.levels[-1] >= 100 and len(lines.levels) == 10
