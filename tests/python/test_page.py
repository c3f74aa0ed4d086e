"""docs/python.md: its blocks run as they are written, one after the other, and show what it says, but for figures."""

import ast
import os
import re
import subprocess
import sys

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?", PAGE, re.S)
MARK = "-- the next block --"


def cell(text):
    """A block as a notebook's cell: what its last line is, where that is an expression, is shown."""
    body = ast.parse(text).body
    if isinstance(body[-1], ast.Expr) and not ast.unparse(body[-1]).startswith("print("):
        shown = ast.parse("print(repr(value))").body
        shown[0].value.args[0].args[0] = body[-1].value
        body[-1] = shown[0]
    return "\n".join(map(ast.unparse, body))


def shape(text):
    """Without figures, ids and the widths of columns: they are of a machine, or of the code as it is."""
    text = re.sub(r"-[0-9a-f]{8}\b", "-id", text)
    return re.sub(r"\d+(\.\d*)?", "0", text).split()


def test_its_blocks_show_what_the_page_says(tmp_path):
    assert len(BLOCKS) > 8 and all(said for _, said in BLOCKS[1:])
    program = f"\nprint({MARK!r})\n".join(cell(code) for code, _ in BLOCKS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRICKTABLE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "epoch" not in done.stderr, "progress is not shown"
    for (code, said), printed in zip(BLOCKS, done.stdout.split(MARK), strict=True):
        assert shape(printed) == shape(said), f"{code}\nprinted:\n{printed}"


def test_the_page_tells_every_name():
    import tricktable

    told = set(re.findall(r"tricktable\.(\w+)", PAGE))
    assert {name for name in tricktable.__all__ if name[0].islower()} <= told
    assert told <= {*tricktable.__all__, "md"}
