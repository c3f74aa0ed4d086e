"""What finds nothing to act on is one line before anything is written."""

import pytest
from torch import nn

from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build as builder
from tricktable.runner.training import rehearse
from tricktable.runner.training.build import build_model


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model=mobilenet_v2_cifar", "model.shortcut=none", "residual=sum"], "residual: the network mobilenet_v2 has nothing there"),
        (["hook=[early_stopping]"], "hook.early_stopping: early_stopping needs a validation split"),
        (["hook=[snapshots]"], "inference: none of plain takes the "),
        (["inference=[ensemble]"], "inference.ensemble: "),
        (["inference=[plain,example_weight]"], "inference.example_weight: picks its value on a validation split"),
        (["inference=[example_weight]", "norm=group", "data.validation=0.1"], "inference.example_weight: example_weight finds no"),
        (["init=[fixup]"], "init.fixup: "),
        (["groups=scalar_lr"], "groups: "),
        (["residual=shake_shake"], "residual: shake_shake mixes exactly 2"),
        (["inference=[plain,crops]", "inference.crops.pad=8"], "inference.crops"),
        (["model=vgg16_bn_cifar", "batch_size=59"], "batch_size: the network cannot train on 1 image at once ("),
        (["model=vgg16_bn_cifar", "norm=ghost_batch", "norm.ghost_batch_size=1"], "batch_size: the network cannot train on "),
    ],
)  # fmt: skip
def test_what_has_nothing_to_act_on_is_refused(make_run, overrides, said):
    with pytest.raises(BadInput) as error:
        make_run(*overrides)
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_one_image_left_over_trains_where_a_channel_has_several_pixels_or_the_last_batch_is_dropped(make_run):
    make_run("batch_size=59")
    make_run("model=vgg16_bn_cifar", "batch_size=59", "data.last_batch=drop")


def test_an_inference_that_picks_takes_its_value_where_it_is_given(make_run):
    make_run("inference=[plain,example_weight]", "inference.example_weight.alpha=0.1")


def test_a_module_that_follows_its_weight_is_told_after_each_init(monkeypatch):
    told = []

    class Follows(nn.Conv2d):
        def after_init(self):
            told.append(self.weight.detach().clone())

    monkeypatch.setattr(rehearse, "factories", lambda chosen: {"conv": rehearse.Counted("conv", Follows)})
    config = compose(["model=resnet8", "conv=weight_norm", "init=[he,orthogonal]"])
    model = build_model(config, 1, 10)
    convolutions = [m for m in model.modules() if isinstance(m, Follows)]
    assert len(told) == 2 * len(convolutions) > 0
    assert (told[-1] == convolutions[-1].weight).all() and not (told[0] == told[len(convolutions)]).all()
    assert builder.rehearse is rehearse
