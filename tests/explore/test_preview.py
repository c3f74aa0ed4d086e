"""`tricktable schedule`: counts by pure arithmetic, what is printed, and what is refused."""

import json
import math

import pytest
import torch

from tricktable.runner.config.compose import options
from tricktable.runner.errors import BadInput, DataProblem
from tricktable.runner.explore import preview
from tricktable.runner.training import objects

N = 50_000
SMITH = ("epochs=200", "schedule.lr=null")  # Smith et al. 2018, arXiv:1711.00489: 60, 60, 40 and 40 epochs


def piecewise(batch_size, *factors):
    points = ",".join(f"[{epoch},{factor}]" for epoch, factor in zip((0, 60, 120, 160), factors, strict=True))
    return [
        f"batch_size={batch_size}",
        "schedule.batch_size=piecewise",
        "schedule.batch_size.interpolate=constant",
        f"schedule.batch_size.points=[{points}]",
    ]


FIVEFOLD = ["schedule.batch_size=multistep", "schedule.batch_size.at=[60,120,160]", "schedule.batch_size.factor=5"]


@pytest.fixture
def printed(capsys, tmp_path):
    """What the command prints, under a folder of the test's own."""

    def call(*overrides, **options):
        preview.show([*overrides, f"output.root={tmp_path}"], **options)
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("overrides", "keep", "drop"),
    [
        ([], 78_200, 78_000),
        (FIVEFOLD, 29_000, 28_800),
        (piecewise(128, 1, 5, 5, 5), 34_520, 34_320),
        (piecewise(128, 1, 5, 25, 40), 29_240, 29_040),
        (piecewise(640, 1, 5, 8, 8), 6_500, 6_300),
        (piecewise(3200, 1, 1.6, 1.6, 1.6), 2_360, 2_160),
    ],
)
def test_the_updates_of_the_papers_schedules(overrides, keep, drop):
    """50,000 images: the sum over the epochs of ceil(N / B), or floor(N / B) without the last, smaller batch."""
    for last_batch, expected in (("keep", keep), ("drop", drop)):
        plan = preview.planned([*SMITH, *overrides, f"data.last_batch={last_batch}"], N)
        assert sum(plan.updates) == expected and len(plan.updates) == 200


def test_the_updates_of_each_phase():
    plan = preview.planned([*SMITH, *FIVEFOLD], N)
    assert plan.stretches() == [(0, 60, 391), (60, 120, 79), (120, 160, 16), (160, 200, 4)]
    lines = preview.text(plan).splitlines()
    assert "29,000 updates" in lines
    assert "  epochs 60-120:    79 updates each,  4,740 together" in lines


GROWING = ["schedule.size=linear", "schedule.size.start=0.5", "schedule.size.end=1"]


def test_the_images_size_is_that_of_the_run_and_a_share_where_the_data_is_not_loaded(make_run):
    """resnet20 divides images by 4, those of digits are of 8x8; one step is looked at in each epoch at the least."""
    overrides = ["model=resnet20", "data.subset=6", "batch_size=16", "epochs=8", *GROWING]
    plan, run = preview.planned(overrides), make_run(*overrides)
    assert plan.values["size"] == [run.knobs.at(time)["size"] for time in plan.times]
    assert set(plan.values["size"]) == {4, 8} and preview.plain(plan)["knobs"]["size"][::7] == [4, 8]
    shares = preview.planned(overrides, 60)
    assert shares.values["size"] == pytest.approx([0.5 + 0.5 * time / 8 for time in plan.times])
    said = "size is the share of the images' own; "
    assert said in preview.text(shares) and said not in preview.text(plan)


@pytest.mark.parametrize(
    ("noise", "updates"),
    [
        ("decaying_lr", 78_200),
        ("hybrid", 34_520),
        ("increasing_batch", 29_240),
        ("increased_initial_lr", 6_500),
        ("increased_momentum", 2_360),
    ],
)
def test_the_papers_schedules_have_one_noise_scale(noise, updates):
    """lr N / (B (1 - m)), which begins at 390.625 and is divided by 5 at each step."""
    plan = preview.planned(["epochs=200", f"noise={noise}"], N)
    assert sum(plan.updates) == updates
    expected = [390.625 / 5 ** sum(t >= step for step in (60, 120, 160)) for t in plan.times]
    assert plan.values["noise_scale"] == pytest.approx(expected)


