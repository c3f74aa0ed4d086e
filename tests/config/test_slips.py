"""What users of other tools type: each is told the right word, or none; never a wrong one."""

import pytest

from tricktable.runner.cli import _parser
from tricktable.runner.config import slips
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput, suggest
from tricktable.runner.papers import facts, several

KEYS = [  # typed, what must be said in place of it; None: nothing
    ("norm=batch_norm", "norm=batch"), ("norm=bn", "norm=batch"), ("norm=LayerNorm", "norm=layer"),
    ("norm=gn", "norm=group"), ("optimizer.learning_rate=0.1", "optimizer.lr=0.1"),
    ("optimizer.wd=1e-4", "optimizer.weight_decay=1e-4"), ("trainer.max_epochs=9", "epochs=9"),
    ("T_max=90", "epochs=90"), ("model=resnet21", "model=resnet20"), ("model=resnet19", "model=resnet18"),
    ("model=ResNet-50", "model=resnet50"), ("model=resnet", None), ("model=vit", None), ("data=CIFAR10", "data=cifar10"),
    ("data=cifar-100", "data=cifar100"), ("data=imagenet", "data=image_folder"), ("dropout=0.5", None),
    ("model.dropout=0.5", None), ("img_size=224", None), ("drop_path_rate=0.1", "residual.p_last=0.1"),
    ("gpus=2", None), ("trainer.devices=2", None), ("no_cuda=true", "compute=cpu"), ("resume=true", None),
    ("resume_from=x", None), ("max_steps=1000", None), ("total_steps=9", None),
    ("warmup_steps=500", "schedule.lr=[warmup,cosine]"), ("lr_scheduler=OneCycleLR", "schedule.lr=one_cycle"),
    ("scheduler=ReduceLROnPlateau", None), ("schedule.lr=plateau", None), ("loss=ce", "loss=cross_entropy"),
    ("criterion=CrossEntropyLoss", "loss=cross_entropy"), ("kd=true", "loss=distillation"),
    ("weight_init=kaiming", "init=[he]"), ("init=[kaiming_normal]", "init=[he]"), ("activation=leaky_relu", None),
    ("activation=elu", None), ("activation=silu", "activation=swish"), ("hook=[model_checkpoint]", None),
    ("seed_everything=1", "seed=1"), ("reprob=0.25", "augment.random_erasing.p=0.25"), ("crop_size=32", None),
    ("eval_batch_size=64", None), ("log_interval=10", None), ("wandb=true", "log=[wandb]"), ("logger=tensorboard", "log=[tensorboard]"), ("class_weights=[1,2]", None),
    ("num_classes=10", None), ("bias_decay=false", None), ("shuffle=true", None), ("compile=true", "compute.compile=true"),
    ("split=0.1", "data.validation=0.1"), ("test_size=0.2", None), ("k_fold=5", None), ("log_dir=x", "output.root=x"),
]  # fmt: skip

OPTIONS = [
    ("--lr 0.1", "optimizer.lr=0.1"), ("--epochs=3", "epochs=3"), ("--batch-size 64", "batch_size=64"),
    ("--device cuda", "compute.device=cuda"), ("--mixup 0.2", "augment.mixup.alpha=0.2"), ("--n-jobs 2", "--jobs"),
    ("--job-s 2", "--jobs"), ("--resume", None), ("--nope", None),
]  # fmt: skip

COMMANDS = [
    ("trian", "train"), ("fit", "train"), ("eval", "evaluate"), ("sweep", "train -m"), ("lr_find", "lr-range"),
    ("plot", "figure"), ("flops", "count"), ("help", "--help"), ("epochs=3", "tricktable train epochs=3"), ("xyzzy", None),
]  # fmt: skip


def meant(line):
    """What a line suggests; None where it suggests nothing."""
    assert "\n" not in line
    return line.partition("did you mean ")[2].removesuffix("?") or None


@pytest.mark.parametrize(("typed", "right"), KEYS)
def test_keys(typed, right):
    with pytest.raises(BadInput) as refused:
        compose([typed])
    said = meant(str(refused.value))
    assert (said is None) if right is None else (said == right or said.split(" ")[-1] == right), refused.value


@pytest.mark.parametrize(("typed", "right"), OPTIONS)
def test_options(typed, right):
    line = slips.unknown_option(typed.split()[0], ["train", *typed.split()], "train", ["--jobs", "--multirun"])
    said = meant(line)
    assert line.startswith(f"unknown option {typed.split()[0].partition('=')[0]}")
    assert (said is None) if right is None else (said.split(" ")[-1] == right), line


@pytest.mark.parametrize(("typed", "right"), COMMANDS)
def test_commands(typed, right):
    commands = list(_parser()[1])
    line = slips.unknown_command(typed, commands)
    assert meant(line) == right
    assert right is None or right.startswith(("-", "tricktable ")) or right.split()[0] in commands


@pytest.mark.parametrize(
    ("find", "typed", "right"),
    [
        (facts.load, "smith2018", "smith2018_batch_size or smith2018_disciplined or smith2018_super_convergence"),
        (facts.load, "he2016", "he2016_resnet"),
        (facts.load, "zhang2018_mixpu", "zhang2018_mixup"),
        (facts.load, "qwertyuiop", None),
        (several.names, "smith2018_batch_size/fig5", "smith2018_batch_size/fig5_section52"),
    ],
)
def test_papers_and_tables(find, typed, right):
    with pytest.raises(BadInput) as refused:
        find(typed)
    said = meant(str(refused.value))
    assert (said is None) if right is None else said.startswith(right)


def test_a_paper_is_found_by_its_arxiv_number():
    assert {facts.load(word).id for word in ("1711.00489", "arXiv:1711.00489")} == {"smith2018_batch_size"}


def test_there_are_slips_of_every_kind():
    assert len(KEYS) + len(OPTIONS) + len(COMMANDS) >= 60


def test_what_is_listed_stays_a_line_that_can_be_read():
    assert suggest("zzz", [f"x{i}" for i in range(30)]).endswith("x23 and 6 more")
    assert suggest("zzz", []) == "; there are: none"
