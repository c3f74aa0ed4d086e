"""`python -m benchmarks.gpu`: which steps there are, how each may end, what is written, and what a second call does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import attempt, capture, epochs, ledger, packing, padded, section, steps, suite, tables
from benchmarks.gpu.ledger import Ledger
from benchmarks.gpu.steps import Step
from tests.conftest import ROOT
from tricktable.runner.papers import campaign

MACHINE = {"card": "A card", "driver": "600.1", "torch": "2.15", "cuda": "13", "cudnn": 9, "commit": "c0ffee"}


def step(name, code="", seconds=0.1, priority=1, budget=60.0, **more):
    """A step that is this Python code."""
    return Step(name, priority, seconds, (sys.executable, "-S", "-c", code), budget, **more)


def says(row, then=""):
    return f"import json, os, signal, sys, time; print(json.dumps({row!r}), flush=True); {then}"


@pytest.fixture
def book(tmp_path):
    return Ledger(tmp_path / "folder" / "gpu.jsonl", MACHINE)


@pytest.fixture
def made(book, capsys):
    """Measure these steps; the exit code, the steps' ends by name, and what was printed."""

    def go(*chosen, seconds=60.0, **more):
        code = command.measure(chosen, book, time.monotonic() + seconds, **more)
        ends = {line["step"]: line for line in ledger.read(book.path) if "state" in line}
        return code, ends, capsys.readouterr().out

    return go


def rows(book):
    return [(line["step"], line["measured"]) for line in ledger.read(book.path) if "measured" in line]


def test_rows_are_written_with_what_measured_them(made, book):
    code, ends, out = made(step("one", says({"seconds": 0.25}) + "print('no row'); print([1]); print('{cut')"))
    assert code == 0 and rows(book) == [("one", {"seconds": 0.25})]
    assert command._short({"median": 0.25, "least": 0.1, "most": 1.0}) == "0.25 (0.1 to 1)"
    assert [command._short(each) for each in ([], ["a", 2], None, 1e5)] == ["–", "a, 2", "–", "1e+05"]
    first, end = ledger.read(book.path)
    assert MACHINE.items() <= first.items() and MACHINE.items() <= end.items()
    assert (end["state"], end["reason"]) == ("done", None) and ends["one"]["seconds"] < 60
    assert "  seconds 0.25\n  done after" in out


def test_a_row_is_written_as_it_comes(book):
    seen = []

    def heard(row):
        seen.append(time.monotonic())

    attempt.attempt(step("one", says({}, "time.sleep(0.5)")), 60, heard, lambda: False)
    assert time.monotonic() - seen[0] > 0.3


CUDA = """RuntimeError: CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call.
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions."""


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
        (f"sys.exit({CUDA!r})", "RuntimeError: CUDA error: an illegal memory access was encountered"),
        ("sys.exit('tricktable: data.path: not there')", "data.path: not there"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11"),
        ("sys.exit(3)", "exited with 3"),
        ("time.sleep(60)", "ran past its budget of 1 s"),
    ],
)
def test_a_step_that_fails_is_written_down_and_the_next_goes_on(made, book, code, why):
    bad = step(
        "bad", f"import os, signal, sys, time; {says({'before': 1})}{code}", budget=1.0 if "sleep" in code else 60.0
    )
    code, ends, out = made(bad, step("good", says({"after": 2})))
    assert code == 3 and rows(book) == [("bad", {"before": 1}), ("good", {"after": 2})]
    assert (ends["bad"]["state"], ends["bad"]["reason"], ends["good"]["state"]) == ("failed", why, "done")
    assert out.endswith("failed: bad\n")


def test_what_is_done_is_not_done_again_and_what_failed_is(made, book):
    good, bad = step("good", says({"n": 1})), step("bad", says({"n": 2}, "sys.exit(1)"))
    made(good, bad)
    _, _, out = made(good, bad)
    assert rows(book) == [("good", {"n": 1}), ("bad", {"n": 2}), ("bad", {"n": 2})] and "good: done before" in out
    made(good, again=True)
    assert rows(book)[-1] == ("good", {"n": 1})


def test_what_has_failed_before_comes_behind_what_was_not_tried(made, book):
    bad, rest, good = (
        step("bad", says({"n": 1}, "sys.exit(1)")),
        step("rest", "", open=True),
        step("good", says({"n": 2})),
    )
    made(bad)
    made(rest, bad, good)
    assert [name for name, _ in rows(book)] == ["bad", "good", "bad"]
    assert [line["step"] for line in ledger.read(book.path) if "state" in line] == ["bad", "good", "bad", "rest"]


