"""What a page says at its foot: by which version and commit it was made, when, and where the project is."""

import contextlib
from datetime import UTC, datetime
from importlib import metadata

from tricktable.runner import machine

PROJECT = "tricktable"


def made() -> str:
    """One sentence; the commit is of the code that made the page, and its figures' are with the table."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        version = f" {metadata.version(PROJECT)}"
        return _sentence(version)
    return _sentence("")


def _sentence(version: str) -> str:
    commit = machine.commit()
    where = f" at commit {commit}" if commit else ""
    return f"Made by {PROJECT}{version}{where} on {datetime.now(UTC):%Y-%m-%d}."


def address() -> str | None:
    """Where the project is, by the first address of its package; None where it has none."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for line in metadata.metadata(PROJECT).get_all("Project-URL") or ():
            url = str(line).partition(",")[2].strip()
            if url.startswith("https://"):
                return url
    return None
