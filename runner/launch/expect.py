"""`--expect 'test_error<5'`: a condition on a run's summary, for somebody's CI."""

import operator
import re
from dataclasses import dataclass

from runner.disk.summary import Summary
from runner.errors import BadInput, ExpectationFailed, suggest

_OPERATORS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt}
FIGURES = (
    *(f"{split}_{figure}" for split in ("test", "val", "train") for figure in ("error", "loss")),
    "updates", "samples", "params", "madds",
)  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """`figure operator bound`, such as test_error < 5 (errors in percent)."""

    figure: str
    sign: str
    bound: float

    def check(self, summary: Summary) -> None:
        """ExpectationFailed where the summary's figure is missing or does not hold."""
        value = summary.figure(self.figure)
        if value is None or not _OPERATORS[self.sign](value, self.bound):
            raise ExpectationFailed(f"expected {self.figure}{self.sign}{self.bound:g}, got {value} ({summary.id})")


def parse(text: str) -> Expectation:
    """An expectation from the command line; BadInput says what can be expected."""
    match = re.fullmatch(r"\s*(\w+)\s*(<=|>=|==|<|>)\s*([-+.\deE]+)\s*", text)
    try:
        bound = float(match[3]) if match else None
    except ValueError:
        bound = None
    if not match or bound is None:
        raise BadInput(f"--expect {text}: expected a figure, one of < <= > >= == and a number, such as test_error<5")
    if match[1] not in FIGURES:
        raise BadInput(f"--expect {text}: no figure is called {match[1]}{suggest(match[1], FIGURES)}")
    return Expectation(match[1], match[2], bound)