@pytest.mark.parametrize("other", [{"card": "Another"}, {"torch": "3"}])
def test_another_card_or_torch_measures_again(made, book, other):
    one = step("one")
    made(one)
    assert Ledger(book.path, MACHINE).done(one) and not Ledger(book.path, MACHINE | other).done(one)
    assert Ledger(book.path, MACHINE | {"commit": "later"}).done(one)


def test_a_line_that_was_cut_short_costs_that_line_alone(made, book):
    made(step("one", says({"n": 1})))
    with book.path.open("ab") as file:
        file.write(b'{"step": "two", "measu')
    Ledger(book.path, MACHINE).add(step("three"), measured={"n": 3})
    assert rows(book) == [("one", {"n": 1}), ("three", {"n": 3})]


def test_the_time_is_kept_and_what_does_not_fit_is_left(made, book):
    began = time.monotonic()
    long = step("too long", seconds=30.0)
    code, ends, out = made(
        step("slow", says({"n": 1}, "time.sleep(60)")), long, step("short", seconds=1e-9), seconds=3.0
    )
    assert time.monotonic() - began < 20 and code == 0
    assert ends["slow"]["state"] == "stopped" and rows(book) == [("slow", {"n": 1})] and "too long" not in ends
    assert out.endswith("left, for the same command again: slow, too long, short\n")
    assert Ledger(book.path, MACHINE).done(step("slow")) is False


def test_a_short_step_comes_in_the_place_of_one_that_does_not_fit(made):
    code, ends, out = made(step("too long", seconds=500.0), step("short"))
    assert code == 0 and set(ends) == {"short"} and "again: too long\n" in out


def test_a_slower_card_is_allowed_for(book):
    known = {
        each.name: each for each in (step("a", seconds=10), step("b", seconds=10), step("c", seconds=10, open=True))
    }
    assert book.pace(known) == 1.0
    for name, took in (("a", 30.0), ("b", 50.0), ("c", 900.0), ("gone", 1.0)):
        book.add(step(name), state="done", seconds=took)
    book.add(step("b"), state="failed", seconds=1.0)
    assert book.pace(known) == 4.0
    assert Ledger(book.path, MACHINE | {"card": "Another"}).pace(known) == 1.0


def test_an_open_step_is_told_its_share_of_the_time_and_goes_on_later(made, monkeypatch, book):
    monkeypatch.setattr(attempt, "GRACE", 10.0)
    told = "import json, sys; print(json.dumps({'told': sys.argv[1]})); sys.exit(75)"
    code, ends, out = made(*(step(f"open {i}", told, open=True) for i in (1, 2)), seconds=60.0)
    first, second = (float(row["told"].removeprefix("--seconds=")) for _, row in rows(book))
    assert 17 <= first <= 20 and 40 <= second <= 50, "half of the minute, then the rest, less what saving takes"
    assert code == 0 and ends["open 1"]["state"] == "stopped" and "again: open 1, open 2\n" in out


def test_what_will_not_stop_is_killed_with_what_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "GRACE", 0.5)
    deaf = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); pid = os.fork(); "
    code = deaf + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(pid)) if pid else None; time.sleep(60)"
    assert attempt.attempt(step("deaf", code), 1.0, print, lambda: False).state == "stopped"
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 30
    while time.monotonic() < end:
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.05)
    pytest.fail("what it started goes on")


def test_a_signal_stops_the_step_and_leaves_the_rest(made):
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    code, ends, out = made(step("one", "import time; time.sleep(60)"), step("two"))
    assert code == 75 and ends["one"]["state"] == "stopped" and out.endswith("again: one, two\n")


# What it says before any step.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "torch finds no GPU here; --device cpu tries this command itself, with tiny networks"),
        (["--minutes", "0"], "--minutes: expected a number above 0, got 0"),
        (["--minutes", "nan"], "--minutes: expected a number above 0, got nan"),
        (["--only", "capture", "--device=cpu", "--minutes=-1"], "--minutes: expected a number above 0, got -1"),
        (
            ["--only", "captur"],
            "--only: no step begins with captur; there are suite, capture, packing, epochs, padded, tables",
        ),
    ],
)
def test_what_cannot_be_is_one_line(monkeypatch, capsys, tmp_path, arguments, words):
    monkeypatch.setattr(command, "_machine", lambda device: {"card": None})
    assert command.main([*arguments, "--out", str(tmp_path / "rows")]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"benchmarks.gpu: {words}\n") and not (tmp_path / "rows").exists()


