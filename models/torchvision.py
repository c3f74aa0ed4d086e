"""The classification networks of torchvision, as they are there: a family without seams.

Their names, shapes and tensors are torchvision's (https://docs.pytorch.org/vision/stable/models.html), so that files of
its weights fit them (`init=[pretrained]`). They are built with weights drawn anew; nothing is fetched.

The auxiliary classifiers of GoogLeNet and Inception v3 are left out: in training they return more than logits.

Shapes: B images, C channels, H W pixels, K classes.
"""

from torch import nn

_WITH_AUXILIARIES = ("googlenet", "inception_v3")


def network(num_classes: int, in_channels: int = 3, *, arch: str | None) -> nn.Module:
    """One of torchvision's networks; B C H W -> logits B K.

    arch: its name in torchvision.models, of classification. ValueError for any other, and for images that do not have
    3 channels.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if arch not in known:
        said = f", got {arch}" if arch else ""
        raise ValueError(f"arch must name a classification network of torchvision.models, such as resnet50{said}")
    if in_channels != 3:
        raise ValueError(f"arch: torchvision's networks take images of 3 channels, and these have {in_channels}")
    auxiliaries = {"aux_logits": False, "init_weights": True} if arch in _WITH_AUXILIARIES else {}
    return models.get_model(arch, weights=None, num_classes=num_classes, **auxiliaries)
