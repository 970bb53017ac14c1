"""COCO: one JSON file for all images.

A box is [x, y, width, height]: the upper left corner and the extent of an area on the picture,
whose own upper left corner is (0, 0). So x and y are KITTI's xmin and ymin, and KITTI's last
pixel xmax is x + width - 1.
Source: https://cocodataset.org/#format-data, "box coordinates are measured from the top left
image corner and are 0-indexed".

An outline (`segmentation`, rings of x, y, x, y, ...) is on the same area: half a pixel more than in
`polygons`, where whole numbers are the pixels' centres. Run lengths are not read.

A region with `iscrowd` 1 is a DontCare region: many objects, and no box of one of them.
KITTI's other fields stand in `attributes`, a key that COCO's readers pass over.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import kitti, labelmap
from hand_detection.console import UserError
from hand_detection.formats.base import (
    Annotated,
    Format,
    Found,
    Lost,
    Options,
    Size,
    Source,
    check_size,
    frame_name,
    number,
    to_number,
)
from hand_detection.paths import shown

FILE = "annotations.json"
_ATTRIBUTES = ("truncated", "occluded", "alpha", "dimensions", "location", "rotation_y")


def find(src: Path, options: Options) -> Found:
    """SRC is the JSON file, or a folder with one, in it or in SRC/annotations."""
    path = src if src.is_file() else _json_file(src)
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
        raise UserError(f"{shown(path)} is not JSON: {error}") from None
    wrong = f"{shown(path)} is not a COCO file of boxes: "
    if not isinstance(data, dict) or not {"images", "annotations", "categories"} <= data.keys():
        raise UserError(wrong + "images, annotations and categories belong into it")
    where = shown(path)
    try:
        names = {item["id"]: str(item["name"]) for item in data["categories"]}
        by_image: dict[Any, list[dict]] = {item["id"]: [] for item in data["images"]}
        unused = 0
        for item in data["annotations"]:
            if item["image_id"] not in by_image:
                raise UserError(
                    f"{where}: annotation {item['id']} is of image {item['image_id']}, not listed"
                )
            if item["category_id"] not in names:
                raise UserError(
                    f"{where}: annotation {item['id']} is of category {item['category_id']}, "
                    "not listed"
                )
            item["category"] = names[item["category_id"]]
            outline = item.pop("segmentation", None)
            item["outline"] = None if item.get("iscrowd") else _outline(outline)
            unused += bool(outline) and item["outline"] is None and not item.get("iscrowd")
            by_image[item["image_id"]].append(item)
        folder = options.images or _image_folder(path, data["images"])
        sources = [
            Source(
                frame_name(Path(item["file_name"])),
                folder / item["file_name"],
                (where, (item.get("width", 0), item.get("height", 0)), by_image[item["id"]]),
            )
            for item in data["images"]
        ]
        ids = _ids(names, where)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{wrong}{error!r}") from None
    note = f"{unused:,} masks are not outlines (rings of x, y, ...): only their boxes are used"
    return Found(sources, ids, [note] if unused else [])


def _outline(value: Any) -> list[array] | None:
    """The rings of a segmentation, a quarter the size of Python's floats; None if it is none."""
    try:
        rings = [array("d", ring) for ring in value] if isinstance(value, list) else []
    except TypeError:
        return None
    right = (len(ring) > 1 and len(ring) % 2 == 0 and np.isfinite(ring).all() for ring in rings)
    return rings if rings and all(right) else None


def _json_file(src: Path) -> Path:
    for folder in (src, src / "annotations"):
        found = sorted(folder.glob("*.json")) if folder.is_dir() else []
        if len(found) > 1:
            raise UserError(
                f"{shown(folder)} holds {len(found)} JSON files: name the one that you mean "
                f"as SRC, e.g. {shown(found[0])}"
            )
        if found:
            return found[0]
    raise UserError(f"there is no .json file in {shown(src)}")


def _image_folder(path: Path, images: list[dict]) -> Path:
    """The folder near the JSON file that the first image's name is relative to."""
    split = path.stem.rpartition("_")[2]  # instances_val2017.json lies beside ../val2017
    roots = (path.parent, path.parent.parent)
    candidates = [root / name for root in roots for name in (".", "images", split)]
    name = images[0]["file_name"] if images else ""
    for folder in candidates:
        if (folder / name).exists():
            return folder
    raise UserError(
        f"the image {name} of {shown(path)} is not found near it: tell its folder with --images"
    )


