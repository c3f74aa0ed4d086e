"""Runs made before keys were renamed or a place was added: found, read and grouped as they were."""

import pytest

from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.errors import BadInput
from tricktable.runner.papers.studies import choices
from tricktable.runner.training.job import config_hash

# What was typed (by today's names), the label, the choices' key and, on a CPU with two threads, the config's hash:
# as the last version before the change computed them.
MADE_BEFORE = [
    ([], "resnet20-digits-s0",
     "c787efb2a9ce5d457b93e7c09f5f6e91ae98b30337f97b9ef0bc97fc5c4dda13",
     "61a9e256fe91aa9fd96e7ce7929629387632167b1165b02af163a40e105f15b2"),
    (["study=old2", "model=resnet20", "schedule.noise_scale=cosine", "epochs=40", "seed=3"], "resnet20-digits-lr-null-noise-cosine-s3",
     "53f026d8135ed783dd97ed40c67a97a61cba36a8e98e02fecdc3150674492e51",
     "6e49050bf4011aad6c320ed64fdfa3f350c34e9d9501716413b7f02f0bd5421d"),
    (["schedule.noise_scale=cosine"], "resnet20-digits-lr-null-noise-cosine-s0",
     "cc3c55b9c7f9a058dcae4771b544160659b643eed4316128bdd71fbff73d0545",
     "9e1e0efdfdcb02a86c3a23ad6130b4bc794f338790e0a5483cd7e7b131a73c56"),
    (["schedule.noise_scale=multistep", "schedule.noise_scale.at=[0.3,0.6]", "schedule.noise_scale.factor=0.5", "noise.spend=[{batch_size: 640}, lr]"], "resnet20-digits-lr-null-noise-multistep-s0",
     "1ee32c563658d2eeab01733072c4b3c9e86a308e3f6962f51007e198972fe442",
     "5c95e7407ad0e248baf2760ad43e9ad7b92bfccb4d480ea119f0740715205887"),
    (["schedule.noise_scale=[warmup,multistep]", "schedule.noise_scale.then.at=[3]", "noise.spend=[batch_size]"], "resnet20-digits-lr-null-noise-warmup-s0",
     "4bcc65b299eef96251c75886ace0c0b3fe5f879d5403f70f8fa205c66d8ad3f5",
     "52065b46c141be75a7030486d2b86d8641d55fbf0a2938a585245ae033ef0d4a"),
    (["schedule.noise_scale=step", "noise.spend=[momentum]"], "resnet20-digits-lr-null-noise-step-s0",
     "f118332c3a172e6e70cdd77813adaa685c5e4f70f49868087082ebb97c93a44b",
     "016906e9e6abd8d763cb852da4dff6f7e241d8267297456a27b3d71c4b025e27"),
    (["schedule.noise_scale=step", "noise.spend=[{momentum: 0.5}, batch_size]", "model=resnet8", "augment=[crop,mixup]"], "resnet8-digits-crop-mixup-lr-null-noise-step-s0",
     "9349cc438efa9c28dfdef91f41f3988b232fa77a943a2d06831060ede23c5eb8",
     "4631ab8595737f425a409564c7f4546acf00c2b9904d7529a2a6bdfbdbd0b197"),
    (["schedule.noise_scale=cosine", "schedule.weight_decay=linear", "seed=7"], "resnet20-digits-lr-null-weight_decay-linear-noise-cosine-s7",
     "3e4c07f792fb4638d2da9ff55860a0dac760aca4338fcbcd7fba1d3fb5623c3b",
     "ce859991b1f912802883689e1887a733e809299c9a129f3de71a32cf5eb2d0ce"),
    (["schedule.noise_scale=null"], "resnet20-digits-s0",
     "c787efb2a9ce5d457b93e7c09f5f6e91ae98b30337f97b9ef0bc97fc5c4dda13",
     "61a9e256fe91aa9fd96e7ce7929629387632167b1165b02af163a40e105f15b2"),
    (["noise=decaying_lr"], "resnet20-digits-decaying_lr-s0",
     "ab2be5c115c3ba92550fcfa797d877954c7cd488b4dd0f87c61350f8feaeed93",
     "878c6a1322a5fee5486efec6da21c013d69fc89dc3b2a0f3d2fde77f554162db"),
    (["noise=hybrid"], "resnet20-digits-hybrid-s0",
     "306ac2b37f8716a120d82ac4049f14cfbd78cacc27d6b1b657bb6f21fcc2e194",
     "dbd1255581f8cfd1cacbdb0654c7d2a1d267b758165ff79a222604e46cc01348"),
    (["noise=increasing_batch", "epochs=200"], "resnet20-digits-increasing_batch-s0",
     "dbea482f019daae8c48371d301afc5ab16c0df4bd372f9b53221bfb1dfb7ffc0",
     "3284742ff2efec8b5a777e78d3bf401fd8f137a954be434b389ad1d3b01ef5e4"),
    (["noise=increased_momentum", "seed=2"], "resnet20-digits-increased_momentum-s2",
     "e7a98d9af8bbfff3674bcecc6bf81859067f2108e191929d369e5f028a772b27",
     "0b3cd662c420f681f121132cd76cb82039fde0f6a76c30894c26b612e2234d76"),
    (["noise=hybrid", "schedule.noise_scale.at=[3]", "batch_size=64", "optimizer.lr=0.02"], "resnet20-digits-hybrid-s0",
     "a12bb3d8ac205b07ae70adeb36b646cb47501750ffbd50dad01494f5668a6bcc",
     "bd939d6449b2d9457b2011c26a8395a9bfad2bb937928409deee3607da7804ee"),
    (["noise=hybrid", "schedule.noise_scale=linear", "schedule.momentum=linear"], "resnet20-digits-hybrid-momentum-linear-s0",
     "fc53e12c4de797471a1806dcce5a55d657808e3238111b24f8ee89d5c6bd3976",
     "b77e9a01c00814ea0d019c85710e2c42badd8cd6fd34232672d3f6a543c8f250"),
    (["schedule.noise_scale=polynomial", "schedule.lr=cosine"], "resnet20-digits-noise-polynomial-s0",
     "7b25b35f95bacad99ac617ce52307669afdf0d2074689b291fb9dd951afc1815",
     "6703559b7be21e792c131496c15c9e6ff34ea3855486ce283242dbaae5d547b5"),
]  # fmt: skip
ON_A_CPU = ["compute=cpu", "compute.precision=fp32", "compute.threads=2"]


