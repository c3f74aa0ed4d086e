"""What is exported gives the network's own logits, from pixels in [0, 1], and says what it is."""

import io
import json

import pytest
import safetensors
import safetensors.torch
import torch

from tests.conftest import TINY
from tricktable.runner.config import schema
from tricktable.runner.config.compose import compose
from tricktable.runner.disk import runs
from tricktable.runner.errors import BadInput
from tricktable.runner.explore import export, reevaluate
from tricktable.runner.training import build, job


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run of every kind of variant, whose groups reparametrise its network."""
    root = tmp_path_factory.mktemp("export")
    keys = ["model.width=4", "hook=[ema,snapshots]", "hook.snapshots.cycles=2", "groups=norm_decay"]
    job.execute(compose([*TINY, f"output.root={root}", *keys, "inference=[plain,ensemble]"]))
    (folder,) = (root / "default").iterdir()
    return runs.at(folder)


def exported(run, to, folder, variant="final", force=False):
    return export.export(str(run.folder), to, variant, folder / f"file.{to}", force, folder)


def expected(run, variant, pixels):
    """The logits of its variant as `evaluate` computes them."""
    made = reevaluate.rebuilt(run, reevaluate.read([]))
    with torch.no_grad():
        return made.variants[variant][0].eval()(made.prepare(pixels))


def images(n):
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(n), dtype=torch.uint8)


def is_said(texts, run, variant="final"):
    assert (texts["run"], texts["variant"]) == (run.id, variant)
    assert json.loads(texts["classes"]) == [str(i) for i in range(10)] and json.loads(texts["input"]) == [1, 8, 8]
    assert json.loads(texts["mean"]) == [each / 255 for each in run.summary.data.mean]
    assert json.loads(texts["config"]) == json.loads(json.dumps(schema.plain(run.settings)))


@pytest.mark.parametrize("variant", ["final", "ema"])
def test_torchscript(trained, tmp_path, variant):
    said = {"tricktable.json": ""}
    network = torch.jit.load(exported(trained, "torchscript", tmp_path, variant), _extra_files=said)
    for n in (1, 3):
        logits = network(images(n).float() / 255)
        torch.testing.assert_close(logits, expected(trained, variant, images(n)), rtol=1e-5, atol=1e-5)
    is_said(json.loads(said["tricktable.json"]), trained, variant)


def test_a_traced_program_computes_the_very_logits_that_were_traced(trained):
    from tricktable.runner.explore import formats
    from tricktable.runner.training import named

    program = formats.torchscript(formats.Trained(trained, "final", named.network(trained), (1, 8, 8)))
    data = trained.summary.data
    whole = formats.OfPixels(named.network(trained), data.mean, data.std).eval()
    x = images(3).float() / 255
    with torch.no_grad():
        assert torch.equal(torch.jit.load(io.BytesIO(program))(x), whole(x))


def test_onnx(trained, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    model = onnx.load(exported(trained, "onnx", tmp_path))
    onnx.checker.check_model(model)
    is_said({each.key: each.value for each in model.metadata_props}, trained)
    try:
        import onnxruntime

        made = onnxruntime.InferenceSession(model.SerializeToString())
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        made = ReferenceEvaluator(model)
    for n in (1, 3):
        (logits,) = made.run(["logits"], {"images": (images(n).float() / 255).numpy()})
        torch.testing.assert_close(
            torch.from_numpy(logits), expected(trained, "final", images(n)), rtol=1e-5, atol=1e-5
        )


def test_safetensors_are_what_the_config_builds_and_what_fine_tuning_takes(trained, tmp_path, make_run):
    path = exported(trained, "safetensors", tmp_path)
    with safetensors.safe_open(path, "pt") as file:
        texts = file.metadata()
    is_said(texts, trained)
    model = build.build_model(schema.read(json.loads(texts["config"])), 1, 10)
    model.load_state_dict(safetensors.torch.load_file(path))
    mean, std = (torch.tensor(json.loads(texts[name])).view(-1, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        logits = model.eval()((images(3).float() / 255 - mean) / std)
    torch.testing.assert_close(logits, expected(trained, "final", images(3)), rtol=1e-5, atol=1e-5)
    run = make_run("model.width=4", "init=[pretrained]", f"init.pretrained.source={path}")
    assert torch.equal(run.model.stem[0].weight, model.stem[0].weight)


def test_what_cannot_be_is_one_line_and_nothing_is_written(trained, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="^--variant swa: .* has final, ema, snapshots$"):
        exported(trained, "safetensors", tmp_path, "swa")
    with pytest.raises(BadInput, match="^--variant snapshots: it is 2 models, and a file holds one$"):
        exported(trained, "safetensors", tmp_path, "snapshots")
    with pytest.raises(BadInput, match="there is no folder"):
        exported(trained, "safetensors", tmp_path / "no")
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        BadInput, match=r"^--to onnx: onnx and onnxscript not installed: pip install 'tricktable\[onnx\]'$"
    ):
        exported(trained, "onnx", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_kept_unless_forced(trained, tmp_path):
    path = tmp_path / "file.safetensors"
    path.write_text("mine")
    with pytest.raises(BadInput, match="is there already; --force writes over it"):
        exported(trained, "safetensors", tmp_path)
    assert path.read_text() == "mine"
    exported(trained, "safetensors", tmp_path, force=True)
    assert safetensors.torch.load_file(path)


def test_final_needs_no_images(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(reevaluate, "rebuilt", lambda *_: pytest.fail("the images were loaded"))
    assert exported(trained, "torchscript", tmp_path).is_file()
