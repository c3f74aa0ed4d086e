"""Misspellings for the tests of the files that people write."""


def misspelt(word: str) -> list[str]:
    """With its last letter twice; and, of a longer one, without one in its middle."""
    return [word + word[-1], *([word[: len(word) // 2] + word[len(word) // 2 + 1 :]] if len(word) > 3 else [])]
