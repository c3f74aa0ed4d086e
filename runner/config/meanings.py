"""What a key that does not exist was meant to be, as it would be typed.

It is found from what exists: keys as things stand, options, the arguments of options that are not chosen, and a short
table of the words of other tools (configs/synonyms.yaml). Rules are tried in order, and the first that finds something
is believed.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tricktable.runner.config import synonyms
from tricktable.runner.config.grammar import Typed
from tricktable.runner.config.options import GROUPS, arguments, mount, options
from tricktable.runner.config.places import PLACES, SCHEDULED
from tricktable.runner.config.spelling import NEAR, closest, fold, nearest, same
from tricktable.runner.config.suggestions import (
    Composed,
    adding,
    fits,
    group_at,
    holding,
    listed,
    named,
    replaceable,
    setting,
)

SURE = 0.85  # alikeness from which a misspelt key is preferred to an option's name
SHOWN = 3  # suggestions in a line
LISTED = 20  # options in a line, where all are said
NAMED = 8  # where some are
KEPT = ("model", "data")  # what nobody would choose anew for the sake of an argument


@dataclass(frozen=True)
class Hint:
    """What to type, in one way or several; and what is said before it."""

    lines: Sequence[str] = ()
    why: str = ""

    def after(self, said: str) -> str:
        """The whole line."""
        why = f": {self.why}" if self.why else ""
        meant = " or ".join(list(dict.fromkeys(self.lines))[:SHOWN])
        return f"{said}{why}; did you mean {meant}?" if meant else f"{said}{why}"


def meaning(typed: Typed, composed: Composed) -> Hint | None:
    """What is said of a key that does not exist; None where nothing is like it."""
    return next((hint for rule in _RULES if (hint := rule(typed, composed))), None)


def surely(typed: Typed, composed: Composed) -> Hint | None:
    """The same by the rules that do not guess at a misspelt word."""
    guesses = (_surely_near, _near, _roughly)
    return next((hint for rule in _RULES if rule not in guesses and (hint := rule(typed, composed))), None)


def called(name: str) -> list[tuple[str, str]]:
    """(group, option) for every option of this name."""
    return [(group, option) for group in GROUPS for option in options(group) if fold(option) == fold(name)]


def there_are(group: str) -> str:
    """The options of a group, if they are not too many for a line."""
    names = options(group)
    return f"there are: {', '.join(names)}" if len(names) <= LISTED else f"`tricktable list {group}` has them all"


def _set(typed: Typed, key: str, composed: Composed) -> Hint:
    """A key that exists with what was typed; where that is none of its options, with the options there are."""
    group = group_at(key)
    items = listed(typed.value)
    lost = group is not None and bool(items) and not any(named(group, item) for item in items)
    if group is not None and lost and not isinstance(typed.value, bool):
        return Hint(why=f"{key} has no {typed.text}, {there_are(group)}")
    return Hint([setting(typed, key, composed)])


def _respelled(typed: Typed, composed: Composed) -> Hint | None:
    """batch-size: a key in other case or punctuation."""
    key = same(typed.key, composed.known)
    return _set(typed, key, composed) if key else None


def _another_word(typed: Typed, composed: Composed) -> Hint | None:
    """bs, scheduler.end: a word of another tool, where what was typed fits what it is here."""
    synonym, rest = synonyms.lookup(typed.key)
    if synonym is None:
        return None
    target = ".".join([synonym.typed or "", *rest])
    if target in composed.known and not fits(typed, target, composed):
        return None
    if _without_its_place(typed, composed):  # a word of another tool, and of what is chosen here (arch)
        return None
    return _translated(typed, synonym, rest, composed)


def _translated(typed: Typed, synonym: synonyms.Synonym, rest: Sequence[str], composed: Composed) -> Hint | None:
    """What a synonym says to type."""
    if synonym.typed is None:
        return Hint(why=synonym.why)
    key, equals, _ = synonym.typed.partition("=")
    if not equals:
        target = replace(typed, key=".".join([key, *rest]))
        if target.key in composed.known:
            hint: Hint | None = _set(target, target.key, composed)
        else:
            hint = _of_a_place(target, composed)
        return replace(hint, why=hint.why or synonym.why) if hint else None
    if typed.value is None or typed.value is False:
        return Hint([holding(key, composed)], synonym.why)
    return Hint([synonym.typed.format(part=_part(typed, composed), points=_points(typed))], synonym.why)


def _part(typed: Typed, composed: Composed) -> int:
    """Images of a part of a batch, where the value says how many parts; else two."""
    whole = typed.value if isinstance(typed.value, int) and typed.value > 1 else 2
    return math.ceil(composed.value("batch_size") / whole)


def _points(typed: Typed) -> str:
    """A multirun's values: as many as a number says, or those of a list."""
    if isinstance(typed.value, list) and typed.value:
        return ",".join(map(str, typed.value))
    counted = isinstance(typed.value, int) and not isinstance(typed.value, bool) and typed.value > 0
    return f"range({typed.value if counted else 5})"


