"""What is said of a key, an option or a knob that does not exist: one line that ends with what to type instead."""

from dataclasses import replace

from omegaconf import DictConfig, OmegaConf

from tricktable.runner.config import synonyms
from tricktable.runner.config.grammar import Typed
from tricktable.runner.config.meanings import Hint, called, meaning, there_are
from tricktable.runner.config.options import defaults, mount, options
from tricktable.runner.config.places import SCHEDULED
from tricktable.runner.config.spelling import alike_but_for_numbers, nearest, same
from tricktable.runner.config.suggestions import Composed, adding, listed, named, setting


def unknown_key(typed: Typed, composed: Composed) -> str:
    """The line for a key that does not exist."""
    said = f"unknown key {typed.key}"
    hint = meaning(typed, composed)
    if hint is not None:
        return hint.after(said)
    head, _, rest = typed.key.partition(".")
    siblings = composed.tree.get(head) if rest else None
    if isinstance(siblings, DictConfig):
        return f"{said}; {head} has: {', '.join(str(name) for name in siblings if name != 'name')}"
    return f"{said}; `tricktable show` prints them all"


def unknown_option(group: str, name: str, typed: Typed) -> str:
    """The line for a name that is no option of the group that is chosen at a key."""
    said = f"{typed.key}: nothing is called {name}"
    here = same(name, options(group)) or synonyms.option(group, name)
    absent = synonyms.lookup(name)[0]
    if absent and absent.typed is None and not here:
        return f"{said}: {absent.why}; {there_are(group)}"
    family = alike_but_for_numbers(name, options(group))
    if len(family) > 1 and not here and not any(letter.isdigit() for letter in name):
        return f"{said}; there are: {', '.join(family)}"
    elsewhere = [each for each in called(name) if each[0] != group]
    if elsewhere and not here:
        return Hint([_at_its_place(group, typed, *each) for each in elsewhere]).after(said)
    if named(group, name):
        return Hint([setting(typed, typed.key, _as_usual())]).after(said)
    return f"{said}; {there_are(group)}"


def _at_its_place(group: str, typed: Typed, place: str, option: str) -> str:
    """An option chosen where it belongs, and beside it what was typed with it and does belong there."""
    kept = [str(item) for item in listed(typed.value) if str(item) in options(group)]
    others = setting(replace(typed, value=kept), typed.key, _as_usual()) if kept else ""
    # `noise` holds whole schedules of the noise scale; a schedule that is typed there is the knob's.
    at = "schedule.noise_scale" if (group, place) == ("noise", "schedule") else None
    chosen = adding(replace(typed, value=True, text="true"), place, option, _as_usual(), at=at)
    return f"{others} {chosen}".lstrip()


def unknown_knob(typed: Typed) -> str:
    """The line for a schedule of something that is no knob."""
    _, word, *rest = typed.key.split(".")
    said = f"{typed.key}: no knob is called {word}"
    synonym = synonyms.lookup(f"schedule.{word}")[0] or synonyms.lookup(word)[0]
    meant = synonym.typed.rpartition(".")[2] if synonym and synonym.typed else word
    knob = nearest(meant, SCHEDULED)
    if knob is None:
        return f"{said}; there are: {', '.join(SCHEDULED)}"
    return Hint([setting(typed, ".".join(["schedule", knob, *rest]), _as_usual())]).after(said)


def schedule_of_nothing(typed: Typed) -> str:
    """The line for a schedule without a knob."""
    said = f"{typed.key}={typed.text}: write schedule.<knob>=..., with a knob of {', '.join(SCHEDULED)}"
    return Hint([setting(typed, mount("schedule"), _as_usual())]).after(said)


def _as_usual() -> Composed:
    """As things stand in train.yaml: what is wrong here shows before anything is composed."""
    return Composed.of(defaults(), OmegaConf.create())
