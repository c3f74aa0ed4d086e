from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from tricktable.runner.config.overrides import Override
from tricktable.runner.config.typed import checked, describe
from tricktable.runner.errors import BadInput


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 3, 3), (int, 1e3, 1000), (float, 3, 3.0), (float, "0.1", None), (int, "3", None), (int, True, None),
        (float, False, None), (float, float("nan"), None), (float, float("inf"), None), (bool, True, True), (bool, 1, None),
        (bool, "yes", None), (str, "a", "a"), (str, 2024, "2024"), (str, None, None), (str | None, None, None),
        (int | None, 4, 4), (int | str, 500, 500), (int | str, "5min", "5min"), (list[int], [1, 2], [1, 2]),
        (list[int], [1, "a"], None), (list[float], (60, 120), [60.0, 120.0]), (list[int], 3, None), (int, 1.5, None),
        (Literal["keep", "drop"], "drop", "drop"), (Literal["keep", "drop"], "no", None), (int, 10**30, 10**30),
        (Literal["auto", "on", "off"], True, "on"), (Literal["auto", "on", "off"], False, "off"),
        (float, 10**400, None), (int, [3], None), (float, {"a": 1}, None),
    ],
)  # fmt: skip
def test_a_value_is_converted_where_that_loses_nothing(hint, value, expected):
    if expected is None and value is not None:
        with pytest.raises(BadInput, match=r"^here\.key: expected .*, got "):
            checked("here.key", hint, value)
    elif value is None and hint is str:
        with pytest.raises(BadInput):
            checked("here.key", hint, value)
    else:
        result = checked("here.key", hint, value)
        assert result == expected and type(result) is type(expected)


def test_types_in_words():
    assert describe(int | None) == "a whole number or null"
    assert describe(Literal["keep", "drop"]) == "keep or drop"
    assert describe(list[float]) == describe(tuple[float, ...]) == "a list, each a number"
    assert describe(tuple[str, int]) == "a list of text, a whole number"
    assert describe(Mapping[str, Any]) == "a mapping"
    assert describe(Override) == "text"
    assert describe(Point | None) == "a mapping of x, y or null"


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize(
    "hint", [Literal["keep", "drop"], Literal["keep", "drop"] | None, int | Literal["keep", "drop"]]
)
def test_a_misspelt_word_is_told_with_the_nearest(hint):
    with pytest.raises(BadInput, match=r"^key: expected .*, got 'kep'; did you mean keep\?$"):
        checked("key", hint, "kep")
    with pytest.raises(BadInput, match=r"^key: expected .*, got 'other'$"):
        checked("key", hint, "other")
