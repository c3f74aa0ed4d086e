"""What a few bytes could do to a machine or to a person's time is one line, at once."""

import pytest
import torch
from torch import nn

from tricktable.runner.config import grammar
from tricktable.runner.config.compose import compose
from tricktable.runner.config.loading import LEVELS, refuse
from tricktable.runner.disk import config_file
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build, rehearse

DEEP = 40_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed=range(5,1)", "has no value"),
        ("seed=range(0,1,0)", "cannot be counted through"),
        ("optimizer.lr=range(0.0,1.0,0.0)", "cannot be counted through"),
        ("seed=interval(0,1)", "an interval has no points"),
        ("seed=range(1,1000000000)", "at most 200,000 runs"),
        ("seed=shuffle(range(1,1000000000))", "at most 200,000 runs"),
        ("optimizer.lr=range(0,1,1e-9)", "at most 200,000 runs"),
        ("optimizer.lr=range(0,inf)", "at most 200,000 runs"),
    ],
)
def test_a_multirun_without_points_or_without_end(text, said):
    with pytest.raises(BadInput, match=said):
        grammar.expand([text])


def test_the_points_of_several_keys_are_counted_before_they_are_made():
    with pytest.raises(BadInput, match="at most 200,000 runs"):
        grammar.expand([f"{key}=range(1000)" for key in ("seed", "epochs", "batch_size", "data.split_seed")])
    assert len(grammar.expand(["seed=range(400)", "epochs=range(500)"])) == grammar.POINTS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"seed={'9' * 5000}", "seed: a number has too many digits"),
        (f"augment={'[' * 300}{']' * 300}", "augment: brackets within brackets"),
        (f"augment={'[' * DEEP}", "augment: brackets within brackets"),
    ],
)
def test_what_is_typed_is_looked_at_before_it_is_parsed(text, said):
    with pytest.raises(BadInput, match=said):
        compose([text])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "[" * DEEP, "more than 32 levels"),
        ("a: " + "[" * DEEP + "]" * DEEP, "more than 32 levels"),
        ("a:\n " + "- " * DEEP + "1", "more than 32 levels"),
        ("? " * DEEP + "1", "more than 32 levels"),
        ("\n".join(" " * i + "a:" for i in range(1000)), "more than 32 levels"),
        ("\r".join(" " * i + "a:" for i in range(1000)), "more than 32 levels"),
        ("a: " + "{a: " * 300 + "1" + "}" * 300, "more than 32 levels"),
        (f"seed: {'9' * 5000}", "more than 100 digits"),
        (f"seed: 0x{'f' * 5000}", "more than 100 digits"),
        ("a: &a [1]\nb: *a", "has an alias"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_foreign_file_that_would_crash_the_parser(tmp_path, text, said, encoding):
    path = tmp_path / "foreign.yaml"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(BadInput, match=said):
        config_file.values(path)


def test_what_people_write_is_within_the_limits():
    digest = "ab12" * 16
    deepest = "a:\n" + "".join("  " * i + "- b:\n" for i in range(1, LEVELS // 2)) + "[]: 1"
    for text in (f"weights: {digest}\n", "at: [1, 2, [3, {a: 1}]]\n" * 40, deepest.replace("[]: 1", "")):
        refuse(text.encode())


@pytest.mark.parametrize("text", ["optimizer.lr=1e308", "optimizer.lr=-1e300", "optimizer.weight_decay=1e39"])
def test_a_number_that_no_float32_holds(make_run, text):
    with pytest.raises(BadInput, match=r"expected a number, got -?1e\+\d+, beyond 3.4e\+38"):
        make_run(text)


def test_a_network_without_end_or_too_large_for_the_machine(monkeypatch):
    config = compose(["model=resnet20", "model.depth=1000000004"])
    monkeypatch.setattr(rehearse, "TENSORS", 500)  # the rule, without the seconds that 20,000 take
    with torch.device("meta"), pytest.raises(BadInput, match="model: expected at most 500 parameter tensors"):
        build.build_model(config, 3, 10)
    monkeypatch.setattr(rehearse.machine, "memory", lambda: 2**30)
    with pytest.raises(BadInput, match="more than this machine's 1 GiB"), rehearse.bounded():
        nn.Linear(2**15, 2**14)
    nn.Linear(2, 2)  # the bound has gone


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study={0:range(0)}", "several values stand within a list or a mapping"),
        ("augment=[choice(1,2)]", "several values stand within a list or a mapping"),
        ("output={null: null}", "output"),
    ],
)
def test_what_was_found_at_random(text, said):
    with pytest.raises(BadInput, match=said):
        compose([text])
