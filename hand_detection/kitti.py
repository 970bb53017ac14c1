"""KITTI labels: one text file an image, one line an object, 15 fields a line.

    type truncated occluded alpha  xmin ymin xmax ymax  height width length  x y z  rotation_y

The box is in pixels, counted from 0, its last pixel included: a box over a whole frame of
1280 x 720 is 0 0 1279 719. A prepared data set is a folder of `images/` and `labels/` with
the same names; an image without an object has an empty label file.

Fields are separated by spaces: white space in a class's name is written as in an address
(`traffic%20light`), and so is `%` itself (`%25`); both are read back. Every other
character stands for itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from hand_detection.console import UserError, is_text
from hand_detection.images import SUFFIXES
from hand_detection.paths import shown

# fmt: off
FIELDS = (
    "type", "truncated", "occluded", "alpha", "xmin", "ymin", "xmax", "ymax",
    "height", "width", "length", "x", "y", "z", "rotation_y",
)
# fmt: on
_LARGEST = 3.4e38  # of float32

Polygon = tuple[tuple[float, ...], ...]
"""An outline: rings of x, y, x, y, ... in pixels from 0; (0, 0) is the first pixel's centre."""


@dataclass(frozen=True, slots=True)
class Label:
    """One object of an image. `bbox` is (xmin, ymin, xmax, ymax) in pixels from 0, inclusive.

    `polygon` is no field of a KITTI line: see `polygons`.
    """

    type: str
    bbox: tuple[float, float, float, float]
    truncated: float = 0.0
    occluded: int = 0
    alpha: float = 0.0
    dimensions: tuple[float, float, float] = (0.0, 0.0, 0.0)  # height, width, length in metres
    location: tuple[float, float, float] = (0.0, 0.0, 0.0)  # x, y, z in metres
    rotation_y: float = 0.0
    polygon: Polygon | None = None

    @property
    def dont_care(self) -> bool:
        """Whether this is a region that KITTI leaves unlabelled: no object to train on."""
        return self.type.lower() == "dontcare"

    def line(self) -> str:
        """The label as a line of a KITTI file, without the line end."""
        numbers = (
            self.truncated,
            self.occluded,
            self.alpha,
            *self.bbox,
            *self.dimensions,
            *self.location,
            self.rotation_y,
        )
        return " ".join([_escaped(self.type), *map(_number, numbers)])


@dataclass(frozen=True, slots=True)
class Frame:
    """An image of a prepared data set and the file with its labels."""

    name: str  # the file name without its suffix
    image: Path
    label: Path


def list_frames(data: Path) -> list[Frame]:
    """The frames of the prepared data set `data`, sorted by name.

    Raises:
        UserError: there is no data set, or an image and its label file are not both there.
    """
    images, labels = data / "images", data / "labels"
    for folder in (images, labels):
        if not folder.is_dir():
            raise UserError(
                f"{shown(data)} has no folder {folder.name}/: run ./prepare_egohands.py, "
                "or name a prepared data set with --data"
            )
    by_name: dict[str, Path] = {}
    for path in _visible(images):
        if path.suffix.lower() not in SUFFIXES:
            continue
        refuse_name(path)
        if path.stem in by_name:
            raise UserError(
                f"{shown(path)} and {by_name[path.stem].name} share one label file: rename one"
            )
        by_name[path.stem] = path
    label_names = set()
    for path in _visible(labels):
        if path.suffix == ".txt":
            refuse_name(path)
            label_names.add(path.stem)
    if unlabelled := sorted(by_name.keys() - label_names):
        name = unlabelled[0]
        raise UserError(
            f"{shown(by_name[name])}{_and_more(unlabelled)} without a label file "
            f"{shown(labels / name)}.txt: an image without an object needs an empty one"
        )
    if orphans := sorted(label_names - by_name.keys()):
        name = orphans[0]
        raise UserError(
            f"{shown(labels / name)}.txt{_and_more(orphans)} without an image {name}.jpg or "
            f".png in {shown(images)}"
        )
    if not by_name:
        raise UserError(f"{shown(images)} holds no .jpg or .png image")
    return [Frame(name, by_name[name], labels / f"{name}.txt") for name in sorted(by_name)]


