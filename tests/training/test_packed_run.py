"""Runs on a packed set: the figures of the folder in memory, and resumed in mid-epoch with the same bits."""

import pytest
import torch

from tests.data import sets
from tricktable.runner.data.pack import pack
from tricktable.runner.training.train import train


@pytest.fixture
def ways(tmp_path, monkeypatch):
    """Overrides of one set: the folder in memory, and packed."""
    monkeypatch.setenv("TRICKTABLE_CACHE", str(tmp_path / "cache"))
    pets = sets.write_tree(tmp_path / "pets", sets.images(per_class=6, size=(18, 16)))
    path, _ = pack(str(pets), None, 16)
    common = ["data.subset=null", "batch_size=4", "epochs=2", "micro_batch=2", "norm=ghost_batch",
              "norm.ghost_batch_size=2", "augment=[crop,flip,mixup]"]  # fmt: skip
    folder = ["data=image_folder", f"data.path={pets}", "data.size=16", "data.stream=false"]
    return [*folder, *common], ["data=packed", f"data.path={path}", *common]


def test_it_trains_to_the_folder_s_figures_and_resumes_with_the_same_bits(make_run, ways):
    folder, whole, first, second = make_run(*ways[0]), *(make_run(*ways[1]) for _ in range(3))
    expected = [row.plain() for row in train(folder, lambda: None)]
    found = [row.plain() for row in train(whole, lambda: None)]
    assert found[-1]["test_loss"] == expected[-1]["test_loss"]

    def edge():
        if first.clock.updates == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        list(train(first, edge))
    assert 0 < first.clock.position < first.splits.train.n
    second.load(*first.state())
    list(train(second, lambda: None))
    for other in (folder, second):
        assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), other.model.parameters(), strict=True))
