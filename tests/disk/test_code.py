"""Which files are of one code: equal digests, and files that changed in words only."""

from tricktable.runner.disk import code


def test_equal_digests_are_of_one_code_and_what_only_one_has_is_not():
    assert code.changed({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == ["a", "b", "c"]
    assert code.changed({"a": "1"}, {"a": "1"}) == []


def test_a_file_that_changed_in_words_only_is_of_one_code_with_what_it_was(monkeypatch):
    monkeypatch.setattr(code, "_same", lambda: {"a": {"is": "3", "was": ["1", "2"]}})
    assert code.changed({"a": "1"}, {"a": "3"}) == code.changed({"a": "1"}, {"a": "2"}) == []
    assert code.changed({"a": "1"}, {"a": "4"}) == ["a"], "the file is no longer what the entry says"
    assert code.changed({"b": "1"}, {"b": "3"}) == ["b"], "an entry is about its file"