def test_what_a_program_gets(printed, tmp_path):
    told = json.loads(
        printed("epochs=4", "schedule.batch_size=linear", "data.last_batch=drop", images=1000, as_json=True)
    )
    assert list(told) == [
        *("label", "n", "epochs", "updates", "epoch", "updates_by_epoch", "knobs", "scales", "momentum_time_constant")
    ]
    assert (told["n"], told["epochs"], told["epoch"]) == (1000, 4, [0, 1, 2, 3])
    assert told["updates"] == sum(told["updates_by_epoch"]) and len(told["updates_by_epoch"]) == 4
    assert set(told["knobs"]) == {"lr", "batch_size", "momentum", "weight_decay"}
    assert set(told["scales"]) == {"noise_scale", "noise_scale_exact", "effective_lr"}
    assert told["knobs"]["batch_size"] == [128, 96, 64, 32]
    assert told["knobs"]["lr"] == pytest.approx([0.05 * (1 + math.cos(math.pi * t / 4)) for t in range(4)])
    assert told["scales"]["noise_scale_exact"][0] == pytest.approx(0.1 / 0.1 * (1000 / 128 - 1))
    assert list(tmp_path.iterdir()) == []


def test_the_momentums_time_constant(printed):
    """T = -1 / ln(m) steps, which are T B / N epochs."""
    momentum = ["optimizer.momentum=0.98", "schedule.momentum=linear", "schedule.momentum.end=0.5"]
    told = json.loads(printed("epochs=2", "batch_size=50", *momentum, images=1000, as_json=True))
    expected = [-1 / math.log(0.98), -1 / math.log(0.98 * 0.75)]
    assert told["momentum_time_constant"]["steps"] == pytest.approx(expected)
    assert told["momentum_time_constant"]["epochs"] == pytest.approx([t * 50 / 1000 for t in expected])
    lines = preview.text(preview.planned(["epochs=2", "batch_size=50", *momentum], 1000)).splitlines()
    end = -1 / math.log(0.98 * (1 - 0.5 * 1.95 / 2))
    assert lines[-2:] == [
        "  at the beginning  49.5 steps = 2.475 epochs",
        f"  at the end        {end:.4g} steps = {end * 50 / 1000:.4g} epochs",
    ]


def test_an_optimizer_without_momentum_has_no_time_constant(printed):
    plan = preview.planned(["optimizer=adagrad", "schedule.lr=null"], 1000)
    assert preview.plain(plan)["momentum_time_constant"] is None and "time constant" not in preview.text(plan)
    assert "momentum" not in plan.values


@pytest.mark.parametrize("optimizer", options("optimizer"))
def test_every_optimizers_knobs_need_no_network(optimizer):
    plan = preview.planned([f"optimizer={optimizer}", "schedule.lr=null", "epochs=6"], N)
    assert plan.values["lr"] == [plan.knobs.base["lr"]] * len(plan.times) and plan.knobs.base["lr"] > 0


def test_a_line_a_knob_with_its_first_last_lowest_and_highest_value():
    overrides = ["epochs=4", "batch_size=100", "schedule.lr=piecewise", "schedule.lr.points=[[0,0.5],[1,1],[3,0.2]]"]
    lines = preview.text(preview.planned(overrides, 1000), 80).splitlines()
    assert lines[0] == "resnet20-digits-lr-piecewise-s0: 1,000 training images, 4 epochs"
    lr, batch_size = lines[3], lines[4]
    assert lr.split()[:5] == ["lr", "0.05", "0.02", "0.02", "0.1"] and "constant" not in lr
    assert batch_size.split() == ["batch_size", "100", "constant"]
    assert {line.split()[0] for line in lines[3:9]} == {
        *("lr", "batch_size", "momentum", "weight_decay", "noise_scale", "effective_lr")
    }
    assert lr.index("▄") == batch_size.index("constant") == lines[2].index("over the run")


def test_adams_noise_scale_is_by_its_rate_alone(printed):
    plan = preview.planned(["optimizer=adam", "schedule.lr=null"], 1000)
    assert plan.values["effective_lr"][0] == pytest.approx(1e-3)
    assert plan.values["noise_scale"][0] == pytest.approx(1e-3 * 1000 / 128)


