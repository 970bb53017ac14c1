"""Outlines of objects, beside the KITTI labels: `polygons/NAME.json` for a frame `labels/NAME.txt`.

    [
    [[630.5,402.25,633.1,404,629.75,410.5]],
    null
    ]

A line for each line of the label file, in its order. An outline is a list of rings, each x, y, x,
y, ... as in COCO's `segmentation`, but in pixels as in the label: counted from 0, so that (0, 0)
is the centre of the first pixel. It may reach out of the image. null: an object without one. A
frame without any has no file, and a data set without any no folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hand_detection import kitti
from hand_detection.console import UserError
from hand_detection.paths import shown

FOLDER = "polygons"
DECIMALS = 3  # of a pixel: finer than any annotation


def file_of(label: Path) -> Path:
    """Where the outlines of the label file `label` are kept, whether there are any or not."""
    return label.parent.parent / FOLDER / f"{label.stem}.json"


def text(labels: Iterable[kitti.Label]) -> str:
    """The content of the file for a frame's labels; "" if none of them has an outline."""
    outlines = [label.polygon for label in labels]
    if not any(outlines):
        return ""
    return "[\n" + ",\n".join(map(_line, outlines)) + "\n]\n"


def _line(polygon: kitti.Polygon | None) -> str:
    rounded = polygon and [[_number(value) for value in ring] for ring in polygon]
    return json.dumps(rounded, separators=(",", ":"))


def _number(value: float) -> int | float:
    rounded = round(value, DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded


def attach(labels: Sequence[kitti.Label], path: Path) -> list[kitti.Label]:
    """The labels in the label file `path`, all of them, with their outlines where they have one.

    Raises:
        UserError: the file with the outlines is not correct, or not of these labels.
    """
    file = file_of(path)
    if not file.exists():
        return list(labels)
    try:
        outlines = json.loads(file.read_bytes())
        if not isinstance(outlines, list):
            raise ValueError("it is not a list of outlines")
        if len(outlines) != len(labels):
            raise ValueError(
                f"{len(outlines)} outlines for the {len(labels)} objects of {shown(path)}: "
                "write null for an object without one"
            )
        polygons = [_checked(outline, number) for number, outline in enumerate(outlines, 1)]
    except ValueError as error:  # not UTF-8 and not JSON are ValueErrors too
        raise UserError(f"{shown(file)}: {error}") from None
    return [
        replace(label, polygon=polygon) for label, polygon in zip(labels, polygons, strict=True)
    ]


def _checked(outline: Any, number: int) -> kitti.Polygon | None:
    if outline is None:
        return None
    if not isinstance(outline, list) or not outline or not all(map(_is_ring, outline)):
        raise ValueError(f"outline {number} is not a list of rings, each x, y, x, y, ...")
    return tuple(tuple(map(float, ring)) for ring in outline)


def _is_ring(ring: Any) -> bool:
    return (
        isinstance(ring, list)
        and len(ring) >= 2
        and len(ring) % 2 == 0
        and all(type(value) in (int, float) and math.isfinite(value) for value in ring)
    )