@pytest.mark.parametrize(("typed", "label", "key", "hashed"), MADE_BEFORE)
def test_runs_made_before_keep_their_identity(typed, label, key, hashed):
    config = compose([*ON_A_CPU, *typed])
    assert config.label == label
    assert schema.choices_key(config) == schema.choices_key(compose(typed)) == key
    assert config_hash(config) == hashed


def test_the_noise_scale_is_part_of_the_identity():
    """That the keys above are equal to those of before says something: other schedules have other keys."""
    keys = {schema.choices_key(compose([f"schedule.noise_scale={name}"])) for name in ("null", "step", "cosine")}
    assert len(keys) == 3


def written_before(typed):
    """The config.yaml that a run of before has."""
    values = schema.plain(compose(typed))
    values["schedule"] = {"noise" if k == "noise_scale" else k: v for k, v in values["schedule"].items()}
    assert "noise" in values["schedule"] and "noise_scale" not in values["schedule"]
    return values


@pytest.mark.parametrize("typed", [["schedule.noise_scale=cosine"], ["noise=hybrid", "schedule.momentum=linear"]])
def test_a_config_written_before_is_read_by_the_names_of_today(typed):
    old, config = written_before(typed), compose(typed)
    assert schema.read(old) == config
    assert choices(old) == choices(schema.plain(config)), "runs of both spellings are one row of a study's table"


def test_the_earlier_name_is_not_typed_any_more():
    with pytest.raises(BadInput, match=r"^schedule\.noise: .*schedule\.noise_scale=cosine"):
        compose(["schedule.noise=cosine"])


# As above, of networks whose argument `nonlinearity` was called `activation`: typed by today's names, and the key then.
NETWORKS_BEFORE = [
    (["model=cifar10_full"], "60e77e8fc286c0bcd7bc746c07f079ce5ad446acd5e9142e23edd5f01a6f28d4"),
    (["model=cifar10_full_sigmoid_bn"], "08e4fff92ffce6cec404bcd82c3c56210386ef6797bbe515cde5fd2769979b78"),
    (["model=lenet_caffe"], "ec9e02be9b6d09cec9d79c8ec25979c4b98fa5c327becfaf865f8ece5269d8b8"),
    (["model=mobilenet_v2_cifar"], "b5bd5f6d6c461725962f87f0ffefe0bd752f5c2d2b9371f6b9e2b6a512ac77a9"),
    (["model=mobilenet_v2_cifar_projection"], "df12624ff893520bf20bff1237793c1cbb40f90df6e551744c007f0240f78424"),
    (["model=lenet", "model.nonlinearity=relu"], "3d0dcce9c5ea461e8e8a09acb5b4e01a5990d9cfb1f78a4e7cf56d86a6da03ed"),
]


@pytest.mark.parametrize(("typed", "key"), NETWORKS_BEFORE)
def test_networks_with_another_nonlinearity_keep_their_identity(typed, key):
    assert schema.choices_key(compose(typed)) == key


