"""What `tricktable export` writes of a finished run: a network in a file, with all that its use needs.

safetensors: the network's tensors by name, which a file for init=[pretrained] is. onnx, torchscript: a program from
float32 images B C H W in [0, 1] to logits B K, with the normalisation in it; the number of images is free.
Each says in its metadata, as texts: the run, the classes in the order of the logits, the images' size, mean and
standard deviation in [0, 1], and the config. Nothing is pickled.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tricktable.runner.config import schema
from tricktable.runner.disk.runs import StoredRun
from tricktable.runner.errors import BadInput
from tricktable.runner.training import build

ALIKE = 1e-4  # the most by which a traced program's logits may differ from the network's, relative to their size
PROTOBUF = 2 << 30  # bytes, the most that a message has


class OfPixels(nn.Module):
    """A network with its normalisation: images B C H W in [0, 1] -> logits B K."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: list[float], std: list[float]) -> None:
        """mean, std: of each channel, of pixels in 0..255."""
        super().__init__()
        self.model = model
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1) / 255)

    def forward(self, images: Tensor) -> Tensor:
        """B C H W -> B K."""
        return self.model((images - self.mean) / self.std)


@dataclass(frozen=True)
class Trained:
    """A variant of a finished run: its one model, and the images' C H W."""

    run: StoredRun
    variant: str
    model: nn.Module
    size: tuple[int, ...]


def metadata(trained: Trained) -> dict[str, str]:
    """What a file says of itself; whatever is no text is JSON."""
    data = trained.run.summary.data
    try:
        own = version("tricktable")
    except PackageNotFoundError:  # run from its folder, not installed
        own = "unknown"
    values = {
        "classes": data.class_names or list(map(str, range(data.classes))),
        "input": trained.size,
        "mean": [each / 255 for each in data.mean],
        "std": [each / 255 for each in data.std],
        "config": schema.plain(trained.run.settings),
    }
    texts = {"tricktable": own, "run": trained.run.id, "variant": trained.variant}
    return {**texts, **{name: json.dumps(value) for name, value in values.items()}}


def safetensors(trained: Trained) -> bytes:
    """The network's tensors, with the metadata."""
    import safetensors.torch

    _plain(trained)
    own = {name: tensor.detach().clone().contiguous() for name, tensor in trained.model.state_dict().items()}
    return safetensors.torch.save(own, {"format": "pt", **metadata(trained)})


def _plain(trained: Trained) -> None:
    """Give weights that `groups` reparametrised (gamma = 1 + delta) back their names and values, in place."""
    run, model = trained.run, trained.model
    for module in list(model.modules()):
        for name in list(cast(nn.ModuleDict, module.parametrizations)) if parametrize.is_parametrized(module) else ():
            parametrize.remove_parametrizations(module, name)
    data = run.summary.data
    with torch.device("meta"):
        bare = build.build_model(run.settings, len(data.mean), data.classes)
    assert bare.state_dict().keys() == model.state_dict().keys(), "the config alone says how to build it"


def torchscript(trained: Trained) -> bytes:
    """A traced program; torch.jit.load gives it back without this project. Its metadata is the file tricktable.json."""
    whole, images = _whole(trained)
    with _quiet(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracer, which is no longer developed, and of sizes: they are tried
        program = torch.jit.trace(whole, (images,), check_trace=False)
        _try("torchscript", program, whole, images)
        file = io.BytesIO()
        said = {"tricktable.json": json.dumps(metadata(trained))}
        torch.jit.save(program, file, _extra_files=said)
    return file.getvalue()


def _try(to: str, program: Callable[[Tensor], Tensor], whole: nn.Module, images: Tensor) -> None:
    """Refuse a program that holds for the images that it was made with alone."""
    for some in (images[:1], torch.cat([images, images.flip(-1)])):
        expected, logits = whole(some), program(some)
        if logits.shape != expected.shape or (logits - expected).abs().max() > ALIKE * expected.abs().max().clamp(
            min=1
        ):
            raise BadInput(f"--to {to}: the network does other things for other numbers of images, which a trace lacks")


def onnx(trained: Trained) -> bytes:
    """An ONNX model with one input, `images`, and one output, `logits`; the metadata is in metadata_props."""
    import onnx

    whole, images = _whole(trained)
    free = {"images": {0: torch.export.Dim("batch")}}
    try:
        with _quiet(), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                whole, (images,), input_names=["images"], output_names=["logits"], dynamic_shapes=free, verbose=False
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadInput(f"--to onnx: torch cannot export this network ({reason})") from None
    assert made is not None, "no file was given, so the program is returned"
    proto = made.model_proto
    onnx.helper.set_model_props(proto, metadata(trained))
    if proto.ByteSize() >= PROTOBUF:
        raise BadInput(f"--to onnx: a file holds {PROTOBUF} bytes at most, and this network has {proto.ByteSize()}")
    return proto.SerializeToString()


def _whole(trained: Trained) -> tuple[nn.Module, Tensor]:
    """The network from pixels on, as it evaluates, and two images to make a program with."""
    data = trained.run.summary.data
    whole = OfPixels(trained.model, data.mean, data.std).cpu().float().eval().requires_grad_(False)
    return whole, torch.rand(2, *trained.size, generator=torch.Generator().manual_seed(0))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporters print and log of their steps from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


WRITERS: dict[str, Callable[[Trained], bytes]] = {
    "safetensors": safetensors,
    "onnx": onnx,
    "torchscript": torchscript,
}
