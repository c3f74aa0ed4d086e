"""Fine-tuning begins with another run's weights: every layer's but the classifier's, and the running averages."""

import pytest
import torch
from torch import nn

from tests.conftest import TINY
from tricktable.models.resnet import ResNet
from tricktable.models.squeezenet import SqueezeNet
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import runs
from tricktable.runner.explore import reevaluate
from tricktable.runner.training import job
from tricktable.runner.training.run import evaluated_weights
from tricktable.tricks.init.pretrained import pretrained


def pair(classes=10, **other):
    torch.manual_seed(0)
    return ResNet(classes, 1, depth=8, width=4, **other), ResNet(10, 1, depth=8, width=4)


@pytest.mark.parametrize("classes", [10, 3])
def test_all_but_the_classifier_is_copied(classes):
    model, source = pair(classes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    source.blocks[0].branches[0][1].running_mean.fill_(0.25)
    pretrained(model, source)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, (before if name.startswith("head.") else source.state_dict())[name]), name
    assert not torch.equal(before["head.weight"], source.state_dict()["head.weight"][:classes])


def test_the_classifier_may_be_taken_too():
    model, source = pair()
    pretrained(model, source, classifier=True)
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_classifier_that_is_a_convolution_stays_as_it_was_drawn():
    model, source = SqueezeNet(3, 3), SqueezeNet(10, 3)
    before = model.classifier[1].weight.clone()
    pretrained(model, source)
    assert torch.equal(model.classifier[1].weight, before)
    assert torch.equal(model.stem[0].weight, source.stem[0].weight)


def test_another_network_is_refused():
    model, source = pair()
    with pytest.raises(ValueError, match=r"^source must name a finished run: init.pretrained.source=outputs"):
        pretrained(model)
    with pytest.raises(
        ValueError, match=r"^source must be a network like this one: its stem.* is 4x1x3x3 there, here 4x3x3x3"
    ):
        pretrained(ResNet(10, 3, depth=8, width=4), source)
    with pytest.raises(ValueError, match=r"^source must be a network like this one: its \S+ is not there, here 4$"):
        pretrained(
            ResNet(10, 1, depth=8, width=4), ResNet(10, 1, depth=8, width=4, norm=lambda channels: nn.Identity())
        )
    with pytest.raises(ValueError, match=r"^source must be a network like this one: it has \S+, and this one has not$"):
        pretrained(ResNet(10, 1, depth=8, width=4, norm=lambda channels: nn.Identity()), source)


def test_a_run_goes_on_from_another_with_other_classes(tmp_path, make_run):
    """Its first step begins at the source's weights; it is evaluated again, and is another's source, by itself."""
    root = f"output.root={tmp_path}"
    first = job.execute(compose([*TINY, root, "study=first"]))
    (source,) = (tmp_path / "first").glob("resnet8-*")
    typed = ["init=[he,pretrained]", f"init.pretrained.source={source}", root]
    run = make_run(*typed, "data=synthetic", "data.channels=1", "data.size=8", "data.classes=4", "data.n_train=64")
    weights = evaluated_weights(runs.at(source).checkpoint().tensors)
    shared = [name for name in weights if not name.startswith("head.")]
    assert all(torch.equal(run.model.state_dict()[name], weights[name]) for name in shared)
    assert run.model.head.weight.shape[0] == 4

    job.execute(compose([*TINY, *typed, "study=second"]))
    (second,) = (tmp_path / "second").glob("resnet8-*")
    info = runs.at(second).info
    assert info.identity.teachers == {source.name: first.weights_sha256}
    own = runs.at(second).evaluations[0]
    source.rename(tmp_path / "first" / "away")  # what is finished stands by itself
    ((_, again),) = reevaluate.evaluations(str(second), [root, "inference=[plain]"])
    assert again[0].test_error == own.test_error


def test_by_folder_or_by_id_it_is_the_same_run(tmp_path):
    root = f"output.root={tmp_path}"
    job.execute(compose([*TINY, root, "study=first"]))
    (source,) = (tmp_path / "first").glob("resnet8-*")
    for name in (source, source.name):
        job.execute(compose([*TINY, root, "study=second", "init=[pretrained]", f"init.pretrained.source={name}"]))
    (second,) = (tmp_path / "second").glob("resnet8-*")
    assert runs.at(second).info.attempt == 1 and runs.at(second).info.choices_key is not None
