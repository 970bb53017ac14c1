"""What every format reads into and writes from.

In memory a box is `kitti.Label.bbox`: (xmin, ymin, xmax, ymax) in pixels counted from 0, the
last pixel included; so a box of one pixel has xmin == xmax. As an area on the picture, whose
upper left corner is (0, 0), it spans from xmin to xmax + 1. Formats that give an area
(COCO, YOLO) are read and written by that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hand_detection import kitti
from hand_detection.console import UserError, is_text
from hand_detection.paths import shown

Size = tuple[int, int]  # width, height in pixels

DECIMALS = 6  # of a pixel: finer than any annotation, coarser than float rounding
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may say about a source."""

    images: Path | None = None  # where the images are, if the format does not tell
    first_pixel: int | None = None  # 0 or 1: what a file's pixels count from; None: the format's


@dataclass(frozen=True, slots=True)
class Source:
    """An image of a data set in any format. `annotation` is what the format's `read` needs."""

    name: str  # of the frame that it becomes; also the label file's
    image: Path
    annotation: Any


@dataclass(frozen=True, slots=True)
class Found:
    """The images of a data set; its classes' ids if it tells them; what to tell the user."""

    sources: Sequence[Source]
    classes: dict[str, int] | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Annotated:
    """An image to be written in another format."""

    file: str  # the image's file name
    size: Size
    labels: Sequence[kitti.Label]

    @property
    def stem(self) -> str:
        return Path(self.file).stem


@dataclass(slots=True)
class Lost:
    """What a format has no place for, counted while it is written."""

    dont_care: int = 0  # regions left out
    fields: int = 0  # labels whose truncated, occluded, ... are left out
    outlines: int = 0

    def notes(self) -> list[str]:
        found = []
        if self.dont_care:
            found.append(f"{self.dont_care:,} DontCare regions are left out: no place for them")
        if self.fields:
            found.append(f"{self.fields:,} labels lost truncated, occluded or other KITTI fields")
        if self.outlines:
            found.append(f"{self.outlines:,} outlines are left out: no place for them")
        return found


@dataclass(frozen=True, slots=True)
class Format:
    """A row of the table of formats.

    Attributes:
        find: lists the images below a folder (or of a file) and their annotations.
        read: the labels of one image of the given size. Boxes may reach out of the image.
        image_folder: where `write` expects the images.
        write: writes the annotations of all images into a folder. None: the format is
            read only.
        outlines: whether `write` has a place for them.
    """

    about: str
    find: Callable[[Path, Options], Found]
    read: Callable[[Source, Size], list[kitti.Label]]
    image_folder: str = "images"
    write: Callable[[Path, Iterable[Annotated], dict[str, int]], Lost] | None = None
    outlines: bool = False


def number(value: float) -> int | float:
    """`value` to a millionth of a pixel; a whole one as an int."""
    rounded = round(float(value), DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded


def frame_name(relative: Path) -> str:
    """The frame's name of an image at a relative path: its folders and name joined by `_`.

    Raises:
        UserError: the path leads out of the data set, or is no text.
    """
    if relative.is_absolute() or ".." in relative.parts or not is_text(str(relative)):
        raise UserError(
            f"the image {str(relative)!a} leads out of the data set, or its name is no text"
        )
    return "_".join([*relative.parts[:-1], relative.stem])


def list_images(folder: Path) -> list[Path]:
    """The images at any depth below `folder`, sorted; hidden files are passed over.

    Raises:
        UserError: `folder` is not a folder.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {shown(folder)}")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def check_size(where: str, stated: Size, size: Size) -> None:
    """Refuse an annotation made for an image of another size.

    Raises:
        UserError: the sizes differ. A stated size of 0 x 0 counts as none.
    """
    if stated in (size, (0, 0)):
        return
    turned = stated == size[::-1]
    raise UserError(
        f"{where}: it was made for an image of {stated[0]} x {stated[1]}, this one is "
        f"{size[0]} x {size[1]}"
        + (", turned upright by its EXIF orientation: try --exif ignore" if turned else "")
    )


def to_number(text: Any, what: str) -> float:
    """`text` as a finite number.

    Raises:
        ValueError: it is none.
    """
    try:
        value = float(text)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{what} is {text!r:.60}, not a number") from None
    if value - value != 0:
        raise ValueError(f"{what} is {text!r}, not a finite number")
    return value
