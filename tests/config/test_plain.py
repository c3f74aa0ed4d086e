"""What is composed without Hydra is what Hydra composes: values, their order, and what is chosen."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tricktable.runner.config import choices, compose, grammar, plain, roots
from tricktable.runner.config.options import LISTS, options, within
from tricktable.runner.config.places import PLACES
from tricktable.runner.papers import recipe

SINGLE = [name for name, place in PLACES.items() if not place.many and name != "schedule"]


def _same(entries: Sequence[str]) -> bool:
    """Whether it is plain; what then does not equal Hydra's fails."""
    mine = plain.composed(entries)
    if mine is None:
        return False
    chosen, tree = compose._by_hydra(entries)
    assert json.dumps(mine[1]) == json.dumps(tree), entries
    assert mine[0] == {key: name for key, name in chosen.items() if not key.startswith("hydra/")}, entries
    return True


def _within() -> Iterator[list[str]]:
    """Every option that takes another of its group into itself, with another than its usual one there."""
    for group, mount in (("schedule", "schedule.lr"), ("optimizer", "optimizer")):
        for name in options(group):
            for key in within(group, name):
                at = f"{group}={name}" if mount == group else f"{group}@{mount}={name}"
                yield [at, f"{group}@{mount}.{key}={options(group)[1]}"]


def test_every_option_of_every_place() -> None:
    for i in range(max(len(options(place)) for place in (*SINGLE, "schedule", "data", "compute"))):
        entries = [f"{place}={options(place)[i % len(options(place))]}" for place in (*SINGLE, "data", "compute")]
        schedule = options("schedule")[i % len(options("schedule"))]
        entries += [f"schedule@schedule.lr={schedule}", f"schedule@schedule.batch_size={schedule}"]
        entries += [f"{place}=[{','.join(reversed(options(place)[i % 2 :: 2]))}]" for place in LISTS]
        assert _same(entries)


def test_options_within_options_and_choices_taken_out() -> None:
    for entries in _within():
        assert _same(entries)
    assert _same(["~schedule@schedule.lr", "schedule@schedule.noise_scale=step", *(f"{name}=[]" for name in LISTS)])


def test_networks_that_build_on_networks() -> None:
    for name in ("resnet20", "resnet110", "pyramidnet272_a200", "resnext101_64x4d", "vgg16_bn_dropout_cifar"):
        assert _same([f"model={name}"])


@pytest.mark.long
def test_every_network() -> None:
    assert all(_same([f"model={name}"]) for name in options("model"))


@pytest.mark.long
def test_every_row_of_every_recipe() -> None:
    seen = set[tuple[str, ...]]()
    for table in map(recipe.load, recipe.names()):
        overrides = [table.overrides(label, "paper") for label in table.table.rows]
        seen |= {tuple(choices.split(grammar.typed(each))[0]) for each in overrides if not isinstance(each, str)}
    plainly = sum(_same(entries) for entries in sorted(seen))
    assert plainly > 0.8 * len(seen)  # the others have a `noise` of several places


@pytest.mark.parametrize(
    "entries",
    [
        ["model=resnet20", "model=resnet56"],  # one place twice
        ["noise=hybrid"],  # it has values at several places
        ["+model=resnet20"],
        ["schedule@schedule.lr=cosine", "schedule@schedule.lr.then=step"],  # a cosine takes nothing into itself
        ["model=no_such_network"],
        ["place=crop"],
    ],
)
def test_what_is_not_plain_is_left_to_hydra(entries: list[str]) -> None:
    assert plain.composed(entries) is None


def test_ones_own_options_are_left_to_hydra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "of_mine.yaml").write_text("name: sgd\n")
    monkeypatch.setenv(roots.CONFIG_DIR, str(tmp_path))
    assert plain.composed(["optimizer=of_mine"]) is None and plain.composed(["optimizer=sgd"]) is not None