def _ids(names: dict[Any, str], where: str) -> dict[str, int]:
    """The ids by name: COCO's own where they can be a label map's, else 1, 2, ... in order."""
    if len(set(names.values())) < len(names):
        raise UserError(f"{where}: two categories have one name")
    if all(isinstance(id_, int) and 0 < id_ <= labelmap.LARGEST_ID for id_ in names):
        return {names[id_]: id_ for id_ in sorted(names)}
    return {names[id_]: place for place, id_ in enumerate(sorted(names), 1)}


def read(source: Source, size: Size) -> list[kitti.Label]:
    """The labels of an image.

    Raises:
        UserError: an annotation has no box of numbers, or the image has another size.
    """
    where, stated, items = source.annotation
    check_size(f"{where}: {source.image.name}", stated, size)
    labels = []
    for item in items:
        try:
            box = item.get("bbox")
            if not isinstance(box, list) or len(box) != 4:
                raise ValueError("it has no bbox of four numbers")
            x, y, width, height = (to_number(side, "bbox") for side in box)
            corners = tuple(number(side) for side in (x, y, x + width - 1, y + height - 1))
            kind = "DontCare" if item.get("iscrowd") else item["category"]
            outline = item["outline"] and tuple(
                tuple(side - 0.5 for side in ring) for ring in item["outline"]
            )
            labels.append(
                kitti.Label(kind, corners, polygon=outline, **_attributes(item.get("attributes")))
            )
        except ValueError as error:
            raise UserError(
                f"{where}: annotation {item['id']} of {source.image.name}: {error}"
            ) from None
    return labels


def _attributes(value: Any) -> dict[str, Any]:
    """KITTI's fields; anything else that a tool keeps in `attributes` is passed over."""
    if not isinstance(value, dict):
        return {}
    found: dict[str, Any] = {}
    for name in _ATTRIBUTES:
        if name not in value:
            continue
        if name in ("dimensions", "location"):
            if isinstance(value[name], list) and len(value[name]) == 3:
                found[name] = tuple(to_number(side, name) for side in value[name])
        else:
            found[name] = to_number(value[name], name)
    if "occluded" in found:
        found["occluded"] = int(found["occluded"])
    return found


def write(out: Path, items: Iterable[Annotated], classes: dict[str, int]) -> Lost:
    """OUT/annotations.json; ids of images and annotations count from 1."""
    images, annotations = [], []
    for id_, item in enumerate(items, 1):
        width, height = item.size
        images.append({"id": id_, "file_name": item.file, "width": width, "height": height})
        for label in item.labels:
            xmin, ymin, xmax, ymax = label.bbox
            box = [number(side) for side in (xmin, ymin, xmax - xmin + 1, ymax - ymin + 1)]
            annotation = {
                "id": len(annotations) + 1,
                "image_id": id_,
                # A crowd needs a category too, though DontCare has none: the first one.
                "category_id": next(iter(classes.values()))
                if label.dont_care
                else classes[label.type],
                "bbox": box,
                "area": number(box[2] * box[3]),
                "iscrowd": int(label.dont_care),
            }
            if label.polygon:
                rings = [[number(side + 0.5) for side in ring] for ring in label.polygon]
                annotation |= {"segmentation": rings, "area": number(sum(map(_area, rings)))}
            plain = kitti.Label(label.type, label.bbox)
            attributes = {
                name: getattr(label, name)
                for name in _ATTRIBUTES
                if getattr(label, name) != getattr(plain, name)
            }
            if attributes:
                annotation["attributes"] = attributes
            annotations.append(annotation)
    data = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": id_, "name": name} for name, id_ in classes.items()],
    }
    (out / FILE).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return Lost()


def _area(ring: list[float]) -> float:
    """The area that a ring encloses, in square pixels."""
    x, y = np.reshape(ring, (-1, 2)).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


FORMAT = Format(
    "a JSON file, or a folder with one, in it or in annotations/",
    find,
    read,
    write=write,
    outlines=True,
)
