"""A table as a notebook shows it: the page's section of it, in a style that reaches nothing else of the notebook."""

import hashlib

from tricktable.runner.papers.measured import MeasuredTable
from tricktable.runner.report import cells, markdown, style
from tricktable.runner.report.elements import Html, el
from tricktable.runner.report.page import section

CLASS = "tricktable"


def fragment(table: MeasuredTable) -> str:
    """The table with its claims and figures, as HTML without a page around it; every text is escaped."""
    content = hashlib.sha256(markdown.document([table]).encode()).hexdigest()
    name = f"t{content[:12]}"  # ids of its own: a notebook may show several tables, and one table as it grows
    title = el("p", cells.title(table), class_="over") if table.paper else Html()
    return el("div", el("style", Html(style.within(CLASS))), title, section(table, name, several=True), class_=CLASS)
