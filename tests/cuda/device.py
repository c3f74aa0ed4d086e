"""The fake CUDA device, for tests: the shim compiled, and cases tried in a process that has it preloaded."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from tests.conftest import ROOT

HERE = Path(__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
MISSING = "" if sys.platform == "linux" and COMPILER else "a fake CUDA device needs Linux and a C++ compiler (c++)"


def shim(folder):
    """The shared library of shim.cpp in a folder, compiled if it is not there."""
    library = folder / "shim.so"
    if not library.exists():
        include = Path(torch.__file__).parent / "include"
        abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"
        command = [COMPILER, "-shared", "-fPIC", "-O0", "-w", "-std=c++20", abi, f"-I{include}", "-o", library]
        done = subprocess.run([*command, HERE / "shim.cpp"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"tests/cuda/shim.cpp is not compiled with this torch:\n{done.stderr[:3000]}"
    return library


def tried(folder, group, cases):
    """The report of each case, by its name, made once for all processes of a test session that share the folder."""
    results = folder / f"{group}.json"
    with _locked(folder):
        if not results.exists():
            results.write_text(json.dumps(_run(shim(folder), cases)), encoding="utf-8")
    return json.loads(results.read_text(encoding="utf-8"))


def _run(library, cases):
    """In a process of its own; where it is killed, the case that it was at is an error, and another goes on."""
    waiting, results = list(cases.items()), {}
    environment = {**os.environ, "LD_PRELOAD": str(library), "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    while waiting:
        command = [sys.executable, "-m", "tests.cuda.child"]
        given = json.dumps(waiting)
        done = subprocess.run(
            command, input=given, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        made = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
        results |= made
        waiting = [(name, case) for name, case in waiting if name not in made]
        if waiting and done.returncode >= 0:
            raise AssertionError(
                f"the process with the fake device ended with {done.returncode}:\n{done.stderr[-3000:]}"
            )
        if waiting and not made:
            results[waiting.pop(0)[0]] = {"error": f"killed by signal {-done.returncode}", "frames": []}
    return results


@contextlib.contextmanager
def _locked(folder):
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
