"""The networks of timm (Wightman, https://github.com/huggingface/pytorch-image-models): a family without seams.

Their names and tensors are timm's, so that files of its weights fit them (`init=[pretrained]`). They are built with
weights drawn anew; nothing is fetched.

Shapes: B images, C channels, H W pixels, K classes.
"""

from torch import nn


def network(num_classes: int, in_channels: int = 3, *, arch: str | None) -> nn.Module:
    """One of timm's networks; B C H W -> logits B K.

    arch: its name in timm.list_models(), without a tag of weights. ValueError for any other, and where timm is not
    installed.
    """
    try:
        import timm
    except ImportError:
        raise ValueError("timm is not installed: pip install 'tricktable[timm]'") from None

    if arch is None or not timm.is_model(arch) or "." in arch:
        said = f", got {arch}" if arch else ""
        raise ValueError(f"arch must name a network of timm, as timm.list_models() has them, such as resnet50{said}")
    return timm.create_model(arch, pretrained=False, num_classes=num_classes, in_chans=in_channels)