def _word_of_a_place(typed: Typed, composed: Composed) -> Hint | None:
    """optimizer.learning_rate, trainer.max_epochs: another tool's word, behind its place or what is none here."""
    head, _, rest = typed.key.partition(".")
    synonym, more = synonyms.lookup(rest) if rest else (None, [])
    if synonym is None or more or called(head):
        return None
    if same(head, GROUPS) and not (synonym.typed or "").startswith(f"{same(head, GROUPS)}."):
        return None
    return _another_word(replace(typed, key=rest), composed)


def _surely_near(typed: Typed, composed: Composed) -> Hint | None:
    """epoch: a key misspelt by a letter, where what was typed fits it."""
    key = _nearest_key(typed, composed, SURE)
    return _set(typed, key, composed) if key and fits(typed, key, composed) else None


def _near(typed: Typed, composed: Composed) -> Hint | None:
    """A key misspelt by more."""
    key = _nearest_key(typed, composed, NEAR)
    hint = _set(typed, key, composed) if key else None
    return hint if hint and hint.lines else None


def _nearest_key(typed: Typed, composed: Composed, cutoff: float) -> str | None:
    """The nearest key; a word without dots is compared with the last words of keys as well."""
    keys = list(composed.known)
    if "." in typed.key:
        return nearest(typed.key, keys, cutoff)
    last = {_last(key): key for key in reversed(keys)} | {key: key for key in keys}
    word = nearest(typed.key, last, cutoff)
    return last[word] if word else None


def _last(key: str) -> str:
    """The word of a key that is typed alone by those who do not know where it belongs; a knob's schedule is not."""
    return key if key.count(".") == 1 and key.startswith("schedule.") else key.rpartition(".")[2]


def _ends_alike(key: str, other: str) -> bool:
    return fold(_last(key)) == fold(other.rpartition(".")[2])


def _of_a_place(typed: Typed, composed: Composed) -> Hint | None:
    """augment.mixup.alpha, mixup.alpha, optimizer.beta1, schedule.lr.at: of an option that is not chosen."""
    head, *rest = typed.key.split(".")
    if not rest:
        return None
    group = same(head, GROUPS)
    if group is None:
        having = [each for each in called(head) if closest(rest[-1], arguments(*each))]
        return _lines(adding(typed, *each, composed, rest[-1]) for each in having or called(head))
    at = mount(group)
    if group == "schedule" and rest[0] in SCHEDULED:
        at = f"schedule.{rest.pop(0)}"
    inside = [key for key in composed.known if key.startswith(f"{at}.") and _ends_alike(key, typed.key)]
    if inside:
        return _set(typed, inside[0], composed)
    name = same(rest[0], options(group)) if rest else None
    if name is None:
        return _of_an_argument(typed, composed, [(group, at)])
    argument = rest[1] if rest[1:] else None
    why = "" if name in composed.chosen.get(at, []) else f"{name} is not chosen"
    if argument and not closest(argument, arguments(group, name)):
        why = f"{name} has {', '.join(arguments(group, name)) or 'no arguments'}"
    return Hint([adding(typed, group, name, composed, argument, at)], why)


