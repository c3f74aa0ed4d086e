"""A JUnit report, `--junit FILE`: what a CI shows as tests, one case for each run.

Elements and attributes are those that Jenkins, GitLab and others read: <testsuites>, <testsuite>, <testcase>, and in a
case at most one of <error>, <failure> and <skipped>, before <system-out>.
"""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tricktable.runner.disk import atomic
from tricktable.runner.terminal import clean


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run as a test; the texts are empty where there is nothing to say.

    error: why it failed. failure: the expectations that it does not hold, one a line; said in place of the error, which
    they name. skipped: why there is no such run. told: its figures.
    """

    name: str
    seconds: float = 0.0
    error: str = ""
    failure: str = ""
    skipped: str = ""
    told: str = ""

    @property
    def kind(self) -> str | None:
        """Whether it is a failure, an error or skipped; None where it passed."""
        said = {"failure": self.failure, "error": self.error, "skipped": self.skipped}
        return next((kind for kind, text in said.items() if text), None)


def document(suites: Mapping[str, Sequence[Case]]) -> bytes:
    """The report's XML, in UTF-8; one suite for each name."""
    root = ET.Element("testsuites", _counts("tricktable", [case for cases in suites.values() for case in cases]))
    for name, cases in suites.items():
        suite = ET.SubElement(root, "testsuite", _counts(name, cases))
        for case in cases:
            told = {"classname": clean(name), "name": clean(case.name), "time": f"{case.seconds:.3f}"}
            element = ET.SubElement(suite, "testcase", told)
            if case.kind:
                lines = [clean(line) for line in getattr(case, case.kind).splitlines()]
                ET.SubElement(element, case.kind, {"message": "; ".join(lines), "type": case.kind}).text = "\n".join(
                    lines
                )
            if case.told:
                ET.SubElement(element, "system-out").text = clean(case.told)
    for element in root.iter("skipped"):
        del element.attrib["type"]  # the schema has none here
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def write(path: Path, suites: Mapping[str, Sequence[Case]]) -> None:
    """Put the report in place, whole or not at all; StorageProblem where it cannot be written."""
    with atomic.storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic.replace(path, document(suites))


def _counts(name: str, cases: Sequence[Case]) -> dict[str, str]:
    kinds = [case.kind for case in cases]
    counted = {"errors": kinds.count("error"), "failures": kinds.count("failure"), "skipped": kinds.count("skipped")}
    numbers = {"tests": len(cases), **counted}
    seconds = sum(case.seconds for case in cases)
    return {"name": clean(name), **{key: str(value) for key, value in numbers.items()}, "time": f"{seconds:.3f}"}
