"""What is typed after a command: `key=value`, whose parts have names, and lists of it."""

from collections.abc import Iterable, Iterator
from typing import Self

from tricktable.runner.errors import BadInput


class Override(str):
    """One `key=value` as it was typed. BadInput for a text that is none."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """From a text, or from one that is an override already."""
        if isinstance(text, cls):
            return text
        if "=" not in text.lstrip("="):
            raise BadInput(f"{text}: expected key=value, such as optimizer.lr=0.1")
        return super().__new__(cls, text)

    @property
    def key(self) -> str:
        """What is set: `schedule.lr`, also where it was typed as Hydra has it, `schedule@schedule.lr`."""
        return self.partition("=")[0].rpartition("@")[2]

    @property
    def value(self) -> str:
        """The text behind the first `=`."""
        return self.partition("=")[2]

    @property
    def group(self) -> str:
        """The first word of the key: `schedule`."""
        return self.key.partition(".")[0]

    def within(self, *keys: str) -> bool:
        """Whether it sets one of these keys, or one below them."""
        return any(self.key == key or self.key.startswith(f"{key}.") for key in keys)


class Overrides(tuple[Override, ...]):
    """Several of them, in the order that they were typed."""

    __slots__ = ()

    def __new__(cls, texts: Iterable[str] = ()) -> Self:
        """From texts, or from overrides."""
        return super().__new__(cls, map(Override, texts))

    @property
    def keys(self) -> frozenset[str]:
        """What they set."""
        return frozenset(each.key for each in self)

    def get(self, key: str) -> str | None:
        """The value typed for a key; None where there is none."""
        return next((each.value for each in self if each.key == key), None)

    def updated(self, others: Iterable[str]) -> "Overrides":
        """With others behind them, in place of those of the same keys."""
        later = Overrides(others)
        return Overrides([*self.without(*later.keys), *later])

    def without(self, *keys: str) -> "Overrides":
        """Those that set none of these keys."""
        return Overrides(each for each in self if each.key not in keys)

    def of_groups(self, *groups: str) -> Iterator[Override]:
        """Those whose first word is one of these."""
        return (each for each in self if each.group in groups)

    def __str__(self) -> str:
        return " ".join(self)
