"""Fine-tuning begins with another run's weights: every layer's but the classifier's, and the running averages."""

import pytest
import torch
from torch import nn

from tests.conftest import TINY
from tricktable.models.resnet import ResNet
from tricktable.models.squeezenet import SqueezeNet
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
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


def test_a_file_may_have_more_and_may_lack_counts_of_batches():
    model, source = pair(3)
    tensors = {name: each for name, each in source.state_dict().items() if "num_batches" not in name}
    said = pretrained(model, {**tensors, "aux.weight": torch.zeros(2)})
    own = model.state_dict()
    assert all(torch.equal(own[name], each) for name, each in tensors.items() if not name.startswith("head."))
    came = [name for name in tensors if not name.startswith("head.")]
    assert said.startswith(f"{len(came)} of {len(own)} tensors are the source's; as drawn: ")
    assert said.endswith("; in the file and not in the network: aux.weight")
    with pytest.raises(ValueError, match=r"^source must be a network like this one: its stem.0.weight is not there"):
        pretrained(model, {name: each for name, each in tensors.items() if name != "stem.0.weight"})


def test_of_several_layers_behind_one_name_the_last_is_the_classifier():
    model, source = (nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))) for _ in range(2))
    last = model[1][1].weight.clone()
    pretrained(model, source)
    assert torch.equal(model[1][0].weight, source[1][0].weight) and torch.equal(model[1][1].weight, last)


def test_a_file_is_the_same_wherever_it_lies_and_another_run_where_it_changed(tmp_path, capsys):
    torch.manual_seed(0)
    first, second, root = tmp_path / "a.pth", tmp_path / "b.pth", f"output.root={tmp_path}"
    torch.save(ResNet(5, 1, depth=8).state_dict(), first)
    second.write_bytes(first.read_bytes())
    typed = [*TINY, root, "study=own", "init=[pretrained]"]
    for file in (first, second):
        job.execute(compose([*typed, f"init.pretrained.source={file}"]))
    (run,) = (tmp_path / "own").glob("resnet8-*")
    assert "; as drawn: head.weight, head.bias" in capsys.readouterr().err
    ((name, sha),) = runs.at(run).info.identity.teachers.items()
    assert name == f"sha256:{sha}"
    torch.save(ResNet(5, 1, depth=8).state_dict(), first)
    job.execute(compose([*typed, f"init.pretrained.source={first}"]))
    assert len(list((tmp_path / "own").glob("resnet8-*"))) == 2
    for file in (first, second):  # what is finished stands by itself
        file.unlink()
    reevaluate.evaluations(str(run), [root])


def test_a_teacher_is_no_file(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(BadInput, match=r"^loss.teacher: .*a.pth: a file of weights does not say its network"):
        job.execute(compose([*TINY, "loss=distillation", f"loss.teacher={tmp_path / 'a.pth'}"]))