def refuse_name(path: Path) -> None:
    """Refuse what is no file (reading a pipe would wait for ever), or not named in text.

    Raises:
        UserError: it is one of these.
    """
    if not path.is_file():
        raise UserError(f"{shown(path)} is no file: move it away")
    if not is_text(path.name):
        raise UserError(f"the file name {shown(path)!a} is not text: rename it")


def read_labels(
    path: Path, *, size: tuple[int, int] | None = None, classes: Collection[str] | None = None
) -> list[Label]:
    """The labels in the file `path`, DontCare regions included.

    Args:
        path: the label file.
        size: (width, height) of the image in pixels; boxes must lie inside it.
        classes: the known types; others are refused. DontCare is always known.

    Raises:
        UserError: the file is not a correct label file; names the file and the line.
    """
    return parse_labels(path.read_bytes(), path, size=size, classes=classes)


def parse_labels(
    data: bytes,
    path: Path,
    *,
    size: tuple[int, int] | None = None,
    classes: Collection[str] | None = None,
    inside: bool = True,
) -> list[Label]:
    """As `read_labels`, of the bytes `data` already read from `path`.

    Without `inside`, boxes may be reversed and reach out of the image.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:
        raise UserError(f"{shown(path)} is not UTF-8 text (UTF-16?): save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{shown(path)} is not UTF-8 text: save it as UTF-8") from None
    labels = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line.strip():
            continue
        try:
            labels.append(_parse_line(line, size, classes, inside))
        except ValueError as error:
            raise UserError(f"{shown(path)}, line {number}: {error}") from None
    return labels


def labels_text(labels: Iterable[Label]) -> str:
    """The content of a label file."""
    return "".join(f"{label.line()}\n" for label in labels)


def _parse_line(
    line: str,
    size: tuple[int, int] | None,
    classes: Collection[str] | None,
    must_be_inside: bool,
) -> Label:
    fields = line.split()
    if len(fields) != len(FIELDS):
        raise ValueError(f"{len(fields)} fields where a KITTI label has {len(FIELDS)}")
    values = dict(zip(FIELDS, fields, strict=True))
    kind = unquote(values.pop("type"))
    numbers = {name: _finite(name, value) for name, value in values.items()}
    if not numbers["occluded"].is_integer():
        raise ValueError(f"occluded is {values['occluded']}, not a whole number")
    xmin, ymin, xmax, ymax = (numbers[name] for name in ("xmin", "ymin", "xmax", "ymax"))
    label = Label(
        type=kind,
        bbox=(xmin, ymin, xmax, ymax),
        truncated=numbers["truncated"],
        occluded=int(numbers["occluded"]),
        alpha=numbers["alpha"],
        dimensions=(numbers["height"], numbers["width"], numbers["length"]),
        location=(numbers["x"], numbers["y"], numbers["z"]),
        rotation_y=numbers["rotation_y"],
    )
    if classes is not None and kind not in classes and not label.dont_care:
        raise ValueError(f"unknown class {kind!r}: the label map has {', '.join(classes)}")
    if not must_be_inside:
        return label
    if xmin > xmax or ymin > ymax:
        raise ValueError(
            f"the box is reversed: xmin {values['xmin']} ymin {values['ymin']} "
            f"xmax {values['xmax']} ymax {values['ymax']}"
        )
    # Up to the far edge (= the width), not just the last pixel: many tools write it so.
    inside = xmin >= 0 and ymin >= 0
    if size is not None:
        inside = inside and xmax <= size[0] and ymax <= size[1]
    if not inside:
        of = f" of {size[0]} x {size[1]}" if size else ""
        raise ValueError(
            f"the box {values['xmin']} {values['ymin']} {values['xmax']} {values['ymax']} "
            f"reaches out of the image{of}"
        )
    return label


def _escaped(name: str) -> str:
    return re.sub(r"[%\s]", lambda match: quote(match[0]), name)


def _finite(name: str, text: str) -> float:
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        raise ValueError(f"{name} is {text!r}, not a number") from None
    if not abs(value) <= _LARGEST:  # not a number, infinite, or so in the records' float32
        raise ValueError(f"{name} is {text!r}, not a finite number")
    return value


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _and_more(names: list[str]) -> str:
    return f" and {len(names) - 1} more are" if len(names) > 1 else " is"


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
