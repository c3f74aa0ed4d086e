"""CCT: the authors' network in a plain transcription, the paper's table of sizes, noise in training, and its seams."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.models.checks import Conv, Head, a_step_moves_every_parameter, trains
from tricktable.models.cct import CCT
from tricktable.runner.explore.networks import network

QUIET = {"attention_dropout": 0.0, "stochastic_depth": 0.0}


def small(**arguments):
    torch.manual_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "embedding_dim": 8, "mlp_ratio": 1.5, "image_size": 8}
    return CCT(10, **{**sizes, **arguments})


def plain(model, x, heads, positions, normalised):
    """The authors' network in functions, with a model's parameters by name."""
    p = {name: value.detach() for name, value in model.named_parameters()}

    def normed(z, name):
        return F.layer_norm(z, z.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"])

    for name in [name for name in p if name.startswith("tokenizer")]:
        kernel = p[name].shape[-1]
        stride, padding = max(1, kernel // 2 - 1), max(1, kernel // 2)
        x = F.max_pool2d(F.conv2d(x, p[name], stride=stride, padding=padding).relu(), 3, 2, 1)
    batch, dim = x.shape[:2]
    z = x.reshape(batch, dim, -1).transpose(1, 2) + positions
    for layer in range(len(model.blocks) // 2):
        name = f"blocks.{2 * layer}"
        q, k, v = (normed(z, f"{name}.before") @ p[f"{name}.branches.0.0.qkv.weight"].T).chunk(3, -1)
        out = []
        for h in range(heads):
            part = slice(h * dim // heads, (h + 1) * dim // heads)
            scores = torch.einsum("bid,bjd->bij", q[..., part], k[..., part]) / math.sqrt(dim / heads)
            out.append(scores.softmax(-1) @ v[..., part])
        projection = f"{name}.branches.0.0.projection"
        z = z + F.linear(torch.cat(out, -1), p[f"{projection}.weight"], p[f"{projection}.bias"])
        name = f"blocks.{2 * layer + 1}"
        y = normed(z, f"{name}.before")
        inner, outer = f"{name}.branches.0.0", f"{name}.branches.0.3"
        hidden = F.gelu(F.linear(y, p[f"{inner}.weight"], p[f"{inner}.bias"]))
        z = (y if normalised else z) + F.linear(hidden, p[f"{outer}.weight"], p[f"{outer}.bias"])
    z = normed(z, "norm")
    weights = F.linear(z, p["pool.attention.weight"], p["pool.attention.bias"]).softmax(1)
    return F.linear((weights * z).sum(1), p["head.weight"], p["head.bias"])


def waves(tokens, dim):
    """The sinusoidal embedding, number by number."""
    rows = [[p / 10000 ** (2 * (i // 2) / dim) for i in range(dim)] for p in range(tokens)]
    return torch.tensor([[(math.cos if i % 2 else math.sin)(a) for i, a in enumerate(row)] for row in rows])


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        ({"positional_embedding": "learnable"}, 16),
        ({"positional_embedding": "sine", "mlp_shortcut": "plain"}, 16),
        ({"positional_embedding": "none", "conv_layers": 2, "num_heads": 4}, 4),
        ({"positional_embedding": "sine", "kernel_size": 7, "image_size": 16, "in_channels": 1}, 16),
    ],
    ids=str,
)
def test_it_is_the_authors_network(arguments, tokens):
    model = small(**arguments, **QUIET).double()
    for p in model.parameters():
        nn.init.normal_(p, std=0.4)
    kind = arguments["positional_embedding"]
    positions = {"none": torch.zeros(tokens, 8), "sine": waves(tokens, 8)}.get(kind)
    if positions is None:
        positions = model.positions.learned.weight.detach()
    assert positions.shape == (tokens, 8)
    x = torch.randn(3, arguments.get("in_channels", 3), *[arguments.get("image_size", 8)] * 2, dtype=torch.float64)
    normalised = arguments.get("mlp_shortcut") != "plain"
    expected = plain(model, x, arguments.get("num_heads", 2), positions, normalised)
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5)  # waves are single-precision numbers


TABLE = [  # the authors' table for CIFAR-10: millions of parameters, G multiply-adds
    ("cct_2_3x2", 0.284, 0.033),
    ("cct_4_3x2", 0.482, 0.046),
    ("cct_6_3x2", 3.327, 0.241),
    ("cct_7_3x2", 3.853, 0.275),
    ("cct_7_3x1", 3.760, 0.947),
    ("cct_6_3x1", 3.168, 0.813),
]


@pytest.mark.parametrize(("member", "millions", "giga"), TABLE)
def test_sizes_are_the_papers_whose_multiply_adds_leave_out_the_attentions_products(member, millions, giga):
    row = network([f"model={member}"])
    layers, convolutions = int(member[4]), int(member[-1])
    tokens, dim = (32 // 2**convolutions) ** 2, 128 if layers < 6 else 256
    assert round(row["params"] / 1e6, 3) == millions
    products = layers * 2 * tokens**2 * dim
    assert (row["madds"] - products) / 1e9 == pytest.approx(giga, abs=0.0006)


def test_other_images_than_the_embeddings_are_for_are_refused_by_name():
    for kind in ("learnable", "sine"):
        with pytest.raises(ValueError, match="^image_size must be .* 16 .* of 8 pixels, got 36 tokens$"):
            small(positional_embedding=kind)(torch.randn(2, 3, 12, 12))
    assert small(positional_embedding="none")(torch.randn(2, 3, 12, 12)).shape == (2, 10)


def test_the_waves_are_not_trained_and_not_saved():
    learned, sine = small(), small(positional_embedding="sine")
    assert set(learned.state_dict()) - set(sine.state_dict()) == {"positions.learned.weight"}
    assert set(sine.state_dict()) < set(learned.state_dict())


def drop_paths(model):
    return [m.residual.rate for m in model.blocks if hasattr(m.residual, "rate")]


@pytest.mark.parametrize(("given", "last"), [(None, 0.1), (0.3, 0.3)])
def test_the_rate_of_left_out_branches_rises_linearly_from_0(given, last):
    model = small(num_layers=4, stochastic_depth=given)
    assert drop_paths(model) == pytest.approx([last * layer / 3 for layer in (1, 1, 2, 2, 3, 3)])
    assert drop_paths(small(stochastic_depth=0.0)) == []
    assert drop_paths(small(num_layers=1)) == []


def test_a_branch_is_left_out_or_divided_by_its_share_image_by_image():
    drop = small(num_layers=2, stochastic_depth=0.4).blocks[-1].residual
    x = torch.rand(2000, 3, 4) + 1
    torch.manual_seed(0)
    out = drop.train()(x)
    kept = (out != 0).all((1, 2))
    assert torch.equal(kept, (out != 0).any(2).any(1))
    torch.testing.assert_close(out[kept], x[kept] / 0.6)
    assert abs(kept.float().mean() - 0.6) < 5 * math.sqrt(0.24 / 2000)
    assert drop.eval()(x) is x


def test_the_authors_initialisation():
    model = CCT(10, conv_layers=2)
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    assert all(abs(m.weight.std() - 0.02) < 0.002 and (m.bias is None or not m.bias.any()) for m in linear)
    for conv in (m for m in model.modules() if isinstance(m, nn.Conv2d)):
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * conv.in_channels)), rel=0.1)
    assert abs(model.positions.learned.weight.std() - 0.2) < 0.01


def test_a_residual_of_the_seam_sees_channels_second_and_stands_in_the_place_of_drop_path():
    made, seen = [], []

    class Halved(nn.Module):
        def forward(self, branch):
            seen.append(branch)
            return branch / 2

    def residual(index, total, branches, channels):
        made.append((index, total, branches, channels))
        return Halved()

    model = small(residual=residual).eval()
    assert made == [(i, 4, 1, 8) for i in (1, 2, 3, 4)]
    assert drop_paths(model) == []
    block, z = model.blocks[0], torch.randn(2, 5, 8)
    branch = block.branches[0](block.before(z))
    torch.testing.assert_close(block(z), z + branch / 2)
    assert seen[0].shape == (2, 8, 5, 1) and torch.equal(seen[0][:, :, :, 0], branch.transpose(1, 2))
    with pytest.raises(ValueError, match="^stochastic_depth must be null where a residual is chosen, got 0.1$"):
        small(residual=residual, stochastic_depth=0.1)


def test_the_other_seams():
    model = small(conv=Conv, head=Head, activation=nn.Tanh, conv_layers=2)
    kinds = [type(m) for m in model.modules()]
    assert [kinds.count(kind) for kind in (Conv, Head, nn.Tanh)] == [2, 1, 4]
    assert not {nn.Conv2d, nn.ReLU, nn.GELU} & set(kinds)
    assert type(model.head) is Head


@pytest.mark.parametrize("half", [False, True])
def test_it_trains(half):
    model = small(dropout=0.1)
    # A number that is added to all tokens' weights leaves the softmax as it is: of the bias there is no gradient.
    model.pool.attention.register_parameter("bias", None)
    trains(model, torch.randn(8, 3, 8, 8), half=half)
    a_step_moves_every_parameter(model)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[("num_layers", 0), ("conv_layers", 0), ("image_size", 0), ("mlp_ratio", 0.0)],
        *[("dropout", 1.0), ("attention_dropout", -0.1), ("stochastic_depth", 1.0)],
    ],
)
def test_wrong_arguments_are_refused_by_name(argument, value):
    with pytest.raises(ValueError, match=rf"^{argument} must be .*, got {value}$"):
        small(**{argument: value})


def test_heads_divide_the_tokens():
    with pytest.raises(ValueError, match="^num_heads must divide embedding_dim 8, got 3$"):
        small(num_heads=3)
