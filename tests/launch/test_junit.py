"""A JUnit report as its readers take it: Jenkins' schema, by hand."""

import xml.etree.ElementTree as ET

import pytest

from tricktable.runner.launch import junit
from tricktable.runner.launch.junit import Case

SUITES = {
    "study": [
        Case(name="seed=0", seconds=1.25, told="test error 4.00%"),
        Case(name='seed=1 <&" \x1b[31m', failure="expected a<1, got 2\nexpected b>3, got 1", told="test error 9.00%"),
        Case(name="seed=2", error="killed by SIGKILL"),
        Case(name="seed=3", error="killed", failure="expected a<1, and the run has no result: killed"),
    ],
    "other": [Case(name="seed=0", skipped="there is no such run yet")],
}
ALLOWED = {  # of the schema: element -> attributes
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}


@pytest.fixture
def root(tmp_path):
    junit.write(tmp_path / "reports" / "junit.xml", SUITES)
    return ET.parse(tmp_path / "reports" / "junit.xml").getroot()


def test_elements_and_attributes_are_the_schemas(root):
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag]
    for case in root.iter("testcase"):
        kinds = [child.tag for child in case]
        assert len(set(kinds)) == len(kinds) and len(set(kinds) - {"system-out"}) <= 1
        assert {"name", "classname"} <= set(case.attrib)


def test_counts_are_of_the_cases(root):
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("5", "2", "1", "1")
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors")) == len(suite.findall("testcase/error"))
        assert int(suite.get("skipped")) == len(suite.findall("testcase/skipped"))
    assert [suite.get("name") for suite in root] == ["study", "other"] and root[0].get("time") == "1.250"


def test_every_miss_is_in_the_text_and_what_cannot_stand_in_xml_is_spelt_out(root):
    case = root[0][1]
    assert case.get("name") == 'seed=1 <&" \\x1b[31m'
    assert case.find("failure").text.splitlines() == ["expected a<1, got 2", "expected b>3, got 1"]
    assert case.find("failure").get("message") == "expected a<1, got 2; expected b>3, got 1"
    assert case.find("system-out").text == "test error 9.00%"
    assert root[0][3].find("failure") is not None and root[0][3].find("error") is None
