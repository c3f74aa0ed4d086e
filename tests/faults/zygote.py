"""A process that has imported everything and forks runs: a trial costs a run's training, and not its start-up.

`python -m tests.faults.zygote` reads a request a line and answers each with a line, both JSON; forked.py is its other end.
"""

import importlib
import json
import os
import signal
import sys
import traceback


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _import()
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads is no process to fork from"
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = _reap(request["reap"]) if "reap" in request else _start(request, answers)
        print(json.dumps(answer), file=answers, flush=True)


def _import():
    """What a run imports, which a run says that is forked for it."""
    from tests.conftest import TINY
    from tricktable.runner.config.compose import compose

    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        import tempfile

        from tricktable.runner.launch import sweep  # noqa: F401
        from tricktable.runner.papers import studies  # noqa: F401
        from tricktable.runner.training import job

        with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nothing:
            job.execute(compose([*TINY, f"output.root={folder}"]), progress=nothing)
        os.write(writer, json.dumps([*sys.modules]).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        names = json.load(pipe)
    os.waitpid(pid, 0)
    for name in names:
        if name not in sys.modules and name != "__main__":
            try:
                importlib.import_module(name)
            except Exception:  # one that only another may import
                continue
    compose(list(TINY))


def _start(request, answers):
    pid = os.fork()
    if pid == 0:
        answers.close()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is a command, nobody's
        code = 70
        try:
            code = _run(request)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return pid


def _run(request):
    """The command, as its own process would run it; its exit code."""
    with open(request["output"], "ab") as file, open(os.devnull) as nothing:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        os.dup2(nothing.fileno(), 0)
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    for name, arguments in request["inject"]:
        getattr(importlib.import_module("tests.faults.injected"), name)(**arguments)
    from tricktable.runner.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(request["arguments"])
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
    return 1


def _reap(pid):
    """The exit code, negative for a signal, and the seconds of CPU that were used."""
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
