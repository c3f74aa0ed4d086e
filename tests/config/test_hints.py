"""What people guess, and the line that they are told to type: each suggestion composes."""

import itertools
import shlex

import pytest

from tricktable.runner.config import synonyms
from tricktable.runner.config.compose import compose, expand, options
from tricktable.runner.config.options import arguments, mount
from tricktable.runner.config.overrides import Overrides
from tricktable.runner.config.places import PLACES
from tricktable.runner.config.spelling import closest
from tricktable.runner.errors import BadInput


def said(*typed):
    """The line for a command line that is refused."""
    with pytest.raises(BadInput) as error:
        compose(typed)
    assert "\n" not in str(error.value)
    return str(error.value)


def suggested(*typed):
    """What the line says to type in place of the last override, each way of it composed; no way is an empty list."""
    line = said(*typed)
    if "did you mean " not in line:
        return []
    assert line.endswith("?"), "the line ends with what to type"
    ways = line.removesuffix("?").partition("did you mean ")[2].split(" or ")
    for way in ways:
        words = shlex.split(way)
        points = expand(words[1:]) if words[0] == "-m" else [words]
        assert points
        for point in points:
            compose(Overrides(typed[:-1]).updated(point))
    return ways


@pytest.mark.parametrize(
    ("typed", "ways"),
    [
        # options by their names, with the argument that can take the value
        ("label_smoothing=0.1", ["augment=[label_smoothing] augment.label_smoothing.epsilon=0.1"]),
        ("LabelSmoothing=0.1", ["augment=[label_smoothing] augment.label_smoothing.epsilon=0.1"]),
        ("ema=true", ["hook=[ema]"]),
        ("ema=0.99", ["hook=[ema] hook.ema.decay=0.99"]),
        ("ema=false", ["hook=[]"]),
        ("ema_decay=0.99", ["hook=[ema] hook.ema.decay=0.99"]),
        ("cutout=16", ["augment=[cutout] augment.cutout.length=16"]),
        ("zero_gamma=true", ["init=[he,zero_gamma]"]),
        ("group=32", ["norm=group norm.num_groups=32"]),
        ("progressive_resizing=true", ["schedule.size=linear schedule.size.start=0.5 schedule.size.end=1"]),
        ("schedule.resolution=step", ["schedule.size=step"]),
        ("warmup=5", ["schedule.lr=[warmup,cosine] schedule.lr.epochs=5"]),
        ("lookahead=true", ["optimizer=[lookahead,sgd]"]),
        ("flip=true", ["augment=[flip]", "inference=[plain,flip]"]),
        ("useMixup=true", ["augment=[mixup]"]),
        # arguments of options that are not chosen
        ("mixup.alpha=0.2", ["augment=[mixup] augment.mixup.alpha=0.2"]),
        ("augment.mixup.alpa=0.2", ["augment=[mixup] augment.mixup.alpha=0.2"]),
        ("patience=5", ["hook=[early_stopping] hook.early_stopping.patience=5"]),
        ("optimizer.beta1=0.8", ["optimizer=adam optimizer.beta1=0.8"]),
        ("optimizer.rho=0.1", ["optimizer=[sam,sgd] optimizer.rho=0.1"]),
        ("schedule.lr.at=[30,60]", ["schedule.lr=multistep schedule.lr.at=[30,60]"]),
        ("schedule.momentum.at=[3]", ["schedule.momentum=multistep schedule.momentum.at=[3]"]),
        ("cosine.alpha=5", ["head=cosine head.alpha=5"]),
        ("sgd.lr=0.2", ["optimizer.lr=0.2"]),
        # keys without their place, or in other case
        ("lr=0.1", ["optimizer.lr=0.1"]),
        ("weight_decay=5e-4", ["optimizer.weight_decay=5e-4"]),
        ("momentum=0.9", ["optimizer.momentum=0.9"]),
        ("nesterov=true", ["optimizer.nesterov=true"]),
        ("device=cuda", ["compute.device=cuda"]),
        ("workers=4", ["data.workers=4"]),
        ("batch-size=64", ["batch_size=64"]),
        ("Epochs=3", ["epochs=3"]),
        # other tools' words
        ("gradient_accumulation=4", ["micro_batch=32"]),
        ("accumulate=5", ["micro_batch=26"]),
        ("accumulate=true", ["micro_batch=64"]),
        ("drop_last=true", ["data.last_batch=drop"]),
        ("drop_last=false", ["data.last_batch=keep"]),
        ("milestones=[30,60]", ["schedule.lr=multistep schedule.lr.at=[30,60]"]),
        ("grad_clip=1.0", ["gradient=[clip_norm] gradient.clip_norm.max_norm=1.0"]),
        ("clip_grad_norm=1", ["gradient=[clip_norm] gradient.clip_norm.max_norm=1"]),
        ("amp=true", ["compute.precision=bf16"]),
        ("amp=false", ["compute.precision=auto"]),
        ("scheduler=cosine", ["schedule.lr=cosine"]),
        ("scheduler=CosineAnnealingLR", ["schedule.lr=cosine"]),
        ("scheduler=null", ["schedule.lr=null"]),
        ("lr_scheduler=step", ["schedule.lr=step"]),
        ("val_split=0.1", ["data.validation=0.1"]),
        ("seeds=5", ["-m 'seed=range(5)'"]),
        ("seeds=true", ["-m 'seed=range(5)'"]),
        ("seeds=[0,1,2]", ["-m 'seed=0,1,2'"]),
        ("bs=64", ["batch_size=64"]),
        ("tta=true", ["inference=[plain,flip]"]),
        ("use_gc=true", ["gradient=[centralize]"]),
        ("model.weights=r.pth", ["init=[he,pretrained] init.pretrained.source=r.pth"]),
        ("model.init_from=outputs/a/b", ["init=[he,pretrained] init.pretrained.source=outputs/a/b"]),
        ("model.pretrained=true", ["init=[he,pretrained]"]),
        ("freeze_backbone=true", ["init=[he,freeze]"]),
        ("freeze_until=layer4", ["init=[he,freeze] init.freeze.until=layer4"]),
        ("sharpness_aware_minimization=true", ["optimizer=[sam,sgd]"]),
        ("augmentation=[crop,RandomHorizontalFlip]", ["augment=[crop,flip]"]),
        ("transforms.crop.pad=2", ["augment=[crop] augment.crop.pad=2"]),
        ("dataset=cifar10", ["data=cifar10"]),
        ("dataset=imagenet", ["data=image_folder"]),
        ("name='a b'", ["'study='\"'\"'a b'\"'\"''"]),
        # options that do not exist
        ("optimizer=AdamW", ["optimizer=adamw"]),
        ("model=ResNet20", ["model=resnet20"]),
        ("model=wrn-28-10", ["model=wrn_28_10"]),
        ("augment=[RandomCrop,flip]", ["augment=[crop,flip]"]),
        ("augment=[crop,ema]", ["augment=[crop] hook=[ema]"]),
        ("loss=label_smoothing", ["augment=[label_smoothing]"]),
        ("init=[kaiming]", ["init=[he]"]),
        ("norm=BatchNorm2d", ["norm=batch"]),
        # the noise scale is a knob, and `noise` holds whole schedules of it
        ("schedule.noise=cosine", ["schedule.noise_scale=cosine"]),
        ("schedule.noise.at=[3]", ["schedule.noise_scale=multistep schedule.noise_scale.at=[3]"]),
        ("noise_scale=cosine", ["schedule.noise_scale=cosine"]),
        ("noise=multistep", ["schedule.noise_scale=multistep"]),
        ("schedule.learning_rate=step", ["schedule.lr=step"]),
        ("schedule=step", ["schedule.lr=step"]),
        # a near misspelling of a key as things stand comes before an option or an argument of the same sound
        ("epoch=3", ["epochs=3"]),
        ("group=no_decay", ["groups=no_decay"]),
        ("batch=64", ["batch_size=64"]),
        ("batch=true", ["norm=batch"]),
        ("epoch=many", ["epochs=30"]),
    ],
)
def test_a_guess_is_answered_with_what_to_type(typed, ways):
    assert suggested(typed) == ways


