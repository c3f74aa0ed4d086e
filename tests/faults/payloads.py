"""What hostile files hold. `mark` is a path outside their folder that is there if one of them ran."""

import builtins
import io
import os
import pickle
import runpy
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import torch


class Calls:
    """Pickled, it is a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def gadgets(mark):
    """Calls that would leave the mark, or open a socket."""
    return {
        "os.system": Calls(os.system, f"mkdir '{mark}'"),
        "eval": Calls(builtins.eval, f"__import__('os').mkdir({mark!r})"),
        "exec": Calls(builtins.exec, f"import os; os.mkdir({mark!r})"),
        "os.mkdir": Calls(os.mkdir, mark),
        "open": Calls(open, mark, "w"),
        "Popen": Calls(subprocess.Popen, ["mkdir", mark]),
        "socket": Calls(socket.create_connection, ("127.0.0.1", 9)),
        "copy": Calls(shutil.copy, "/etc/passwd", mark),
        "run_path": Calls(runpy.run_path, "/etc/passwd"),
        "Path.touch": Calls(Path.touch, Path(mark)),
        "sys.exit": Calls(sys.exit, 0),
        "import": Calls(__import__, "antigravity"),
    }


def weights(mark):
    """Files that pretend to be weights: {name: bytes}."""
    files = {}
    for name, call in gadgets(mark).items():
        files[f"{name}.pickle.pth"] = pickle.dumps({"state_dict": call})
        for zipped in (True, False):
            file = io.BytesIO()
            torch.save({"a": torch.ones(2), "b": [call]}, file, _use_new_zipfile_serialization=zipped)
            files[f"{name}.{'zip' if zipped else 'old'}.pt"] = file.getvalue()
        files[f"{name}.safetensors"] = pickle.dumps(call)
    array = io.BytesIO()
    np.savez(array, a=np.array([gadgets(mark)["os.mkdir"]], dtype=object), allow_pickle=True)
    module = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2), module)
    storage = io.BytesIO()
    with zipfile.ZipFile(storage, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": gadgets(mark)["os.system"]}))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/../../../evil", "x")
    return files | {"npz.pth": array.getvalue(), "module.pt": module.getvalue(), "traversal.pt": storage.getvalue()}


TARGETS = (
    "os.system", "builtins.eval", "builtins.exec", "logging.os.system", "subprocess.Popen", "subprocess.check_output",
    "pandas.read_pickle", "numpy.load", "torch.load", "asyncio.run", "builtins.open", "pathlib.Path.write_text",
    "shutil.copy", "shutil.rmtree", "urllib.request.urlretrieve", "zipfile.ZipFile", "sqlite3.connect", "runpy.run_path",
    "importlib.import_module", "pickle.loads", "marshal.loads", "ctypes.CDLL", "socket.create_connection", "pty.spawn",
    "code.interact", "pdb.run", "profile.run", "timeit.timeit", "hydra.utils.instantiate", "yaml.unsafe_load",
    "tricktable.runner.cli.main", "__main__.main", "os.posix_spawn",
)  # fmt: skip


def configs(mark):
    """YAML files: {name: text}."""
    places = (
        "_target_: {0}\n_args_: [\"mkdir '{1}'\"]", "model: {{name: resnet8, _target_: {0}, path: '{1}'}}",
        "optimizer:\n  _target_: {0}\n  _args_: ['{1}']", "hook: [{{_target_: {0}, command: '{1}'}}]",
        "model: {{name: {0}}}", "data: {{name: digits, path: {{_target_: {0}}}}}",
    )  # fmt: skip
    files = {f"{i} {target}": places[i % len(places)].format(target, mark) for i, target in enumerate(TARGETS)}
    nodes = {
        "callbacks": f"hydra: {{callbacks: {{x: {{_target_: builtins.open, file: '{mark}', mode: w}}}}}}",
        "job_logging": "hydra: {job_logging: {handlers: {x: {(): os.system, command: ls}}}}",
        "class": f"hydra: {{job_logging: {{handlers: {{x: {{class: logging.FileHandler, filename: '{mark}'}}}}}}}}",
        "launcher": "hydra: {launcher: {_target_: os.system}}", "run.dir": f"hydra: {{run: {{dir: '{mark}'}}}}",
        "env_set": "hydra: {job: {env_set: {PATH: /tmp}}}", "searchpath": "hydra: {searchpath: [file:///etc]}",
        "defaults": "defaults: [{override hydra/launcher: joblib}, /etc/passwd]\nepochs: 3",
        "env": "study: ${oc.env:TRICKTABLE_SECRET}", "decode": "study: ${oc.decode:'[1]'}", "select": "study: ${hydra:runtime.cwd}",
        "create": "study: ${oc.create:{_target_: os.system}}", "apply": f"model: !!python/object/apply:os.system ['mkdir {mark}']",
        "new": "model: !!python/object/new:os.system ['ls']", "name": "model: !!python/name:os.system",
        "module": "model: !!python/module:antigravity", "tuple": "augment: !!python/tuple [crop]",
        "bomb": "a: &a [x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + chr(ord(c) - 1)] * 9)}]\n" for c in "bcdefghi"),
        "deep": "a: " + "[" * 50_000, "tab": "model:\n\tname: resnet8", "twice": "epochs: 1\nepochs: 2",
        "binary": "\x00\x01\x02", "traversal": "model: {name: ../../../etc/passwd}", "absolute": "loss: {name: /etc/passwd}",
        "dotted": "model: {name: os.path}", "study": "study: ../../x", "root link": "study: /etc", "huge": "epochs: 1000000000000000",
        "nan": "optimizer: {name: sgd, lr: .nan}", "infinite": "optimizer: {name: sgd, lr: 1e400}", "teacher": "loss: {name: distillation, teacher: /etc}",
        "weights": "init: [{name: pretrained, source: /etc/passwd}]",
    }  # fmt: skip
    return files | nodes


def images():
    """Files that pretend to be pictures: {name: bytes}."""
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    return {
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n%%EndComments\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        "mvg": b"push graphic-context\nfill 'url(https://127.0.0.1/x.jpg\"|ls \"-la)'\n",
        "large": png + b"\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00" + b"\0" * 40,
        "empty": b"", "text": b"import os; os.system('ls')", "gif": b"GIF89a\xff\xff\xff\xff\x00\x00\x00;",
        "pickle": pickle.dumps(Calls(os.mkdir, "x")), "tiff": b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\xff" * 64,
        "pdf": b"%PDF-1.4\n1 0 obj<</OpenAction<</S/Launch>>>>", "xbm": b"#define im_width 99999\n#define im_height 99999\n",
        "url": b"[InternetShortcut]\nURL=file:///etc/passwd\n",
    }  # fmt: skip


def members():
    """Members of a tar that would leave its folder: (TarInfo, bytes)."""
    found = []
    for name, kind, target in [
        ("../x.png", tarfile.REGTYPE, ""), ("/etc/x.png", tarfile.REGTYPE, ""), ("train/ant/../../../x.png", tarfile.REGTYPE, ""),
        ("train/ant/a.png", tarfile.SYMTYPE, "/etc/passwd"), ("train/ant/b.png", tarfile.LNKTYPE, "/etc/passwd"),
        ("train/ant/c.png", tarfile.FIFOTYPE, ""), ("train/ant/d.png", tarfile.CHRTYPE, ""), ("train/\x1b[2J/e.png", tarfile.REGTYPE, ""),
        ("train/a\nb/f.png", tarfile.REGTYPE, ""), ("train/ant/..\\g.png", tarfile.REGTYPE, ""), ("C:/h.png", tarfile.REGTYPE, ""),
    ]:  # fmt: skip
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        found.append(member)
    return found


NAMES = (
    "../x", "/etc", "a/b", "~", "a\nb", "-rf", "x" * 101, "stüdy", "a b", "$(id)", ".hidden", "\u202ea", "a\\b", "*", "con:", "а",
    "`id`", "a;id", "..", "%00",
)  # fmt: skip
WORDS = (
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "=HYPERLINK(\"http://127.0.0.1\")", "+cmd|' /C calc'!A0",
    "@SUM(1,1)", "\x1b]0;title\x07\x1b[2J", "](javascript:alert(1))", "\\input{/etc/passwd}", "{{7*7}}", "a\r\nb,c",
)  # fmt: skip
