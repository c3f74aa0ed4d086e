"""Elements of a page: every text that is not already HTML is escaped."""

import html
from collections.abc import Mapping, Sequence

from tricktable.runner import terminal


class Html(str):
    """Text that is HTML."""


def el(name: str, *inside: str, **attributes: str | None) -> Html:
    """An element. What is inside is escaped unless it is Html; so are attributes, and those of None are left out."""
    return Html(f"<{name}{_given(attributes)}>{join(inside)}</{name}>")


def img(source: str, words: str) -> Html:
    """A picture, and what it is in words for who cannot see it."""
    return Html(f"<img{_given({'src': source, 'alt': words})}>")


def _given(attributes: Mapping[str, str | None]) -> str:
    return "".join(
        f' {key.strip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value is not None
    )


def join(parts: Sequence[str]) -> Html:
    """Parts one after the other, escaped unless they are Html."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def text(value: str) -> Html:
    """Text from anywhere, as HTML that shows it."""
    lines = (terminal.clean(line) for line in value.split("\n"))
    return Html(html.escape("\n".join(lines)))
