"""docs/badges.svg, from files of the project: `python docs/badges.py` writes it, and a test compares."""

import re
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WIDTH, PAD, GAP = 6.4, 8, 6  # of a letter, beside a text, between two badges, in pixels


def facts() -> list[tuple[str, str]]:
    """What each badge says: (left, right)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    low, high = re.findall(r"3\.(\d+)", project["requires-python"])
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in recipes.splitlines() if re.match(r"\| `\w+/", line)]
    tricks = sum(not path.name.startswith("_") for path in (ROOT / "tricks").glob("*/*.py"))
    return [
        ("python", f"3.{low} to 3.{int(high) - 1}"),
        ("license", project["license"]),
        ("papers", str(len(list((ROOT / "configs" / "paper").glob("*.yaml"))))),
        ("tables", f"{len(rows)}, {sum(int(row[1]) for row in rows):,} rows"),
        ("tricks", str(tricks)),
        ("networks", str(len(list((ROOT / "configs" / "model").glob("*.yaml"))))),
    ]


def svg() -> str:
    """The badges in a row."""
    parts, x = [], 0.0
    for left, right in facts():
        widths = [len(text) * WIDTH + 2 * PAD for text in (left, right)]
        for text, width, colour in zip((left, right), widths, ("#555", "#2f6f4f"), strict=True):
            parts.append(f'<rect x="{x:.1f}" width="{width:.1f}" height="20" fill="{colour}"/>')
            parts.append(f'<text x="{x + width / 2:.1f}" y="14">{escape(text)}</text>')
            x += width
        x += GAP
    style = 'font-family="DejaVu Sans,Verdana,sans-serif" font-size="11" fill="#fff" text-anchor="middle"'
    title = escape("; ".join(f"{left}: {right}" for left, right in facts()))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{x - GAP:.0f}" height="20" role="img" aria-label="{title}">'
    return f"{head}<g {style}>{''.join(parts)}</g></svg>\n"


if __name__ == "__main__":
    (ROOT / "docs" / "badges.svg").write_text(svg(), encoding="utf-8")
