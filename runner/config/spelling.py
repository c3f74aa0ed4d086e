"""How alike two names are: case, hyphens and underscores do not count, and a misspelling a little."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

NEAR = 0.7  # twice the letters that two names share, by the letters that they have


def fold(name: str) -> str:
    """Small letters, digits and the dots between keys."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def same(name: str, known: Iterable[str]) -> str | None:
    """The known name that differs by no more than case and punctuation."""
    return next((each for each in known if fold(each) == fold(name)), None)


def alikeness(one: str, other: str) -> float:
    """From 0 to 1, for names of as many parts between dots that of the least alike parts; else 0."""
    pairs = list(zip(fold(one).split("."), fold(other).split("."), strict=False))
    if one.count(".") != other.count("."):
        return 0.0
    return min(SequenceMatcher(None, a, b).ratio() for a, b in pairs)


def alike_but_for_numbers(name: str, known: Iterable[str]) -> list[str]:
    """The known names that differ in their digits alone (resnet: resnet8, resnet14), in their order."""
    return [each for each in known if re.sub(r"\d", "", fold(each)) == re.sub(r"\d", "", fold(name))]


def _number(name: str) -> int:
    return int("".join(re.findall(r"\d", name)) or 0)


def nearest(name: str, known: Iterable[str], cutoff: float = NEAR) -> str | None:
    """The known name that is most alike; None where none is at least so near. Of numbers the nearest (resnet21: 20)."""
    known = list(known)
    family = alike_but_for_numbers(name, known) if re.search(r"\d", name) else []
    if family:
        return min(family, key=lambda each: abs(_number(each) - _number(name)))
    best = max(known, key=lambda each: alikeness(name, each), default=None)
    return best if best is not None and alikeness(name, best) >= cutoff else None


def closest(name: str, known: Iterable[str], cutoff: float = NEAR) -> str | None:
    """The same name, else the longest that stands within this one (RandomCrop: crop), else the nearest."""
    every = list(known)
    inside = [each for each in every if len(fold(each)) > 2 and fold(each) in fold(name)]
    return same(name, every) or max(inside, key=len, default=None) or nearest(name, every, cutoff)