def test_the_steps_are_listed(capsys):
    assert command.main(["--list", "--only", "epochs", "packing/1"]) == 0
    listed = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:-1]]
    networks = ("resnet20", "wrn_16_4", "wrn_28_10", "pyramidnet110_a48", "pyramidnet110_a270")
    assert listed == ["packing/1", *(f"epochs/{name}" for name in networks)]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_each_step_is_a_command_that_is_there(device):
    kinds = []
    for each in steps.table(device, 4, None):
        kinds.append(each.name.partition("/")[0])
        assert (ROOT / "benchmarks" / "gpu" / f"{kinds[-1]}.py").is_file()
        assert each.command[2] == f"benchmarks.gpu.{kinds[-1]}" and each.budget >= each.seconds
    assert list(dict.fromkeys(kinds)) == ["suite", "capture", "packing", "epochs", "padded", "tables"]


def test_the_tables_are_those_that_wait_for_a_card():
    first = list(dict.fromkeys(each.table for each in campaign.load().tables))
    assert first[: len(steps.TABLES)] == list(steps.TABLES)
    typed = [each.command for each in steps.table("cuda", 6, "a/path") if each.name.startswith("tables/")]
    assert all({"--budget=paper", "--jobs=6", "data.path=a/path"} <= set(each) for each in typed)


# The steps themselves, on the CPU.

TINY = ["compute=cpu", "compute.threads=1", "data.n_test=8", "model=resnet8", "model.width=4"]


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


@pytest.fixture
def argv(monkeypatch):
    threads = torch.get_num_threads()
    yield lambda *typed: monkeypatch.setattr(sys, "argv", ["x", *typed])
    torch.set_num_threads(threads)


SIZES = ("--images=96", "--rounds=2", "--batch=16", "data.size=32")


def test_capture_compares_bits_seconds_and_kernels(argv, capsys, monkeypatch):
    monkeypatch.setattr(capture, "launched", lambda run, number, steps: (10.4 * steps, number))
    argv(*SIZES, "--bits=6", *TINY)
    capture.main()
    bits, seconds, eager, recorded = printed(capsys)
    assert bits == {"measured": "bits", "equal": True, "steps": 6, "replays": 2, "differ": []}
    assert seconds["replays"] == 3 * 6 - 4 and seconds["precision"] == "fp32" and seconds["batch"] == 16
    assert all(0 < seconds[w]["least"] <= seconds[w]["median"] <= seconds[w]["most"] for w in ("eager", "recorded"))
    assert eager == {"measured": "kernels a step", "way": "eager", "kernels": 62, "launches": 3}
    assert recorded["way"] == "recorded" and recorded["launches"] == 4


def test_bits_that_differ_are_named(capsys, monkeypatch):
    pair = capture.pair

    def spoiled(overrides):
        eager, recorded = pair(overrides)
        recorded.gradients.after = 10**6
        next(recorded.model.parameters()).data[0] += 2**-9
        return eager, recorded

    monkeypatch.setattr(capture, "pair", spoiled)
    capture.bits(TINY, 2, 16)
    (row,) = printed(capsys)
    assert not row["equal"] and row["replays"] == 0 and len(row["differ"]) == 3


def test_epochs_are_counted_up_to_50000_images(argv, capsys, monkeypatch):
    monkeypatch.setattr(epochs.epoch, "seconds", lambda run, number, bare: (3.0 if bare else 1.5) * (number + 1))
    argv(*SIZES, *TINY)
    epochs.main()
    (row,) = printed(capsys)
    per = 50_000 / 96
    assert row["ours"] == pytest.approx({"median": 3.75 * per, "least": 3 * per, "most": 4.5 * per})
    assert row["ratio"] == {"median": 0.5, "least": 0.5, "most": 0.5} and row["images"] == 96


def test_padded_channels_are_compared_with_plain_ones(argv, capsys, monkeypatch):
    monkeypatch.setattr(
        padded.epoch, "seconds", lambda run, number, bare: 0.6 if run.compute.pad_channels == 8 else 1.2
    )
    argv(*SIZES, *TINY)
    padded.main()
    (row,) = printed(capsys)
    assert row["padded"]["median"] == pytest.approx(0.1) and row["plain"]["median"] == pytest.approx(0.2)
    assert row["ratio"] == {"median": 0.5, "least": 0.5, "most": 0.5}


def test_packing_adds_the_runs_up(argv, capsys, monkeypatch):
    switches = []

    def ran(module, typed, heard):
        switches.append(os.environ["TRICKTABLE_MPS"])
        root = next(each.partition("=")[2] for each in typed if each.startswith("output.root="))
        for seed in range(2):
            folder = Path(root) / "packing" / f"run-{seed}"
            folder.mkdir(parents=True)
            folder.joinpath("metrics.csv").write_text("epoch,images_per_second\n1,1\n2,100\n3,300\n")
        heard("2 runs in here")
        heard("runs share a GPU by MPS, started for this launch" if switches[1:] == [] else "note: MPS does not start")
        assert {"-m", "--jobs=2", "seed=range(2)", "--gpus=0", "model=resnet8"} <= set(typed)
        return 0

    monkeypatch.setenv("TRICKTABLE_MPS", "auto")
    monkeypatch.setattr(packing, "ran", ran)
    monkeypatch.setattr(packing.shutil, "which", lambda name: "there")
    argv("--runs=2", "--gpus=0", "model=resnet8")
    assert packing.main() == 0 and switches == ["auto", "off"]
    first, second = printed(capsys)
    assert (first["mps"], second["mps"]) == (True, False) and first["images_a_second"] == 400.0
    assert first["said"] == ["runs share a GPU by MPS, started for this launch"]


