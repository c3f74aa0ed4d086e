"""A config that is read key by key, each once for all files that have it, is what the plainest reader makes of it."""

import pytest
import yaml

from tricktable.runner.config import CONFIGS, loading, schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import record

TEXTS = [
    "a: 1\nb: {c: [1, 2]}\n",
    "a:\n  b: 1\n  c:\n  - 1\n  - {d: 2}\nd: null\n",
    "a:\n- 1\n- 2\nb: x\n",  # a list at the key's own column
    "a: 1\na: 2\nb: 3\n",  # the last of a key counts, at the place of the first
    "a: 'x\nb: y'\n",  # a text that looks like two keys
    'a: "x\nb: y"\nc: 1\n',
    "a: [1,\nb, 2]\n",
    "a: |\n  text\n  b: 1\nb: 2\n",
    "a: |+\n  text\n\n\nb: 2\n",
    "a: x\n  y\nb: 2\n",
    "# a comment\na: 1\n",
    "a: 1 # another\n# and one\nb: 2\n",
    '"a": 1\nb: 2\n',
    "a: 1\n'b': 2\nc: 3\n",
    "a: 1\r\nb:\r\n  c: 2\r\n",
    "a: 1\rb: 2\r",
    "b: 3\n<<: {b: 2, c: 1}\n",
    "a: 1\n<<: {b: 2}\nb: 3\n",
    "yes: 1\non: 2\nnull: 3\n",
    "a: 2026-01-01\nb: 0x10\nc: 1e3\nd: 1_000\n",
    "a:1\n",
    "a: é\nb: \U0001f600\n",
    "a: x\u2028b: 1\nc: 2\n",
    "a: path/to...\nb: x---y\n",
    "",
    "a",
]
REFUSED = [
    "a: 1\n...\nb: 2\n",
    "a: 1\n---\nb: 2\n",
    "a: &x [1]\nb: *x\n",
    "a: *x\n",
    "a: 'x\nb: 1\n",
    "a: [1,\nb: 2\n",
    "a: 1\n  b: 2\n",
    "a: !!python/object/apply:os.system [ls]\n",
    "a: " + "[" * 40 + "]" * 40 + "\nb: 1\n",
    "a: " + "9" * 200 + "\n",
    "%YAML 1.1\n",
    "a: \0\n",
    "a: @x\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_as_the_plainest_reader_has_it(text):
    wanted = yaml.safe_load(text)
    for _ in "12":  # and once more, when its keys are known
        found = loading.own(text.encode())
        assert found == wanted
        if isinstance(wanted, dict):
            assert list(found) == list(wanted) and list(map(type, found.values())) == list(map(type, wanted.values()))


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_of_the_whole_is_refused_of_its_keys(text):
    with pytest.raises((ValueError, yaml.YAMLError)):
        loading.own(text.encode())


def test_every_file_of_ours_is_read_alike():
    for path in sorted(CONFIGS.rglob("*.yaml"))[::7]:
        data = path.read_bytes()
        if b"&" not in data:  # people's files may have aliases, a run's config may not
            assert loading.own(data) == yaml.load(data, loading.SafeLoader), path


def test_two_files_share_no_value(tmp_path):
    record.write_config(tmp_path / "a.yaml", schema.plain(compose(["augment=[crop]", "epochs=3"])))
    first, second = (record.read_config(tmp_path / "a.yaml") for _ in "12")
    assert first == second
    first["augment"]["crop"]["pad"] = 99
    first["inference"].clear()
    assert second["augment"]["crop"]["pad"] != 99 and second["inference"]
    assert record.read_config(tmp_path / "a.yaml") == second


def test_of_many_runs_a_key_is_parsed_once(tmp_path, monkeypatch):
    record.write_config(tmp_path / "a.yaml", schema.plain(compose([])))
    record.read_config(tmp_path / "a.yaml")
    parsed, real = [], loading.SafeLoader
    monkeypatch.setattr(loading, "SafeLoader", lambda data: parsed.append(data) or real(data))
    text = (tmp_path / "a.yaml").read_text().replace("\nseed: 0\n", "\nseed: 1234567\n")
    (tmp_path / "a.yaml").write_text(text)
    assert record.read_config(tmp_path / "a.yaml")["seed"] == 1234567 and parsed == [b"seed: 1234567\n"]


def test_a_file_of_very_many_keys_is_read_as_a_whole_and_remembers_nothing():
    before = loading._remembered.cache_info().currsize
    text = "".join(f"k{i}: {i}\n" for i in range(5000))
    assert loading.own(text.encode()) == {f"k{i}": i for i in range(5000)}
    assert loading._remembered.cache_info().currsize == before