def _without_its_place(typed: Typed, composed: Composed) -> Hint | None:
    """lr: the last word of keys that it fits; linear=true may be an option too."""
    keys = None if "." in typed.key else _by_its_end(typed, composed)
    chosen = _of_an_option(typed, composed) if keys and isinstance(typed.value, bool) else None
    return Hint([*chosen.lines, *keys.lines]) if keys and chosen else keys


def _by_its_end(typed: Typed, composed: Composed) -> Hint | None:
    """train.lr: a key that ends in the same word and that it fits, wherever it stands."""
    keys = [key for key in composed.known if _ends_alike(key, typed.key) and fits(typed, key, composed)]
    return _lines(setting(typed, key, composed) for key in keys)


def _of_an_option(typed: Typed, composed: Composed) -> Hint | None:
    """mixup: an option's name, of each place that has it."""
    return _lines(adding(typed, *each, composed) for each in called(typed.key))


def _of_any_argument(typed: Typed, composed: Composed) -> Hint | None:
    """alpha: an argument of options that are not chosen."""
    tricks_first = [*PLACES, *(group for group in GROUPS if group not in PLACES)]
    return _of_an_argument(typed, composed, [(group, mount(group)) for group in tricks_first])


def _of_an_argument(typed: Typed, composed: Composed, mounts: Sequence[tuple[str, str]]) -> Hint | None:
    """The last word of the key as an argument of options that are not chosen; at each mount, of the most alike one."""
    word = typed.key.rpartition(".")[2]
    lines, names = [], []
    for group, at in mounts:
        holders = _holders(typed, word, composed.chosen.get(at, []), group)
        if holders and group not in KEPT:
            lines.append(adding(typed, group, holders[0], composed, word, at))
        names += holders
    if not names:
        return None
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    why = f"an argument of {', '.join(names[:NAMED])}{more}"
    return Hint(lines, why if lines else f"{why}, and not of what is chosen")


def _holders(typed: Typed, word: str, chosen: Sequence[str], group: str) -> list[str]:
    """A group's options with an argument that can take the value; first those that are most like the one chosen."""
    own = {argument for name in chosen for argument in arguments(group, name)}
    names = [
        name
        for name in options(group)
        for argument, present in arguments(group, name).items()
        if name not in chosen and fold(argument) == fold(word) and replaceable(typed.value, present)
    ]
    return sorted(names, key=lambda name: -len(own & set(arguments(group, name))))


def _roughly(typed: Typed, composed: Composed) -> Hint | None:
    """ema_decay, warmupp: an option's name among the key's words, or something near an option or a synonym."""
    if "." in typed.key:
        return None
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|-", "_", typed.key).lower()
    names = dict.fromkeys(name for group in GROUPS for name in options(group))
    known = [*synonyms.words(), *names]
    among = [name for name in names if f"_{name}_" in f"_{spaced}_"]
    word = nearest(typed.key, known, SURE) or max(among, key=len, default=None) or nearest(typed.key, known)
    if word is None:
        return None
    synonym, rest = synonyms.lookup(word)
    if synonym is not None:
        return _translated(typed, synonym, rest, composed)
    return _of_an_option(replace(typed, key=word), composed)


def _lines(lines: Iterable[str]) -> Hint | None:
    found = list(lines)
    return Hint(found) if found else None


_RULES: tuple[Callable[[Typed, Composed], Hint | None], ...] = (
    _respelled,
    _another_word,
    _word_of_a_place,
    _without_its_place,
    _surely_near,
    _of_a_place,
    _by_its_end,
    _of_an_option,
    _of_any_argument,
    _near,
    _roughly,
)
