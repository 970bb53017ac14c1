"""From a frame in the KITTI layout to its record: a tf.train.Example under the API's keys."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import numpy as np

from hand_detection import images, kitti, masks, polygons, records, twins
from hand_detection.console import UserError
from hand_detection.paths import shown

JPEG_QUALITY = 95  # of reduced images


def make_record(
    classes: dict[str, int], max_side: int, with_masks: bool, frame: kitti.Frame
) -> tuple[bytes, int, int]:
    """The framed TFRecord of a frame, how many boxes it has, and its hash for `twins`.

    Args:
        classes: ids by class name.
        max_side: pixels that the stored image has at most; 0 keeps the original bytes.
        with_masks: whether each object's mask is stored, as a PNG.
        frame: the image and its label file.

    Raises:
        UserError: the image or the label file is not correct; names it.
    """
    data = frame.image.read_bytes()
    where = shown(frame.image)
    at_least = (twins.SIDE, twins.SIDE)
    if max_side:
        at_least = images.fit(images.open_image(data, where).size, max_side)
    picture, size, encoding = images.decode(data, where, at_least, grey=not max_side)
    labels = kitti.read_labels(frame.label, size=size, classes=classes)
    if with_masks:
        labels = polygons.attach(labels, frame.label)
    labels = [label for label in labels if not label.dont_care]
    stored = size
    if max_side and max(size) > max_side:
        stored, encoding = at_least, "jpeg"
        data = _reduced(picture, stored)
    features = example_features(frame.image.name, data, encoding, stored, size, labels, classes)
    if with_masks:
        features["image/object/mask"] = _pngs(frame, labels, size, stored)
    record = records.frame_record(records.encode_example(features))
    return record, len(labels), twins.difference_hash(picture)


def _pngs(
    frame: kitti.Frame, labels: Sequence[kitti.Label], size: tuple[int, int], stored: tuple
) -> list[bytes]:
    """The masks of a frame's objects, in their order, as the API's PNG_MASKS."""
    if not all(label.polygon for label in labels):
        raise UserError(
            f"{shown(polygons.file_of(frame.label))} has no outline for some object of "
            f"{shown(frame.label)}: with --masks each needs one"
        )
    return [masks.to_png(masks.rasterise(label.polygon, size, stored)) for label in labels]


def _reduced(picture, size: tuple[int, int]) -> bytes:
    from PIL import Image

    picture = picture.convert("RGB")
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def example_features(
    name: str,
    data: bytes,
    encoding: str,
    stored: tuple[int, int],
    size: tuple[int, int],
    labels: Sequence[kitti.Label],
    classes: dict[str, int],
) -> dict[str, records.Feature]:
    """The features of an example, under the API's keys.

    Args:
        name: the image's file name.
        data: the image as it is stored, "jpeg" or "png" in `encoding`, `stored` (width,
            height) in pixels.
        size: (width, height) in pixels of the image that the labels speak of.
        labels: its objects. Their pixels, counted from 0, are divided by the size, as the
            API's own KITTI conversion does it.
        classes: ids by class name.
    """

    def floats(values) -> np.ndarray:
        return np.array(list(values), np.float64)

    width, height = size
    boxes = np.array([label.bbox for label in labels], np.float64).reshape(-1, 4)
    objects = {
        "bbox/xmin": boxes[:, 0] / width,
        "bbox/ymin": boxes[:, 1] / height,
        "bbox/xmax": boxes[:, 2] / width,
        "bbox/ymax": boxes[:, 3] / height,
        "class/text": [label.type.encode() for label in labels],
        "class/label": np.array([classes[label.type] for label in labels], np.int64),
        "difficult": np.zeros(len(labels), np.int64),
        "view": [b"Unspecified"] * len(labels),
        "truncated": floats(label.truncated for label in labels),
        "alpha": floats(label.alpha for label in labels),
        "3d_bbox/rot_y": floats(label.rotation_y for label in labels),
    }
    for i, key in enumerate(("height", "width", "length")):
        objects[f"3d_bbox/{key}"] = floats(label.dimensions[i] for label in labels)
    for i, key in enumerate(("x", "y", "z")):
        objects[f"3d_bbox/{key}"] = floats(label.location[i] for label in labels)
    return {
        "image/height": np.array([stored[1]]),
        "image/width": np.array([stored[0]]),
        "image/filename": [name.encode()],
        "image/source_id": [name.encode()],
        "image/key/sha256": [hashlib.sha256(data).hexdigest().encode()],
        "image/encoded": [data],
        "image/format": [encoding.encode()],
        **{f"image/object/{key}": value for key, value in objects.items()},
    }
