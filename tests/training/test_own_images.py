"""Runs on a folder that is not split: resumed in mid-epoch with the same bits, and what their summary says."""

import pytest
import torch

from tests.data import sets
from tricktable.runner.papers import provenance
from tricktable.runner.training.summary import summarise
from tricktable.runner.training.train import train

CLASSES = ("ant", "bee", "cow")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Overrides: 24 pictures of three classes, of which six are drawn for testing."""
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    files = {name.removeprefix("train/"): each for name, each in sets.images(per_class=8, size=(18, 16)).items()}
    pets = sets.write_tree(tmp_path / "pets", {k: v for k, v in files.items() if not k.startswith("test/")})
    return ["data=image_folder", f"data.path={pets}", "data.test_share=0.25", "data.size=16", "data.subset=null",
            "data.workers=0", "batch_size=5", "epochs=2"]  # fmt: skip


@pytest.mark.parametrize("stream", ["true", "false"])
def test_it_resumes_in_the_middle_of_an_epoch_with_the_same_bits(make_run, own, stream):
    whole, first, second = (make_run(*own, f"data.stream={stream}", "augment=[flip,mixup]") for _ in range(3))
    assert (whole.splits.train.n, whole.splits.test.n, whole.splits.train.streamed) == (18, 6, stream == "true")
    expected = [row.plain() for row in train(whole, lambda: None)]

    def edge():
        if first.clock.updates == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train(first, edge))
    second.load(*first.state())
    rows = [row.plain() for row in train(second, lambda: None)]
    assert rows[-1]["test_loss"] == expected[-1]["test_loss"]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True))


def test_the_summary_names_the_classes_and_the_table_says_what_was_drawn(make_run, own):
    run = make_run(*own, "data.test_subset=1")
    summary = summarise(run, [], None)
    assert summary.data.class_names == list(CLASSES) and summary.data.classes == 3
    said = provenance.data(summary.data)
    assert "pets (0.25 of each class drawn for testing, split_seed 0) (tested on 1 image per class)" in said
    assert not summary.data.complete and summary.data.test == 3
