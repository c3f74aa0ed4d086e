"""configs/synonyms.yaml: the words of other tools, and what is typed here for them."""

from dataclasses import dataclass
from functools import cache

from omegaconf import OmegaConf

from tricktable.runner.config import CONFIGS
from tricktable.runner.config.options import options
from tricktable.runner.config.spelling import fold


@dataclass(frozen=True)
class Synonym:
    """What is typed instead of a word: a key, or key=value; None where `why` is all there is to say."""

    typed: str | None
    why: str


@cache
def words() -> dict[str, Synonym]:
    """By the word, folded."""
    entries = OmegaConf.load(CONFIGS / "synonyms.yaml")
    keys = [entry for entry in entries if not {"command", "option"} & set(entry)]
    return {fold(word): Synonym(entry.get("type"), entry.get("why", "")) for entry in keys for word in entry["for"]}


@cache
def others(kind: str) -> dict[str, str]:
    """What is typed for another tool's `command` or `option`, by the word, folded; the first that has it."""
    entries = [entry for entry in OmegaConf.load(CONFIGS / "synonyms.yaml") if kind in entry]
    return {fold(word): entry[kind] for entry in reversed(entries) for word in entry["for"]}


def lookup(key: str) -> tuple[Synonym | None, list[str]]:
    """The synonym that a key, or the longest beginning of it, is a word for; and the parts of the key behind that."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        found = words().get(fold(".".join(parts[:length])))
        if found is not None:
            return found, parts[length:]
    return None, parts


def option(group: str, word: str) -> str | None:
    """The option of a group that a word stands for (kaiming: he)."""
    found = words().get(fold(word))
    place, _, name = (found.typed or "").partition(".") if found else ("", "", "")
    return name if place == group and name in options(group) else None