def test_a_networks_nonlinearity_written_before_is_read_by_the_name_of_today():
    typed = ["model=lenet", "model.nonlinearity=relu"]
    config, old = compose(typed), schema.plain(compose(typed))
    del old["activation"]
    old["model"] = {"activation" if k == "nonlinearity" else k: v for k, v in old["model"].items()}
    assert old["model"]["activation"] == "relu" and schema.read(old) == config
    assert choices(old) == choices(schema.plain(config))


def test_an_activation_that_is_chosen_is_part_of_the_identity_and_null_is_not():
    assert "activation" not in schema.numeric(compose())
    keys = {schema.choices_key(compose([f"activation={name}"])) for name in ("null", "relu", "swish", "mish")}
    assert len(keys) == 4
    assert compose(["activation=swish"]).label == "resnet20-digits-swish-s0"


def test_an_argument_that_came_later_is_part_of_the_identity_where_it_changes_something():
    """Keys of runs with the default `init: [he]`, and with weight standardization, before `linear` and `unbiased`."""
    before = "c787efb2a9ce5d457b93e7c09f5f6e91ae98b30337f97b9ef0bc97fc5c4dda13"
    standardized = "0b043bfc992e1ab0e5a1a67c98cc608b9c38319963fe52f462a2065ea3a9b5d3"
    config = compose()
    assert schema.choices_key(config) == before
    assert schema.choices_key(compose(["conv=weight_standardization"])) == standardized
    assert schema.choices_key(compose(["init.he.linear=false"])) != before
    old = schema.plain(config)
    del old["init"]["he"]["linear"]
    assert schema.read(old) == config


def test_of_nothing_nothing_is_made():
    """A run without a config.yaml has no keys, and none that came later."""
    assert choices({}) == {}


def test_a_networks_earlier_name_is_not_typed_any_more():
    with pytest.raises(BadInput, match=r"^unknown key model\.activation.* activation=relu\?$"):
        compose(["model=lenet", "model.activation=relu"])


def test_a_later_argument_is_part_of_the_identity_only_where_it_changes_something():
    black, mean = ["augment=[crop]", "augment.crop.fill=black"], ["augment=[crop]", "augment.crop.fill=mean"]
    assert "fill" not in str(schema.numeric(compose(mean))["augment"])
    assert schema.choices_key(compose(mean)) == schema.choices_key(compose(["augment=[crop]"]))
    assert schema.choices_key(compose(black)) != schema.choices_key(compose(mean))
    folder = ["data=image_folder", "data.size=224"]
    assert "resize" not in schema.numeric(compose(folder))["data"]
    assert schema.numeric(compose([*folder, "data.resize=256"]))["data"]["resize"] == 256
    old = schema.plain(compose(folder))
    del old["data"]["resize"]
    assert schema.read(old) == compose(folder)


# As above, of options whose arguments came later: what is typed, the key of before, and an argument that changes it.
OPTIONS_BEFORE = [
    (["hook=[snapshots]", "inference=[plain,ensemble]"], "fdf945abc9ebf867ae6dea7f3f9d7bb85e9afc9a46565ee812a958e7d2ce785c",
     "hook.snapshots.T_mult=2"),
    (["init=[xavier]"], "5de9800c3c2b7cac9e7b602de64d5946ff2418e61416f6df06128eb7adec9e68", "init.xavier.fan=in"),
    (["optimizer=radam"], "0a9dda1223ccdba88c34aca711a82da27deb4b8b8e8f04d033ee0d37d8dafb07", "optimizer.replaced_by=adam"),
    (["model=resnet20"], "c787efb2a9ce5d457b93e7c09f5f6e91ae98b30337f97b9ef0bc97fc5c4dda13", "model.stem_width=8"),
    (["model=mobilenet_v2"], "45e77d5fe08fbbb8906f8d40268edaa71385b8ba587c81ba60f20ea67b16b12c", "model.divisor=4"),
    (["model=shufflenet_g3"], "b2aa8b0188226215adbe4c3c3db37486bda0e768e62b746101a32ebd0e83ec4f", "model.units=tian"),
    (["model=preact_resnet56"], "e34959593ac090ffb9cc0570151155c4136828783200f924380352751fe3bc28", "model.first_relu=false"),
    (["model=preact_resnet56"], "e34959593ac090ffb9cc0570151155c4136828783200f924380352751fe3bc28", "model.last_norm=true"),
    (["model=preact_resnet56"], "e34959593ac090ffb9cc0570151155c4136828783200f924380352751fe3bc28", "model.shortcut_of=input"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "key", "later"), OPTIONS_BEFORE, ids=lambda each: each if "=" in each else "")
def test_options_with_later_arguments_keep_their_identity(typed, key, later):
    assert schema.choices_key(compose(typed)) == key
    assert schema.choices_key(compose([*typed, later])) != key