def test_the_line_says_why_where_the_words_alone_would_not():
    assert "the images at once" in said("gradient_accumulation=4")
    assert said("dataset=foo").startswith("unknown key dataset: data has no foo, there are: cifar10, ")
    assert said("augment.mixup.pad=2").startswith("unknown key augment.mixup.pad: mixup has alpha, per;")
    assert said("dropout=0.3").endswith("and not of what is chosen"), "no hint chooses another network"
    assert suggested("model=wrn_16_4", "dropout=0.3") == ["model.dropout=0.3"]
    assert said("resume=true") == "unknown key resume: the same command again continues the run"


def test_what_is_like_nothing_is_not_guessed():
    assert said("qwerty=1") == "unknown key qwerty; `tricktable show` prints them all"
    assert said("optimizer.qwerty=1").startswith("unknown key optimizer.qwerty; optimizer has: lr, momentum, ")
    assert said("model=qwerty") == "model: nothing is called qwerty; `tricktable list model` has them all"


def test_what_is_chosen_stays_chosen():
    assert suggested("augment=[crop,flip]", "mixup=0.2") == ["augment=[crop,flip,mixup] augment.mixup.alpha=0.2"]
    assert suggested("schedule.lr=step", "warmup=5") == ["schedule.lr=[warmup,step] schedule.lr.epochs=5"]
    assert suggested("noise=hybrid", "schedule.noise.at=[3]") == ["schedule.noise_scale.at=[3]"]
    assert said("norm=batch", "momentum=0.8").endswith("did you mean norm.momentum=0.8 or optimizer.momentum=0.8?")


