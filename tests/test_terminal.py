"""Streams for a person: nothing that others wrote acts on the terminal, and a stream that is gone or full is no traceback."""

import io
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tricktable.runner import cli, terminal
from tricktable.runner.commands import looking

HOSTILE = "\x1b]0;owned\x07\x1b[2J\rfine\u202e\x9b31m"


def test_what_is_printed_acts_on_no_terminal_and_what_is_drawn_does():
    raw = io.BytesIO()
    stream = terminal.heard(io.TextIOWrapper(raw, "utf-8"))
    print(f"{HOSTILE}\té ± 1", file=stream)
    print("\x1b[1mbold", end="", file=terminal.drawing(stream))
    stream.flush()
    said = raw.getvalue().decode()
    assert said == "\\x1b]0;owned\\x07\\x1b[2J\\rfine\\u202e\\x9b31m\té ± 1\n\x1b[1mbold"


def test_a_config_s_text_reaches_no_terminal_as_it_is(tricktable, tmp_path):
    (tmp_path / "foreign.yaml").write_text('data: {name: image_folder, path: "/no\\e[2J"}\nstudy: "\\e]0;x\\a"\n')
    for arguments in (["train", "--config", "foreign.yaml"], ["study", "foreign.yaml"], ["show", "a\x1b[2J=1"]):
        done = tricktable(*arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert "\x1b" not in done.stdout + done.stderr and "\x07" not in done.stderr


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ("list model >/dev/full", 7, "tricktable: stdout: no space left on device; what was printed is not whole"),
        ("list model 2>/dev/full >&-", 0, ""),
        ("bogus 2>/dev/full", 2, ""),
        ("bogus 2>&-", 2, ""),
        ("list model | true; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)
def test_a_stream_that_is_full_or_gone_is_one_line_at_most(shell, code, said):
    script = f"{sys.executable} -m tricktable {shell}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (code, said)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGTERM", "SIGHUP"])
def test_a_signal_before_anything_has_begun_is_an_interruption(monkeypatch, capsys, name):
    monkeypatch.setattr(looking, "list_", lambda _: os.kill(os.getpid(), signal.Signals[name]))
    with pytest.raises(SystemExit) as ended:
        cli.main(["list"])
    assert ended.value.code == 75
    assert capsys.readouterr().err == f"tricktable: {name}: run the same command again to go on\n"
