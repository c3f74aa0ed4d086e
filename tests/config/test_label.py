"""The readable part of a run's id."""

import pytest

from tricktable.runner.config.compose import compose, expand
from tricktable.runner.config.label import varied
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.training.job import config_hash


def labels(*typed):
    points = list(map(Overrides, expand(typed)))
    return [compose(point, varied(points)).label for point in points]


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (["optimizer=sgd,adam"], ["sgd-s0", "adam-s0"]),
        (["optimizer=sgd"], ["s0"]),
        (["optimizer=sgd", "seed=0,1"], ["s0", "s1"]),
        (["norm=null,group"], ["norm-null-s0", "group-s0"]),
        (["augment=[],[crop,flip]"], ["no-augment-s0", "crop-flip-s0"]),
        (["init=[he],[xavier]"], ["he-s0", "xavier-s0"]),
        (["schedule.lr=cosine,step"], ["lr-cosine-s0", "lr-step-s0"]),
        (["loss=cross_entropy,focal", "optimizer=adam"], ["cross_entropy-adam-s0", "focal-adam-s0"]),
        (["optimizer.lr=0.1,0.2"], ["s0", "s0"]),
    ],
)
def test_usual_choices_are_named_where_the_study_varies_them(typed, named):
    assert labels(*typed) == [f"resnet20-digits-{each}" for each in named]


def test_a_whole_schedule_of_the_noise_scale_is_named_and_its_absence():
    assert labels("noise=null,hybrid") == ["resnet20-digits-noise-null-s0", "resnet20-digits-hybrid-s0"]


def test_a_name_is_no_part_of_what_a_run_is():
    plain, named = (compose(["optimizer=sgd", "compute=cpu"], keys) for keys in ((), {"optimizer"}))
    assert plain.label != named.label and config_hash(plain) == config_hash(named)
