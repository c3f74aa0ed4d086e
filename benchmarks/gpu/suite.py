"""The tests that are marked gpu: `python -m benchmarks.gpu.suite --device cuda`. Without a card each is skipped."""

import argparse
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu.attempt import ROOT
from benchmarks.gpu.typed import ran, row

MARK = "mark.gpu"


def marked() -> list[str]:
    """The test files with such a test; collecting all others takes longer than these tests."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in paths if MARK in path.read_text(encoding="utf-8")]


def main() -> int:
    """A row with the counts, and one for each test that failed; 1 where one did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    device = parser.parse_args().device
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        typed = ["-q", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={report}", *marked()]
        code = ran("pytest", typed, lambda line: print(line, file=sys.stderr))
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    bad = {case.get("name", ""): each for case in cases for each in case if each.tag in ("failure", "error")}
    skipped = sum(each.tag == "skipped" for case in cases for each in case)
    row(measured="tests", passed=len(cases) - len(bad) - skipped, failed=len(bad), skipped=skipped)
    for name, each in bad.items():
        row(measured="a failed test", name=name, words=(each.get("message") or "").partition("\n")[0][:200])
    wrong = bad or code not in (0, 5) or not cases or (device == "cuda" and skipped == len(cases))
    if wrong:
        print(
            f"Error: {len(bad)} of {len(cases)} tests failed, {skipped} were skipped: {', '.join(bad)}", file=sys.stderr
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