@pytest.mark.parametrize("code", [0, 75, 5])
def test_a_table_has_a_row_for_each_run_that_ends(argv, capsys, monkeypatch, code):
    def ran(module, typed, heard):
        assert (module, typed) == ("tricktable", ["table", "p/t", "--run", "--minutes=1.500", "--budget=paper"])
        heard("[3/40] done: original seed=0  test error 5.10%")
        heard("[3/40] original seed=1")
        return code

    monkeypatch.setattr(tables, "ran", ran)
    argv("p/t", "--budget=paper", "--seconds=90")
    assert tables.main() == code
    expected = {
        "measured": "a run",
        "state": "done",
        "number": 3,
        "of": 40,
        "words": "original seed=0  test error 5.10%",
    }
    assert printed(capsys) == [expected]


REPORT = """<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure message="E: one&#10;two"/></testcase>
<testcase name="c"><skipped/></testcase></testsuite></testsuites>"""


def test_the_marked_tests_are_counted_and_those_that_fail_are_named(argv, capsys, monkeypatch):
    files = suite.marked()
    assert "tests/training/test_gpu.py" in files and "tests/launch/test_pool.py" not in files

    def ran(module, typed, heard):
        path = next(each.partition("=")[2] for each in typed if each.startswith("--junitxml="))
        with open(path, "w") as file:
            file.write(REPORT)
        return 1

    monkeypatch.setattr(suite, "ran", ran)
    argv("--device=cuda")
    assert suite.main() == 1
    said = capsys.readouterr()
    counts, failed = (json.loads(line) for line in said.out.splitlines())
    assert counts == {"measured": "tests", "passed": 1, "failed": 1, "skipped": 1}
    assert failed == {"measured": "a failed test", "name": "b", "words": "E: one"}
    assert said.err == "Error: 1 of 3 tests failed, 1 were skipped: b\n"


def test_the_page_has_the_newest_rows(book):
    def spread(value):
        return {"median": value, "least": value / 2, "most": 2 * value}

    def seconds(eager):
        return {"measured": "seconds a step", "precision": "bf16", "eager": spread(eager), "recorded": spread(0.002),
                "ratio": spread(0.5)}  # fmt: skip

    one = step("capture/resnet20")
    book.add(one, measured={"measured": "bits", "equal": True, "replays": 8})
    book.add(one, measured=seconds(0.9)), book.add(one, measured=seconds(0.004))
    book.add(one, measured={"measured": "kernels a step", "way": "eager", "kernels": 500, "launches": 480})
    book.add(step("packing/2"), measured={"measured": "runs at once", "runs": 2, "mps": True, "images_a_second": 3e4})
    book.add(step("packing/1"), measured={"measured": "runs at once", "runs": 1, "mps": False, "images_a_second": 2e4})
    book.add(one, state="done", reason=None, seconds=3.0)
    book.add(step("epochs/x"), state="failed", reason="a | b", seconds=3.0)
    text = "\n".join(section.section(book.lines))
    assert "### card A card, driver 600.1, torch 2.15, cuda 13, cudnn 9, commit c0ffee" in text
    assert "| resnet20 | bf16 | equal | 4 (2 to 8) | 2 (1 to 4) | 0.5 (0.25 to 1) | 500 | 480 / – |" in text
    assert "| 1 | no | 20,000 | 1.00 |\n| 2 | yes | 30,000 | 1.50 |" in text
    assert "| 1 step | done |  |\n| epochs/x | failed | a \\| b |" in text and "bare loop" not in text
    assert section.section([]) == [section.HEAD, section.NONE]


@pytest.mark.long
def test_the_trial_on_a_cpu_goes_through_every_step(tmp_path):
    out = tmp_path / "rows"
    kinds = ["suite", "capture", "epochs", "packing", "padded"]  # a table takes minutes
    typed = [sys.executable, "-m", "benchmarks.gpu", "--device=cpu", "--minutes=10", f"--out={out}", "--only", *kinds]
    done = subprocess.run(typed, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
    ends = {line["step"]: line["state"] for line in ledger.read(out) if "state" in line}
    assert done.returncode == 0 and set(ends.values()) == {"done"}
    assert set(ends) == {each.name for each in steps.table("cpu", 1, None) if not each.open}
