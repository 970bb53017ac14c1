"""Boxes and masks drawn on pictures, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hand_detection.masks import Rle, decode

# Told apart by people with any common colour vision (Okabe and Ito), one a class.
COLOURS = ((255, 176, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
OPACITY = 0.45  # of a mask


def draw_boxes(
    image: Image.Image,
    boxes: np.ndarray,
    classes: np.ndarray,
    names: dict[int, str],
    scores: np.ndarray | None = None,
    masks: Sequence[Rle] | None = None,
) -> Image.Image:
    """A copy of `image` with its boxes, class names and scores; masks are translucent.

    Args:
        image: RGB.
        boxes: float (N, 4): xmin, ymin, xmax, ymax in pixels.
        classes: int (N,), ids of the label map.
        names: class names by id.
        scores: float (N,) in [0, 1]; None for ground truth.
        masks: N masks of the image's size, if there are any.
    """
    drawn = image.copy() if masks is None else _tinted(image, masks, classes)
    draw = ImageDraw.Draw(drawn)
    size = max(12, drawn.height // 40)
    font = _font(size)
    width = max(2, drawn.height // 240)
    for number, (box, category) in enumerate(zip(boxes, classes, strict=True)):
        colour = _colour(category)
        xmin, ymin, xmax, ymax = (float(value) for value in box)
        draw.rectangle((xmin, ymin, max(xmin, xmax), max(ymin, ymax)), outline=colour, width=width)
        text = names.get(int(category), str(int(category)))
        if scores is not None:
            text += f" {scores[number]:.0%}"
        # Above the box, or inside it at the frame's upper edge.
        top = ymin - size - 4 if ymin >= size + 4 else ymin
        draw.rectangle((xmin, top, xmin + draw.textlength(text, font) + 6, top + size + 4), colour)
        draw.text((xmin + 3, top), text, fill=(0, 0, 0), font=font)
    return drawn


def _colour(category: int) -> tuple[int, int, int]:
    return COLOURS[(int(category) - 1) % len(COLOURS)]


def _tinted(image: Image.Image, masks: Sequence[Rle], classes: np.ndarray) -> Image.Image:
    pixels = np.array(image)
    for mask, category in zip(masks, classes, strict=True):
        inside = decode(mask)
        tint = np.multiply(_colour(category), OPACITY)
        pixels[inside] = (pixels[inside] * (1 - OPACITY) + tint).astype(np.uint8)
        edge = inside.copy()
        edge[1:-1, 1:-1] &= ~(
            inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
        )
        pixels[edge] = _colour(category)  # tells two hands apart that overlap
    return Image.fromarray(pixels)


def draw_note(image: Image.Image, text: str) -> None:
    """Write a line into the upper left corner of `image`, an RGB picture, in place."""
    draw = ImageDraw.Draw(image)
    font = _font(max(12, image.height // 40))
    left, top, right, bottom = draw.textbbox((8, 6), text, font)
    draw.rectangle((left - 6, top - 4, right + 6, bottom + 4), fill=(24, 24, 24))
    draw.text((8, 6), text, fill=(255, 255, 255), font=font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # decodes the font's file each time


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures of the same height, with a gap between them."""
    gap = 8
    both = Image.new("RGB", (left.width + gap + right.width, left.height), (24, 24, 24))
    both.paste(left, (0, 0))
    both.paste(right, (left.width + gap, 0))
    return both
