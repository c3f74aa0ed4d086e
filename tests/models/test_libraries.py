"""Networks of torchvision and of timm, as they are there: their counts and outputs, and what is refused."""

import pytest
import torch

from tricktable.models import timm as ours_of_timm
from tricktable.models.torchvision import network
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import networks
from tricktable.runner.training import build

SEAMS = {"conv": "weight_norm", "norm": "group", "activation": "gelu", "residual": "skip_init", "head": "cosine"}


@pytest.mark.parametrize("arch", ["resnet50", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "vit_b_16"])
def test_counts_are_torchvisions_own(arch):
    from torchvision import models

    (row,) = [networks.network(["model=torchvision", f"model.arch={arch}"])]
    said = models.get_model_weights(arch).DEFAULT.meta
    assert row["params"] == row["trained"] == said["num_params"]
    assert row["model"] == f"torchvision_{arch}" and (row["input"], row["classes"]) == ([3, 224, 224], 1000)
    attention = 0.02 if arch == "vit_b_16" else 0.002  # its fused attention is counted otherwise; _ops has 2 decimals
    assert row["madds"] == pytest.approx(said["_ops"] * 1e9, rel=attention, abs=1e7)


def test_it_is_torchvisions_network_with_its_names():
    from torchvision import models

    with torch.device("meta"):
        ours, theirs = network(7, arch="resnet18"), models.resnet18(num_classes=7)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    assert type(ours) is type(theirs)


@pytest.mark.parametrize("arch", ["googlenet", "inception_v3"])
def test_in_training_it_returns_logits_alone(arch):
    with torch.device("meta"):
        assert network(5, arch=arch).train()(torch.empty(2, 3, 96, 96)).shape == (2, 5)


@pytest.mark.parametrize("family", ["torchvision", "timm"])
def test_there_are_no_seams(family):
    for place, option in SEAMS.items():
        with pytest.raises(BadInput, match=f"^{place}: the network {family} has no such seam$"):
            build.build_model(compose([f"model={family}", "model.arch=resnet18", f"{place}={option}"]), 3, 10)


@pytest.mark.parametrize("arch", ["null", "resnet8", "retinanet_resnet50_fpn", "raft_small", "quantized_resnet50"])
def test_what_is_no_network_for_classification_is_refused(arch):
    with pytest.raises(BadInput, match=r"^model: arch must name a classification network of torchvision.models"):
        build.build_model(compose(["model=torchvision", f"model.arch={arch}"]), 3, 10)


def test_images_that_they_do_not_take_are_refused():
    with pytest.raises(ValueError, match=r"^arch: torchvision's networks take images of 3 channels, and these have 1$"):
        network(10, 1, arch="resnet18")


def test_small_images_are_one_line(make_run):
    data = [
        "data=synthetic",
        "data.channels=3",
        "data.size=32",
        "data.n_train=32",
        "data.classes=2",
        "data.subset=null",
    ]
    for arch, why in (("alexnet", "Output size is too small"), ("vit_b_16", "Wrong image height")):
        with pytest.raises(BadInput, match=f"^model: the network cannot take 3x32x32 images .*{why}"):
            make_run("model=torchvision", f"model.arch={arch}", "init=[]", *data)


def test_timm_is_one_line_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ValueError, match=r"^timm is not installed: pip install 'tricktable\[timm\]'$"):
        ours_of_timm.network(10, arch="resnet18")


def test_timms_networks_are_built_by_their_names():
    timm = pytest.importorskip("timm")
    assert networks.network(["model=timm", "model.arch=resnet18"])["params"] == 11_689_512
    with torch.device("meta"):
        ours = ours_of_timm.network(7, 1, arch="vit_tiny_patch16_224")
        theirs = timm.create_model("vit_tiny_patch16_224", num_classes=7, in_chans=1)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    for arch in (None, "resnet18.a1_in1k", "hf-hub:timm/resnet18", "local-dir:x", "../resnet18"):
        with pytest.raises(ValueError, match=r"^arch must name a network of timm"):
            ours_of_timm.network(10, arch=arch)


def test_the_librarys_name_of_it_is_in_a_runs_name_and_count_all_has_none_of_them():
    assert compose(["model=torchvision", "model.arch=resnet18"]).label.startswith("torchvision_resnet18-digits")
    assert compose(["model=torchvision", "model.arch='../x'"]).label.startswith("torchvision-digits")
    assert not {"torchvision", "timm"} & set(networks.members())
