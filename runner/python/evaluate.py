"""`tricktable.evaluate`: finished runs again, by other inferences or on other images."""

import os
from collections.abc import Sequence

import pandas

from tricktable.runner.explore import reevaluate
from tricktable.runner.python.apart import apart
from tricktable.runner.python.run import evaluations
from tricktable.runner.python.typed import several


def evaluate(
    runs: str | os.PathLike[str], overrides: Sequence[str] = (), *, together: bool = False
) -> pandas.DataFrame:
    """What runs come to, evaluated as `tricktable evaluate` does; a row for each variant and inference of each.

    runs: a folder, an id, a study's folder or a glob. together: all of them as one ensemble. The rows are added to the
    runs' evaluations.csv.
    """
    how = reevaluate.together if together else reevaluate.evaluations
    with apart():
        return evaluations(how(os.fspath(runs), several(overrides)))