def test_a_key_of_what_is_chosen_is_preferred():
    assert suggested("decay=0.9") == [
        "groups=layerwise groups.decay=0.9",
        "schedule.lr=wsd schedule.lr.decay=0.9",
        "hook=[ema] hook.ema.decay=0.9",
    ]
    assert suggested("kaiming=true") == ["init=[he]"]
    assert said("hook=[ema]", "decay=0.9").endswith("did you mean hook.ema.decay=0.9?")


@pytest.mark.parametrize("place", PLACES)
def test_every_option_of_a_place_can_be_typed_alone(place):
    for name in options(place):
        if name == place:
            continue
        ways = suggested(f"{name}=true")
        chosen = [way for way in ways if way.startswith(f"{mount(place)}=")]
        assert chosen and all(name in way for way in chosen), f"{name}: {ways}"


def written(value):
    """In Hydra's grammar."""
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


@pytest.mark.parametrize("place", PLACES)
def test_every_argument_of_every_option_can_be_typed_with_its_option_alone(place):
    for name in options(place):
        for argument, value in arguments(place, name).items():
            typed = f"{name}.{argument}={written(value)}"
            ways = suggested(typed)
            owner = f"{place}.{name}" if PLACES[place].many else mount(place)
            assert any(way.endswith(f"{owner}.{argument}={written(value)}") for way in ways), f"{typed}: {ways}"


SENSIBLE = {
    "model": "resnet8",
    "data.path": "x",
    "data.workers": "3",
    "schedule.lr.at": "[1,2]",
    "model.dropout": "0.3",
    "batch_size": "64",
    "data.size": "32",
    "output.root": "x",
    "activation": "relu",
}
OF_CHOSEN = {"model.dropout": "model=wrn_16_4", "data.size": "data=synthetic"}  # no hint chooses what they are of


@pytest.mark.parametrize("word", synonyms.words())
def test_every_synonym_leads_somewhere(word):
    synonym = synonyms.words()[word]
    chosen = [OF_CHOSEN[synonym.typed]] if synonym.typed in OF_CHOSEN else []
    ways = suggested(*chosen, f"{word}={SENSIBLE.get(synonym.typed, 'true')}")
    assert ways or (synonym.typed is None and synonym.why in said(f"{word}=true"))


def test_no_synonym_hides_a_key_or_an_option():
    known = {name for place in PLACES for name in options(place)} | {"epochs", "seed", "study", *PLACES}
    assert not known & set(synonyms.words()) - {"batch"}, "batch=64 is the batch size, and batch=true the norm"


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("RandomCrop", ("random_erasing", "crop"), "crop"),
        ("Random-Erasing", ("random_erasing", "crop"), "random_erasing"),
        ("multisteplr", ("step", "multistep"), "multistep"),
        ("cropp", ("crop", "flip"), "crop"),
        ("xyz", ("crop", "flip"), None),
        ("crop", (), None),
    ],
)
def test_the_closest_name(word, known, found):
    assert all(closest(word, order) == found for order in itertools.permutations(known))
