"""CSV: one table with a header, a row an object.

    filename,width,height,class,xmin,ymin,xmax,ymax[,truncated,occluded,...]

There is no standard. Here pixels count from 0, the last one included, as in KITTI. Tables
made from VOC's XML by a script that copies its numbers count from 1: --first-pixel 1 reads
them. A row with an empty class and box is an image without objects. Columns of KITTI's other
fields may follow, under the names of `hand_detection.kitti.FIELDS`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

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
    list_images,
    number,
    to_number,
)
from hand_detection.paths import shown

FILE = "annotations.csv"
FIRST_PIXEL = 0
SIDES = ("xmin", "ymin", "xmax", "ymax")
NEEDED = ("filename", "class", *SIDES)
COLUMNS = ("filename", "width", "height", "class", *SIDES)
EXTRA = tuple(name for name in kitti.FIELDS[1:] if name not in SIDES)
# KITTI's height and width are metres of a thing; a table's are pixels of the image.
_EXTRA_COLUMN = {"height": "height_m", "width": "width_m", "length": "length_m"}

Row = tuple[int, dict[str, str]]  # the line's number, its fields by column


def find(src: Path, options: Options) -> Found:
    """SRC is the table, or a folder with one .csv file; images beside it or in images/."""
    path = src if src.is_file() else _csv_file(src)
    rows: dict[str, list[Row]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{shown(path)} has no column {', '.join(missing)}: the first line must name "
                    f"the columns, {','.join(COLUMNS)}"
                )
            for row in reader:
                if None in row or None in row.values():
                    raise UserError(
                        f"{shown(path)}, line {reader.line_num}: not as many fields as columns"
                    )
                rows.setdefault(row["filename"], []).append((reader.line_num, row))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{shown(path)} is not a CSV table in UTF-8: {error}") from None
    beside = path.parent
    folder = options.images or (beside / "images" if (beside / "images").is_dir() else beside)
    first = FIRST_PIXEL if options.first_pixel is None else options.first_pixel
    sources = [
        Source(frame_name(Path(name)), folder / name, (shown(path), first, of_image))
        for name, of_image in sorted(rows.items())
    ]
    unlisted = sum(str(image.relative_to(folder)) not in rows for image in list_images(folder))
    notes = [f"{unlisted:,} images that no row names are left out"] if unlisted else []
    own = beside / labelmap.FILE
    return Found(sources, labelmap.read_label_map(own) if own.exists() else None, notes)


def _csv_file(src: Path) -> Path:
    found = sorted(src.glob("*.csv"))
    if len(found) != 1:
        raise UserError(f"{shown(src)} holds {len(found)} .csv files: name the table as SRC")
    return found[0]


def read(source: Source, size: Size) -> list[kitti.Label]:
    """The labels of an image.

    Raises:
        UserError: a row is not correct; names its line.
    """
    path, first, rows = source.annotation
    labels = []
    for line, row in rows:
        try:
            if row.get("width") and row.get("height"):
                stated = (int(row["width"]), int(row["height"]))
                check_size(f"{path}, line {line}", stated, size)
            filled = [row[name].strip() for name in NEEDED[1:]]
            if not any(filled):
                continue
            if not all(filled):
                raise ValueError("the class or a side of the box is empty")
            labels.append(_label(row, first))
        except ValueError as error:
            raise UserError(f"{path}, line {line}: {error}") from None
    return labels


def _label(row: dict[str, str], first: int) -> kitti.Label:
    box = tuple(number(to_number(row[name], name) - first) for name in SIDES)
    extra = [to_number(row.get(_EXTRA_COLUMN.get(name, name)) or 0, name) for name in EXTRA]
    return kitti.Label(
        row["class"].strip(),
        box,
        extra[0],
        int(extra[1]),
        extra[2],
        tuple(extra[3:6]),
        tuple(extra[6:9]),
        extra[9],
    )


def write(out: Path, items: Iterable[Annotated], classes: dict[str, int]) -> Lost:
    """OUT/annotations.csv, and OUT/label_map.pbtxt with the ids."""
    with (out / FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *(_EXTRA_COLUMN.get(name, name) for name in EXTRA)])
        for item in items:
            if not item.labels:
                writer.writerow([item.file, *item.size, *[""] * (5 + len(EXTRA))])
            for label in item.labels:
                extra = (
                    label.truncated,
                    label.occluded,
                    label.alpha,
                    *label.dimensions,
                    *label.location,
                    label.rotation_y,
                )
                box = [number(side + FIRST_PIXEL) for side in label.bbox]
                writer.writerow([item.file, *item.size, label.type, *box, *extra])
    labelmap.write_label_map(out / labelmap.FILE, classes)
    return Lost()


FORMAT = Format("a table with a header, or a folder with one", find, read, write=write)
