"""`tricktable.figure`: a figure of finished runs, which shows itself in a notebook."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from tricktable.runner.errors import BadInput
from tricktable.runner.figures import figure as figures
from tricktable.runner.python.apart import apart
from tricktable.runner.python.typed import several
from tricktable.runner.report.elements import text


@dataclass(frozen=True)
class Figure:
    """A figure's name and its files: pictures, and last a table of what they show."""

    name: str
    paths: tuple[Path, ...]

    @property
    def data(self) -> pandas.DataFrame:
        """What is drawn."""
        return pandas.read_csv(self.paths[-1])

    def _repr_html_(self) -> str:
        shown = []
        for path in self.paths[:-1]:
            picture = base64.b64encode(path.read_bytes()).decode()
            shown.append(
                f'<img src="data:image/png;base64,{picture}" alt="{text(path.stem)}" style="max-width: 60rem">'
            )
        return "\n".join(shown)


def figure(
    name: str,
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    overrides: Sequence[str] = (),
) -> Figure:
    """A figure by its name (`tricktable list figures`) of finished runs, as `tricktable figure` draws it.

    runs: a folder, an id, a study's folder or a glob, or several of these.
    """
    texts = [os.fspath(each) for each in ([runs] if isinstance(runs, str | os.PathLike) else runs)]
    if not texts:
        raise BadInput("runs: expected one at least, got none")
    with apart():
        return Figure(name, tuple(figures.make(name, texts, several(overrides))))
