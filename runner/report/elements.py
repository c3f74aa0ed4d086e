"""Elements of a page: every text that is not already HTML is escaped."""

import html
from collections.abc import Sequence

from tricktable.runner import terminal


class Html(str):
    """Text that is HTML."""


def el(name: str, *inside: str, **attributes: str | None) -> Html:
    """An element. What is inside is escaped unless it is Html; so are attributes, and those of None are left out."""
    given = "".join(
        f' {key.strip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value is not None
    )
    return Html(f"<{name}{given}>{join(inside)}</{name}>")


def join(parts: Sequence[str]) -> Html:
    """Parts one after the other, escaped unless they are Html."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def text(value: str) -> Html:
    """Text from anywhere, as HTML that shows it."""
    lines = (terminal.clean(line) for line in value.split("\n"))
    return Html(html.escape("\n".join(lines)))
