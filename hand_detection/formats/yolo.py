"""YOLO: a text file an image, a line an object: `class x y width height`.

x and y are the box's centre, all four numbers are divided by the image's width or height, and
the class counts from 0. The area is meant, so KITTI's box from pixel xmin to pixel xmax is
(xmax - xmin + 1) / image width wide.
Source: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format".

There is no place for truncated, occluded or DontCare. Written with all digits of a float, a
box comes back to a millionth of a pixel; with six digits, as most tools write it, to about a
thousandth of a pixel at 1,280 pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import yaml

from hand_detection import kitti
from hand_detection.console import UserError
from hand_detection.formats.base import (
    Annotated,
    Format,
    Found,
    Lost,
    Options,
    Size,
    Source,
    frame_name,
    list_images,
    number,
    to_number,
)
from hand_detection.paths import shown

FILE = "data.yaml"
IMAGES, LABELS = "images", "labels"


def find(src: Path, options: Options) -> Found:
    """Images anywhere below SRC; the labels of .../images/NAME.jpg are .../labels/NAME.txt.

    Images outside any folder images/ have their labels beside them. An image without a label
    file has no objects. The classes stand in data.yaml, or in classes.txt or a .names file.
    """
    classes = _classes(src)
    sources, expected = [], set()
    for path in list_images(options.images or src):
        label = _label_file(path, src)
        expected.add(label)
        below = path.relative_to(options.images or src)
        parts = [part for part in below.parts[:-1] if part != IMAGES]
        name = frame_name(Path(*parts, below.name))
        sources.append(Source(name, path, (label, tuple(classes))))
    for path in sorted(src.rglob("*.txt")):
        below_labels = LABELS in path.relative_to(src).parts[:-1]
        if below_labels and path not in expected and path.name != "classes.txt":
            raise UserError(f"{shown(path)} has no image of its name in {IMAGES}/")
    bare = sum(not source.annotation[0].exists() for source in sources)
    notes = [f"{bare:,} images have no label file: taken as without objects"] if bare else []
    return Found(sources, {name: place for place, name in enumerate(classes, 1)}, notes)


def _label_file(image: Path, src: Path) -> Path:
    parts = list(image.parts)
    for place in range(len(parts) - 2, len(src.parts) - 1, -1):
        if parts[place] == IMAGES:
            parts[place] = LABELS
            break
    return Path(*parts).with_suffix(".txt")


def _classes(src: Path) -> list[str]:
    """The class names in their order."""
    if not src.is_dir():
        raise UserError(f"there is no folder {shown(src)}")
    for path in (src / FILE, *sorted(src.glob("*.yaml")), *sorted(src.glob("*.yml"))):
        if path.exists():
            return _names(path, _load_yaml(path))
    for path in (src / "classes.txt", src / LABELS / "classes.txt", *sorted(src.glob("*.names"))):
        if path.exists():
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except UnicodeDecodeError:
                raise UserError(f"{shown(path)} is not UTF-8 text") from None
            return _names(path, {"names": [line.strip() for line in lines if line.strip()]})
    raise UserError(f"{shown(src)} has no {FILE} or classes.txt that names the classes")


def _load_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)} is not YAML: {error}") from None


def _names(path: Path, value: Any) -> list[str]:
    names = value.get("names") if isinstance(value, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[place] for place in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{shown(path)} has no list `names:` of the classes, counted from 0")
    # A list in their place may hold itself a million times over.
    if not all(isinstance(name, str | int | float) for name in names):
        raise UserError(f"{shown(path)}: a class's name is no text")
    names = [str(name) for name in names]
    if len(set(names)) < len(names):
        raise UserError(f"{shown(path)}: two classes have one name")
    return names


def read(source: Source, size: Size) -> list[kitti.Label]:
    """The labels of an image; none if it has no label file.

    Raises:
        UserError: a line is not a YOLO box; names it.
    """
    path, classes = source.annotation
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)} is not UTF-8 text") from None
    labels = []
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            labels.append(_label(line.split(), classes, size))
        except ValueError as error:
            raise UserError(f"{shown(path)}, line {place}: {error}") from None
    return labels


def _label(fields: list[str], classes: tuple[str, ...], size: Size) -> kitti.Label:
    if len(fields) != 5:
        raise ValueError(f"{len(fields)} fields where a box has 5 (an outline has more)")
    if not fields[0].isdecimal() or int(fields[0]) >= len(classes):
        raise ValueError(f"class {fields[0]!r}: {len(classes)} are named, counted from 0")
    x, y, width, height = (to_number(text, "a field") for text in fields[1:])
    if max(map(abs, (x, y, width, height))) > 2:
        raise ValueError("its numbers are pixels, not shares of the image's width and height")
    box = (
        (x - width / 2) * size[0],
        (y - height / 2) * size[1],
        (x + width / 2) * size[0] - 1,
        (y + height / 2) * size[1] - 1,
    )
    return kitti.Label(classes[int(fields[0])], tuple(number(side) for side in box))


def write(out: Path, items: Iterable[Annotated], classes: dict[str, int]) -> Lost:
    """OUT/labels/NAME.txt for each image, and OUT/data.yaml with the class names."""
    folder, lost = out / LABELS, Lost()
    folder.mkdir()
    order = sorted(classes, key=classes.__getitem__)
    place = {name: i for i, name in enumerate(order)}
    for item in items:
        width, height = item.size
        lines = []
        for label in item.labels:
            if label.dont_care:
                lost.dont_care += 1
                continue
            lost.fields += label != kitti.Label(label.type, label.bbox)
            xmin, ymin, xmax, ymax = label.bbox
            box = (
                (xmin + xmax + 1) / 2 / width,
                (ymin + ymax + 1) / 2 / height,
                (xmax - xmin + 1) / width,
                (ymax - ymin + 1) / height,
            )
            lines.append(" ".join([str(place[label.type]), *map(repr, box)]) + "\n")
        (folder / f"{item.stem}.txt").write_text("".join(lines), encoding="utf-8")
    names = {"path": ".", "train": IMAGES, "val": IMAGES, "names": dict(enumerate(order))}
    text = yaml.safe_dump(names, sort_keys=False, allow_unicode=True)
    (out / PurePath(FILE)).write_text(text, encoding="utf-8")
    return lost


FORMAT = Format("images/ and labels/ with data.yaml or classes.txt", find, read, write=write)
