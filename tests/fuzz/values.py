"""Keys and values as people type them, or as somebody who means harm would."""

import functools

from hypothesis import strategies as st

from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.config.options import GROUPS, options

RICH = (
    "model=wide_resnet_16_4" if "wide_resnet_16_4" in options("model") else "model=resnet20",
    "augment=[crop,flip,mixup,cutout]",
    "hook=[ema,swa]",
    "schedule.lr=[warmup,cosine]",
    "gradient=[clip_norm]",
)


def leaves(tree, prefix=""):
    for name, value in tree.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")


@functools.cache
def keys():
    """Those that `show` prints, of the usual run and of a rich one; and those of the groups."""
    shown = [key for typed in ((), RICH) for key in leaves(schema.plain(compose(list(typed))))]
    return tuple(dict.fromkeys([*shown, *GROUPS, "config", "hydra.run.dir", "", "a.b.c"]))


NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=-(10**30), max_value=10**30),
    st.floats(),
    st.sampled_from([0, 1, -1, 10**19, 2**63, 2**64, 1e308, 1e-320, 1.5]),
)
WORDS = st.one_of(
    st.sampled_from(
        ["null", "true", "False", "nan", "inf", "-inf", "~", "~/x", "''", "[]", "{}", "[[]]", "{a: 1}", "[crop,crop]",
         "[1,2,", "{a", "'", '"', "\\", "\\'", "${oc.env:HOME}", "???", "1/3", "1/0", "5min", "0x10", "1_000", "1e400", "a=b",
         "range(3)", "range(5,1)", "interval(0,1)", "choice(1,2)", "glob(*)", "sort(1,2)", "tag(a,1)", "shuffle(1,2)", "int(x)",
         "float(1)", "str(1)", "bool(2)", "json_str({})", "extend_list(1)", "\x1b[2J", "\u202e", "é", "=", "..", "/", "a" * 300, "9" * 5000]
    ),
    st.sampled_from([name for group in GROUPS for name in options(group)]),
    st.text(max_size=20),
)  # fmt: skip
TYPED = st.recursive(
    st.one_of(NUMBERS.map(str), WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]"),
        st.tuples(WORDS, inner).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}"),
    ),
    max_leaves=6,
)


@st.composite
def overrides(draw):
    """A few `key=value`, most with a key that there is."""
    key = st.one_of(
        st.sampled_from(keys()),
        st.sampled_from(keys()),
        st.sampled_from(keys()),
        st.tuples(st.sampled_from(keys()), st.text(max_size=3)).map("".join),
        st.text(max_size=10),
    )
    sign = st.sampled_from(["="] * 8 + ["", "==", "=~", "@x="])
    typed = st.tuples(st.sampled_from([""] * 12 + ["+", "~", "++"]), key, sign, TYPED).map("".join)
    return [each.replace("\0", "0") for each in draw(st.lists(typed, max_size=3)) if not each.startswith("-")]


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.dates(), st.binary(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(WORDS, st.sampled_from(["name", "path", "lr", "at"])), inner, max_size=3),
        st.dictionaries(st.one_of(st.integers(), st.none(), st.booleans()), inner, max_size=2),
    ),
    max_leaves=8,
)
