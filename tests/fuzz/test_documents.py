"""YAML documents at random: `--config` files and study files."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.ends import ended, few, many
from tests.fuzz.values import PLAIN, keys, overrides
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import TricktableError
from tricktable.runner.papers import study_file

DRAWN = Path("drawn.yaml")


@st.composite
def configs(draw):
    """A run's config.yaml with a few of its values replaced, and more keys."""
    tree = schema.plain(compose(["hook=[ema]", "augment=[crop]"]))
    for key in draw(st.lists(st.sampled_from(keys()), max_size=2)):
        *above, last = key.split(".")
        node = tree
        for name in above:
            node = node[name] if isinstance(node.get(name), dict) else node
        node[last] = draw(PLAIN)
    return tree


STUDIES = st.fixed_dictionaries(
    {},
    optional={
        "n": st.one_of(st.integers(1, 3), PLAIN),
        "rows": st.one_of(PLAIN, st.dictionaries(st.text(max_size=5), overrides(), max_size=3)),
        "shared": st.one_of(overrides(), PLAIN),
        "study": PLAIN,
        "baseline": PLAIN,
        "seed": PLAIN,
    },
)


@st.composite
def texts(draw):
    """A document whose text was damaged, or one that is no YAML at all."""
    text = yaml.safe_dump(draw(st.one_of(configs(), STUDIES)), allow_unicode=draw(st.booleans()))
    at = draw(st.integers(0, len(text)))
    more = st.sampled_from(
        [
            "[",
            "{",
            "- ",
            "? ",
            ": ",
            "&a ",
            "*a",
            "!!python/name:os.system ",
            "!!set {1}",
            "\t",
            "%",
            "<<: 1\n",
            "|",
            "'",
        ]
    )
    return draw(st.one_of(st.just(text[:at] + draw(st.one_of(more, st.text(max_size=3))) + text[at:]), st.text()))


def config(tree):
    DRAWN.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert ended(["show", "--config", str(DRAWN)]) in (0, 2)


def study(tree):
    DRAWN.write_text(yaml.safe_dump(tree), encoding="utf-8")
    _read()


def text(written):
    DRAWN.write_bytes(written.encode("utf-8", "surrogatepass"))
    assert ended(["show", "--config", str(DRAWN)]) in (0, 2)
    _read()


def _read():
    try:
        found = study_file.read(DRAWN)
        for label in found.rows:
            compose([*found.overrides(label), "seed=0"])
    except TricktableError as error:
        assert str(error)


@few(40)
@given(configs())
def test_configs(tree):
    config(tree)


@few(60)
@given(STUDIES)
def test_studies(tree):
    study(tree)


@few(40)
@given(texts())
def test_texts(written):
    text(written)


@pytest.mark.long
@pytest.mark.parametrize(("check", "drawn"), [(config, configs()), (study, STUDIES), (text, texts())])
def test_many_documents(check, drawn):
    many(3000)(given(drawn)(check))()
