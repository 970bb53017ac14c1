"""Masks of objects: drawn from outlines, stored as PNG, kept in memory as COCO's run lengths.

Outlines are filled, and masks encoded and compared, by pycocotools: a mask here is then, pixel for
pixel, what COCO's own tools make of the same outline. (OpenCV's fillPoly adds the outline's own
pixels, half a pixel all around.)
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from hand_detection import kitti

Rle = dict[str, Any]
"""A mask in COCO's form: "size": [height, width] and "counts": compressed run lengths, bytes."""

THRESHOLD = 0.5  # of a predicted mask, as in the API's evaluation


def rasterise(
    polygon: kitti.Polygon, size: tuple[int, int], stored: tuple[int, int] | None = None
) -> np.ndarray:
    """The pixels inside an outline; at least one.

    Args:
        polygon: its rings, in pixels whose centres are whole numbers, of an image of `size`.
        size: (width, height).
        stored: (width, height) of the mask, if the image is stored in another size.

    Returns:
        bool (height, width).
    """
    from pycocotools import mask

    width, height = stored or size
    # COCO's pixels are areas: the first one reaches from 0 to 1.
    scale = np.array([width, height]) / size
    rings = [(np.reshape(ring, (-1, 2)) + 0.5) * scale for ring in polygon]
    areas = [ring.ravel().tolist() for ring in rings if len(ring) > 2]
    found = np.zeros((height, width), bool)
    if areas:
        found = mask.decode(mask.merge(mask.frPyObjects(areas, height, width))).astype(bool)
    if not found.any():
        # Thinner than a pixel, or out of the image: the pixels at its corners.
        corners = np.clip(np.floor(np.vstack(rings)), 0, (width - 1, height - 1)).astype(int)
        found[corners[:, 1], corners[:, 0]] = True
    return found


def to_png(mask: np.ndarray) -> bytes:
    """bool (height, width) as a PNG of one bit a pixel."""
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG")
    return out.getvalue()


def from_png(data: bytes) -> np.ndarray:
    """The mask in a PNG, bool (height, width): what is not 0."""
    picture = Image.open(io.BytesIO(data))
    return np.asarray(picture if picture.mode in ("1", "L") else picture.convert("L")) > 0


def encode(mask: np.ndarray) -> Rle:
    """bool (height, width) as COCO's run lengths."""
    from pycocotools import mask as coco_mask

    return coco_mask.encode(np.asfortranarray(mask, np.uint8))


def run_lengths(counts: bytes) -> list[int]:
    """The numbers in compressed run lengths, as rleToString of pycocotools' maskApi.c writes them.

    Five bits a character, the least first; from the fourth number on, what it is more than the
    last but one.

    Raises:
        ValueError: they are cut, or other characters.
    """
    found: list[int] = []
    value = shift = 0
    for character in counts:
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{chr(character)!r} in its counts")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:  # below 0
                value -= 1 << shift
            found.append(value + found[-2] if len(found) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("its counts are cut")
    return found


def decode(rle: Rle) -> np.ndarray:
    """COCO's run lengths as bool (height, width)."""
    from pycocotools import mask as coco_mask

    return coco_mask.decode(rle).astype(bool)


def paste(box_masks: np.ndarray, boxes: np.ndarray, width: int, height: int) -> list[Rle]:
    """Masks that a model predicts, each relative to its box, as masks of the image.

    Equals the API's `utils.ops.reframe_box_masks_to_image_masks`, above `THRESHOLD`, bit for bit;
    but each is made inside its box only, where that one holds them all as float32 images.

    Args:
        box_masks: float32 (N, h, w), probabilities; the corner values lie on the box's corners.
        boxes: float32 (N, 4): normalized ymin, xmin, ymax, xmax.
        width, height: of the image, in pixels.
    """
    return [
        _paste(box_mask, box, width, height)
        for box_mask, box in zip(
            box_masks.astype(np.float32), boxes.astype(np.float32), strict=True
        )
    ]


def _paste(box_mask: np.ndarray, box: np.ndarray, width: int, height: int) -> Rle:
    image = np.zeros((height, width), np.uint8, order="F")
    ymin, xmin, ymax, xmax = box
    if ymax > ymin and xmax > xmin:
        rows, top, bottom, down = _samples(ymin, ymax, height, box_mask.shape[0])
        columns, left, right, across = _samples(xmin, xmax, width, box_mask.shape[1])
        upper, lower = box_mask[top], box_mask[bottom]
        upper = upper[:, left] + (upper[:, right] - upper[:, left]) * across
        lower = lower[:, left] + (lower[:, right] - lower[:, left]) * across
        image[rows, columns] = upper + (lower - upper) * down[:, np.newaxis] > THRESHOLD
    return encode(image)


def _samples(
    low: np.float32, high: np.float32, size: int, places: int
) -> tuple[slice, np.ndarray, np.ndarray, np.ndarray]:
    """Where the image's pixels along one axis fall between the places of a box's mask.

    The arithmetic, in float32, is that of TensorFlow's `crop_and_resize` of the box's mask at the
    image's corners, as the API calls it.

    Returns:
        The pixels inside the box; and for each, int64 and float32: the places before and after
        it, and how far it is from the one to the other.
    """
    one, last = np.float32(1), np.float32(places - 1)
    start, end = (np.float32(0) - low) / (high - low), (one - low) / (high - low)
    if size > 1:
        step = (end - start) * last / np.float32(size - 1)
        at = start * last + np.arange(size, dtype=np.float32) * step
    else:
        at = np.float32(0.5) * (start + end) * np.full(1, last)
    inside = np.flatnonzero((at >= 0) & (at <= last))
    if not len(inside):
        none = np.zeros(0, np.int64)
        return slice(0, 0), none, none, none.astype(np.float32)
    at = at[inside]
    before = np.floor(at)
    return (
        slice(inside[0], inside[-1] + 1),
        before.astype(np.int64),
        np.ceil(at).astype(np.int64),
        at - before,
    )
