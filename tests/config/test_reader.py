"""Plain values become typed classes, and what does not fit is one line with its place and the nearest match."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from tricktable.runner.config import loading, reader
from tricktable.runner.config.overrides import Override
from tricktable.runner.config.reader import key
from tricktable.runner.errors import BadInput


@dataclass(frozen=True)
class Leaf:
    label: str
    size: float = key(above=0)
    colour: Literal["green", "yellow"] = "green"
    veins: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    cut: str
    at: int | None = None


@dataclass(frozen=True)
class Grown:
    grown: tuple[Override, ...]
    by: float = 1.0


class Pair(tuple[str, ...]):
    @classmethod
    def from_plain(cls, where: str, value: Any) -> "Pair":
        if not isinstance(value, str) or "-" not in value:
            raise BadInput(f"{where}: expected a-b, got {value!r}")
        return cls(value.split("-"))


@dataclass(frozen=True, kw_only=True)
class Tree:
    name: str
    leaves: Mapping[str, Leaf] = key(by="label")
    kind: str | None = key(name="class", default=None)
    done: Mapping[str, Cut | Grown | str | Mapping[str, Cut | Grown | str]] = field(default_factory=dict)
    box: tuple[int, int] = (1, 1)
    pairs: tuple[Pair, ...] = ()
    pair: Pair | None = None
    trunk: Leaf | None = None


LEAVES = [{"label": "one", "size": 1}, {"label": "two", "size": 2.5, "colour": "yellow", "veins": {"a": 1, "b": 1.0}}]
GOOD: dict[str, Any] = {"name": "oak", "leaves": LEAVES}


def tree(**values: Any) -> Tree:
    return reader.read(Tree, {**GOOD, **values})


def test_keys_become_fields_of_their_types():
    made = tree()
    assert made.leaves == {"one": Leaf("one", 1.0), "two": Leaf("two", 2.5, "yellow", {"a": 1, "b": 1.0})}
    assert type(made.leaves["one"].size) is float
    assert [type(v) for v in made.leaves["two"].veins.values()] == [int, float], "a number stays what it was"
    assert (made.kind, made.box, made.pairs, made.trunk) == (None, (1, 1), (), None)
    assert tree(trunk={"label": "t", "size": 9}).trunk == Leaf("t", 9.0)
    with pytest.raises(TypeError):
        made.leaves["three"] = made.leaves["one"]


def test_a_key_may_be_another_word_than_the_field():
    assert tree(**{"class": "tree"}).kind == "tree"
    with pytest.raises(BadInput, match="^unknown key kind; "):
        tree(kind="tree")


def test_what_is_given_is_no_key():
    values = {"leaves": []}
    assert reader.read(Tree, values, name="oak").name == "oak"
    with pytest.raises(BadInput, match="^unknown key name"):
        reader.read(Tree, {**values, "name": "elm"}, name="oak")


def test_a_class_is_told_by_the_first_key_that_must_be_there():
    done = tree(
        done={
            "a": {"cut": "low", "at": 3},
            "b": {"grown": ["model=x"]},
            "c": "not yet",
            "d": {"top": {"cut": "x"}, "e": "no"},
        }
    ).done
    assert done == {
        "a": Cut("low", 3),
        "b": Grown((Override("model=x"),)),
        "c": "not yet",
        "d": {"top": Cut("x"), "e": "no"},
    }
    assert isinstance(done["b"].grown[0], Override)


def test_a_class_may_read_itself_alone_and_in_lists_and_from_a_mapping_of_names():
    assert tree(pair="a-b").pair == ("a", "b")
    assert tree(pairs=["a-b", "c-d"]).pairs == tree(pairs={"x": "a-b", "y": "c-d"}).pairs == (("a", "b"), ("c", "d"))
    assert tree(pairs=None).pairs == ()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"leafs": 1}, "unknown key leafs; did you mean leaves?"),
        ({"zzz": 1}, "unknown key zzz; there are: name, leaves, class, done, box, pairs, pair, trunk"),
        ({"leaves": [{"label": "one", "size": 1, "color": "green"}]}, "leaves.one: unknown key color; did you mean colour?"),
        ({"leaves": [{"label": "one", "size": 1, "colour": "gren"}]},
         "leaves.one.colour: expected green or yellow, got 'gren'; did you mean green?"),
        ({"leaves": [{"label": "one", "size": 1, "colour": "red"}]}, "leaves.one.colour: expected green or yellow, got 'red'"),
        ({"leaves": [{"label": "one"}]}, "leaves.one.size: missing"),
        ({"leaves": [{"size": 1}]}, "leaves[0].label: missing"),
        ({"leaves": [{"label": "one", "size": 0}]}, "leaves.one.size: expected a number above 0, got 0.0"),
        ({"leaves": [{"label": "one", "size": "big"}]}, "leaves.one.size: expected a number, got 'big'"),
        ({"leaves": [{"label": "one", "size": float("nan")}]}, "leaves.one.size: expected a number, got nan"),
        ({"leaves": [{"label": "one", "size": 1, "veins": {"a": "x"}}]},
         "leaves.one.veins.a: expected a whole number or a number, got 'x'"),
        ({"leaves": [{"label": "one", "size": 1, "veins": 3}]}, "leaves.one.veins: expected a mapping, got 3"),
        ({"leaves": [*LEAVES, LEAVES[0]]}, "leaves.one: this label stands twice"),
        ({"leaves": [7]}, "leaves[0]: expected keys (label, size, colour, veins), got 7"),
        ({"leaves": 7}, "leaves: expected a list, each with its label, got 7"),
        ({"name": None}, "name: expected text, got None"),
        ({"box": [1]}, "box: expected a list of a whole number, a whole number, got [1]"),
        ({"box": 1}, "box: expected a list of a whole number, a whole number, got 1"),
        ({"box": [1, "x"]}, "box[1]: expected a whole number, got 'x'"),
        ({"trunk": 3}, "trunk: expected a mapping of label, size, colour, veins or null, got 3"),
        ({"pair": 3}, "pair: expected a-b, got 3"),
        ({"pairs": {"x": "ab"}}, "pairs.x: expected a-b, got 'ab'"),
        ({"done": {"b": {"grown": ["model"]}}}, "done.b.grown[0]: model: expected key=value, such as optimizer.lr=0.1"),
        ({"done": {"a": {"cut": "low", "aat": 3}}}, "done.a: unknown key aat; did you mean at?"),
        ({"done": {"a": {"grwn": ["model=x"]}}}, "done.a: unknown key grwn; did you mean grown?"),
        ({"done": {"a": {"cutt": "low"}}}, "done.a: unknown key cutt; did you mean cut?"),
        ({"done": {"a": {"top": {"cut": "low", "grown": []}}}}, "done.a.top: unknown key grown; there are: cut, at"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(values, line):
    with pytest.raises(BadInput) as error:
        tree(**values)
    assert str(error.value) == line


def test_a_mapping_that_is_none_of_several_classes_is_refused():
    with pytest.raises(BadInput, match="^here: expected one of the keys cut, grown; there are: x$"):
        reader.value_of("here", Cut | Grown, {"x": 1})


def test_a_missing_key_of_the_whole_and_a_whole_that_is_none():
    with pytest.raises(BadInput, match="^leaves: missing$"):
        reader.read(Tree, {"name": "oak"})
    with pytest.raises(BadInput, match=r"^expected keys \(label, size, colour, veins\), got None$"):
        reader.read(Leaf, None)


def test_the_file_stands_before_what_is_wrong_in_it():
    line = r"^trees/oak\.yaml: unknown key leafs; did you mean leaves\?$"
    with pytest.raises(BadInput, match=line), reader.in_file("trees/oak.yaml"):
        tree(leafs=1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key a stands twice"),
        ("rows:\n- {x: 1, y: 2,\n   x: 1}\n", "line 3: the key x stands twice"),
        ("a: [1,\nb: 2\n", "line "),
        ("a: &x 1\nb: *y\n", "line 2: found undefined alias"),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1: could not determine a constructor"),
    ],
)
def test_what_is_wrong_in_a_yaml_is_one_line_with_its_number(tmp_path, text, line):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(BadInput) as error:
        loading.load(tmp_path / "x.yaml")
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_a_yaml_is_read_as_pyyaml_reads_it(tmp_path):
    (tmp_path / "x.yaml").write_text("base: &base {a: 1, b: 2}\nown: {<<: *base, a: 3}\n1: x\n'1': y\n")
    assert loading.load(tmp_path / "x.yaml") == {"base": {"a": 1, "b": 2}, "own": {"a": 3, "b": 2}, 1: "x", "1": "y"}
