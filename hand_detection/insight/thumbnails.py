"""Small pictures of frames with their ground truth and detections, to stand inside a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hand_detection import coco, frames

WIDTH = 360
TRUTH, RIGHT, WRONG = "#00e08a", "#38b6ff", "#ff7a1a"


def draw(
    records: Sequence[Path],
    images: Sequence[coco.Image],
    right: Sequence[np.ndarray],
    numbers: Sequence[int],
    threshold: float,
) -> dict[int, bytes]:
    """The frames `numbers` as JPEGs.

    Args:
        records: the TFRecord files that the images are from.
        images: all of them.
        right: for each of `numbers`, bool (D,): which detections are right.
        numbers: which frames.
        threshold: draw the detections that score at least this.
    """
    encoded = frames.encoded(records, numbers)
    drawn = {}
    for number, correct in zip(numbers, right, strict=True):
        image = images[number]
        picture = Image.open(io.BytesIO(encoded[number]))
        picture.draft("RGB", (WIDTH, WIDTH))
        scale = WIDTH / image.width
        height = max(1, round(image.height * scale))
        picture = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.BILINEAR)
        _boxes(picture, image, correct, threshold, scale)
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=80)
        drawn[number] = data.getvalue()
    return drawn


def _boxes(
    picture: Image.Image, image: coco.Image, right: np.ndarray, threshold: float, scale: float
) -> None:
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    for box in image.truth.boxes * scale:
        pen.rectangle(_ordered(box), outline=TRUTH, width=3)
    found = image.detections
    for at in np.flatnonzero(found.scores >= threshold):
        colour = RIGHT if right[at] else WRONG
        corners = _ordered(found.boxes[at] * scale)
        pen.rectangle(corners, outline=colour, width=2)
        text = f"{found.scores[at]:.2f}"
        x, y = corners[0] + 2, min(max(corners[3] - 14, 0), picture.height - 14)
        pen.rectangle((x, y, x + pen.textlength(text, font) + 4, y + 13), fill=colour)
        pen.text((x + 2, y), text, fill="black", font=font)


def _ordered(box: np.ndarray) -> tuple[float, float, float, float]:
    xmin, ymin, xmax, ymax = map(float, box)
    return xmin, ymin, max(xmin, xmax), max(ymin, ymax)