def test_what_is_not_known_of_an_optimizer_is_said_to_be_so(printed, tmp_path, monkeypatch):
    """torch's SGD in the place of ours does not say what its momentum comes to."""

    class Silent(torch.optim.SGD):
        def __init__(self, groups, lr=0.1, momentum=0.9, weight_decay=1e-4, dampening=0.0, nesterov=False):
            super().__init__(groups, lr, momentum, dampening, weight_decay, nesterov)

    real = objects.target
    monkeypatch.setattr(objects, "target", lambda folder, name: Silent if "optimizer" in folder else real(folder, name))
    overrides = ["schedule.lr=null", "epochs=2"]
    told = json.loads(printed(*overrides, images=1000, as_json=True))
    assert told["scales"] == {k: [None] * 2 for k in ("noise_scale", "noise_scale_exact", "effective_lr")}
    lines = preview.text(preview.planned(overrides, 1000), 80).splitlines()
    (line,) = [line for line in lines if line.startswith("noise_scale")]
    assert line.split(maxsplit=2) == ["noise_scale", "–", "not known of this optimizer"] and len(line) <= 80
    assert next(line for line in lines if line.startswith("lr")).split() == ["lr", "0.1", "constant"]
    printed(*overrides, images=1000)
    (path,) = tmp_path.rglob("*.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_table_fits_the_terminal():
    plan = preview.planned(["epochs=20", "noise=increasing_batch"], N)
    for width in (70, 80, 200):
        table = preview.text(plan, width).splitlines()[2:9]
        assert max(map(len, table)) <= width
        blocks = min(60, width - 50)
        assert table[2].startswith("batch_size") and blocks - 5 <= sum(map(table[2].count, preview.SPARKS)) <= 60
        assert table[2].count("▁") == pytest.approx(0.3 * blocks, abs=2)  # the first 6 of 20 epochs


@pytest.mark.parametrize(
    ("lr", "logarithmic"), [("cosine", False), ("one_cycle", False), ("multistep", True), ("exponential", True)]
)
def test_a_course_is_logarithmic_where_much_of_it_would_lie_flat(lr, logarithmic):
    line = preview.text(preview.planned([f"schedule.lr={lr}"], 1000)).splitlines()[3]
    assert line.startswith("lr ") and line.endswith(" log") == logarithmic


def test_what_moves_by_rounding_alone_is_constant():
    plan = preview.planned(["noise=increasing_batch", "noise.spend=[batch_size,lr]"], N)
    assert len(set(plan.values["lr"])) > 1 and preview.text(plan).splitlines()[3].split() == ["lr", "0.1", "constant"]


def test_many_stretches_are_summed_up():
    text = preview.text(preview.planned(["epochs=40", "schedule.batch_size=linear", "batch_size=640"], N))
    assert "  ... " in text and len(text.splitlines()) < 30


def test_a_sparkline():
    assert preview.sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert preview.sparkline([7, 0, 7]) == "█▁█"
    assert preview.sparkline([5, 5]) == "▁▁"


def test_a_logarithmic_sparkline_has_equal_factors_at_equal_heights_and_a_bottom():
    assert preview.sparkline([10**-k for k in range(8)], True)[:5] == "█▆▅▃▁"
    assert preview.sparkline([1, 0, 1e-9, 1e-4], True) == "█▁▁▁"


def test_a_long_run_is_looked_at_in_part_with_each_epochs_beginning_and_the_end():
    plan = preview.planned(["epochs=200", "schedule.lr=null"], N)
    assert preview.POINTS <= len(plan.times) + 1000 <= 2 * preview.POINTS
    assert set(range(200)) <= set(plan.times) and plan.times[-1] == 199 + 390 * 128 / N


def test_a_picture_is_written_and_its_path_said(printed, tmp_path):
    said = printed("study=looks", "schedule.batch_size=multistep", images=1000)
    (path,) = tmp_path.rglob("*.*")
    assert path == tmp_path / "looks" / "schedule-resnet20-digits-batch_size-multistep-s0.png"
    assert said.endswith(f"picture: {path}\n") and path.read_bytes().startswith(b"\x89PNG")


def test_the_number_of_images_comes_from_the_data():
    assert preview.planned(["data.subset=20", "data.validation=0.1"]).knobs.n == 200


@pytest.mark.parametrize(
    ("overrides", "images", "said"),
    [
        (["batch_size=1001"], 1000, "batch_size: 1001 is more than the 1000 training images"),
        (["schedule.batch_size=multistep", "schedule.batch_size.factor=5"], 1000, "schedule.batch_size: grows to 3200"),
        ([], 0, "--images: expected a whole number of at least 1, got 0"),
        (["schedule.momentum=constant", "optimizer.momentum=0"], 1000, "schedule.momentum: the optimizer sgd has"),
        (["schedule.momentum=piecewise", "schedule.momentum.points=[[0,1.2]]"], 1000, "rises to 1.08"),
        (["schedule.lr.end=-1"], 1000, "schedule.lr: end must be at least 0"),
        (["study=../x"], 1000, "study"),
        (["optimzer.lr=1"], 1000, "did you mean optimizer.lr"),
    ],
)
def test_what_cannot_be_is_one_line(printed, tmp_path, overrides, images, said):
    with pytest.raises(BadInput) as refusal:
        printed(*overrides, images=images)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_data_that_is_not_here_can_be_done_without():
    absent = ["data=cifar10", "data.path=nowhere", "data.download=false"]
    with pytest.raises(DataProblem, match=r"--images N does without the data"):
        preview.planned(absent)
    assert preview.planned(absent, N).updates == (391,) * 30
