"""A part of a source's test images, in the place of all of them: data.test_subset."""

import hashlib
from dataclasses import replace

from tricktable.runner import randomness
from tricktable.runner.config.schema import DataConfig
from tricktable.runner.data.source import Arrays, Files
from tricktable.runner.data.stratify import per_class


def tested(source: Arrays | Files, data: DataConfig) -> Arrays | Files:
    """The source with `data.test_subset` test images of each class, drawn by data.split_seed; whole where it is null.

    The title says so, and the fingerprint is another one: figures on a part are not those on the whole. Such a set is
    not complete.
    """
    number = data.test_subset
    if number is None:
        return source
    rng = randomness.generator(data.split_seed, "test_subset")
    rows = per_class("data.test_subset", number, "test", source.test_labels, source.classes, rng)
    digest = hashlib.sha256(f"{source.fingerprint} tested on {rows.tolist()}".encode())
    title = f"{source.title} (tested on {number} {'image' if number == 1 else 'images'} per class)"
    origin = replace(source.origin, complete=False)
    fingerprint = f"sha256:{digest.hexdigest()}"
    names = tuple(source.test_names[row] for row in rows.tolist()) if source.test_names else ()
    labels = source.test_labels[rows]
    if isinstance(source, Files):
        return replace(
            source, test_names=names, test_labels=labels, title=title, origin=origin, fingerprint=fingerprint
        )
    return replace(
        source,
        test_images=source.test_images[rows],
        test_labels=labels,
        test_names=names,
        title=title,
        origin=origin,
        fingerprint=fingerprint,
    )
