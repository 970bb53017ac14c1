#!/usr/bin/env python3
"""Generate a data set of three classes in COCO's format: circles, squares, triangles on clutter.

It shows that data of one's own trains without an edit by hand:

    benchmarks/three_shapes.py /tmp/shapes
    tools/prepare_dataset.py --format coco /tmp/shapes data/shapes
    ./create_tfrecords.sh --data data/shapes --split stratified
    tools/new_config.py --like ssd_mobilenet_v1_quick --data data/shapes shapes
    ./train.sh shapes
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIZE = (320, 240)
CLASSES = ("circle", "square", "triangle")
SIDE = (32, 110)  # pixels, of the shape's bounding box before it is turned
EMPTY = 20  # every such image has no shape
MOST = 4  # shapes an image
_MAX_OVERLAP = 0.1  # IoU of two shapes of an image


def outline(kind: str, x: float, y: float, radius: float, turn: float) -> list[tuple[float, float]]:
    """The corners of a shape around (x, y); a circle has 64."""
    corners = {"circle": 64, "square": 4, "triangle": 3}[kind]
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def box_of(points: list[tuple[float, float]]) -> list[int]:
    """The COCO box of a drawn outline: x, y, width, height in pixels, inside the image."""
    low = [max(0, math.floor(min(point[i] for point in points))) for i in (0, 1)]
    high = [min(SIZE[i] - 1, math.ceil(max(point[i] for point in points))) for i in (0, 1)]
    # The last pixel is drawn, so the area ends behind it.
    return [*low, high[0] - low[0] + 1, high[1] - low[1] + 1]


def draw_image(
    rng: random.Random, shapes_wanted: int
) -> tuple[Image.Image, list[tuple[str, list[int]]]]:
    """An image, and the class and COCO box (x, y, width, height in pixels) of each shape.

    A shape that would cover another one is left out.
    """
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", SIZE, _colour(rng))
    draw = ImageDraw.Draw(picture)
    for _ in range(40):  # clutter: lines, arcs and patches that are none of the three
        start = (rng.uniform(-40, SIZE[0]), rng.uniform(-40, SIZE[1]))
        end = (start[0] + rng.uniform(10, 120), start[1] + rng.uniform(4, 30))
        if rng.random() < 0.6:
            draw.line((*start, *end), _colour(rng), rng.randint(1, 6))
        else:
            angle = rng.uniform(0, 360)
            draw.arc((*start, *end), angle, angle + 140, _colour(rng), rng.randint(1, 6))
    shapes: list[tuple[str, list[int]]] = []
    for _ in range(shapes_wanted):
        kind = rng.choice(CLASSES)
        radius = rng.uniform(*SIDE) / 2
        x, y = (rng.uniform(radius, side - radius) for side in SIZE)
        points = outline(kind, x, y, radius, rng.uniform(0, 2 * math.pi))
        box = box_of(points)
        if any(_iou(box, other) > _MAX_OVERLAP for _, other in shapes):
            continue
        draw.polygon(points, fill=_colour(rng))
        shapes.append((kind, box))
    return picture, shapes


def _colour(rng: random.Random) -> tuple[int, int, int]:
    return rng.randrange(256), rng.randrange(256), rng.randrange(256)


def _iou(one: list[int], other: list[int]) -> float:
    shared = [
        max(0, min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]))
        for i in (0, 1)
    ]
    area = shared[0] * shared[1]
    return area / (one[2] * one[3] + other[2] * other[3] - area)


def generate(out: Path, images: int, seed: int) -> None:
    """Write OUT/images/NNNNN.jpg and OUT/annotations.json."""
    (out / "images").mkdir(parents=True)
    listed, annotations = [], []
    for number in range(images):
        rng = random.Random(f"{seed} {number}")
        wanted = 0 if number % EMPTY == EMPTY - 1 else rng.randint(1, MOST)
        picture, shapes = draw_image(rng, wanted)
        name = f"{number:05d}.jpg"
        picture.save(out / "images" / name, quality=92)
        listed.append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        for kind, box in shapes:
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": CLASSES.index(kind),
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": id_, "name": name} for id_, name in enumerate(CLASSES)]
    data = {"images": listed, "annotations": annotations, "categories": categories}
    (out / "annotations.json").write_text(json.dumps(data), encoding="utf-8")


def main() -> None:
    """Parse the command line and generate."""
    from hand_detection.console import UserError, positive_number, say

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    parser.add_argument("--images", type=positive_number, metavar="N", default=1000, help="(1000)")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="(0)")
    args = parser.parse_args()
    if args.out.exists():
        raise UserError(f"{args.out} is there already: name another folder")
    generate(args.out, args.images, args.seed)
    say(f"Next: tools/prepare_dataset.py --format coco {args.out} data/shapes")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from hand_detection import venv

    venv.enter()
    from hand_detection.console import run

    run(main)
