"""From a data set in any format to this project's layout.

    OUT/images/NAME.jpg or .png   the source's own bytes, unless `pixels` had to change them
    OUT/labels/NAME.txt           KITTI labels (see `hand_detection.kitti`)
    OUT/polygons/NAME.json        outlines, of the frames that have any (`hand_detection.polygons`)
    OUT/label_map.pbtxt           the classes' ids
    OUT/sources.csv               which file each frame was made from

OUT is made under another name and renamed when it is whole.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hand_detection import files, kitti, labelmap, polygons
from hand_detection.console import Progress, UserError, say
from hand_detection.formats import FORMATS, pixels
from hand_detection.formats.base import Found, Options, Size, Source
from hand_detection.parallel import in_order
from hand_detection.paths import shown
from hand_detection.splits import SOURCES

SLACK = 1.0  # pixels that a box may reach out of the image: rounding, other conventions


@dataclass(frozen=True, slots=True)
class Settings:
    """How images and boxes are treated."""

    turn: bool = True  # pixels turned upright by their EXIF orientation
    mend: bool = False  # cut, widen or leave out boxes that are not correct; else refuse them
    classes: tuple[str, ...] | None = None  # the known ones; others are refused


@dataclass(frozen=True, slots=True)
class Converted:
    """What an image became: its file's name, its objects by class, and what was done to it."""

    file: str
    objects: Counter[str]
    done: Counter[str]


def convert(
    format_name: str,
    src: Path,
    out: Path,
    *,
    options: Options,
    settings: Settings,
    label_map: Path | None,
    workers: int,
    overwrite: bool = False,
) -> Counter[str]:
    """Make the data set folder `out` from `src`.

    Args:
        format_name: a key of `FORMATS`.
        src: the data set's folder or file.
        out: the folder to make.
        options: what the source does not tell.
        settings: how images and boxes are treated.
        label_map: the classes; None for the source's own, or all there are, sorted by name.
        workers: how many processes share the work.
        overwrite: move what stands at `out` aside.

    Returns:
        The number of objects by class; a class without objects is among them.

    Raises:
        UserError: something in the source is not correct (names it), or `out` is there.
    """
    if not src.exists():
        raise UserError(f"there is no {shown(src)}")
    if out.exists() and not overwrite:
        raise UserError(f"{shown(out)} is there already: name another folder, or add --overwrite")
    found = FORMATS[format_name].find(src, options)
    _check_names(found)
    own = src / labelmap.FILE if src.is_dir() else src.parent / labelmap.FILE
    ids = found.classes
    if label_map or (ids is None and own.exists()):
        ids = labelmap.read_label_map(label_map or own)
    settings = replace(settings, classes=tuple(ids) if ids else None)
    for note in found.notes:
        say(note)
    with files.whole_folder(out, replace=overwrite) as building:
        totals, done = _write(building, format_name, src, found, settings, workers)
        if ids is None:
            names = sorted(name for name in totals if name)
            ids = {name: number for number, name in enumerate(names, 1)}
        if not ids:
            raise UserError(f"{shown(src)} has no object at all, so no class is known: --label-map")
        labelmap.write_label_map(building / labelmap.FILE, ids)
        if overwrite:
            files.move_aside(out)
    for what, count in sorted(done.items()):
        say(f"{count:,} {what}")
    return Counter({name: totals[name] for name in ids})


def _check_names(found: Found) -> None:
    if not found.sources:
        raise UserError("there is no image in the data set")
    seen: dict[str, Source] = {}
    for source in found.sources:
        if source.name in seen:
            raise UserError(
                f"{shown(source.image)} and {shown(seen[source.name].image)} would both become "
                f"the frame {source.name}: rename one"
            )
        if not source.name or source.name.startswith("."):
            raise UserError(f"{shown(source.image)}: {source.name!r} cannot be a frame's name")
        seen[source.name] = source


def _write(
    folder: Path, format_name: str, src: Path, found: Found, settings: Settings, workers: int
) -> tuple[Counter[str], Counter[str]]:
    """Write images, labels and sources.csv; return objects by class and what was done."""
    for name in ("images", "labels"):
        (folder / name).mkdir()
    totals: Counter[str] = Counter()
    done: Counter[str] = Counter()
    root = src if src.is_dir() else src.parent
    work = partial(convert_one, format_name, folder, settings)
    with (
        closing(in_order(work, found.sources, workers)) as results,
        Progress(len(found.sources), "images", "images") as bar,
        (folder / SOURCES).open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["frame", "source"])
        for source, result in zip(found.sources, results, strict=True):
            totals += result.objects
            done += result.done
            inside = source.image.is_relative_to(root)
            origin = source.image.relative_to(root) if inside else source.image
            writer.writerow([source.name, origin.as_posix()])
            bar.update()
    return totals, done


def convert_one(format_name: str, folder: Path, settings: Settings, source: Source) -> Converted:
    """Write the image and the label file of a source into `folder`.

    Raises:
        UserError: the image or its annotation is not correct; names it.
    """
    where = shown(source.image)
    if not source.image.is_file():
        raise UserError(f"{where} is missing, or no file")
    data = source.image.read_bytes()
    data, suffix, size, change = pixels.upright(data, where, turn=settings.turn)
    labels, done = fit(FORMATS[format_name].read(source, size), size, where, settings)
    if change:
        done[f"images {change}"] += 1
    elif source.image.suffix.lower() in _SAME[suffix]:
        suffix = source.image.suffix
    (folder / "images" / f"{source.name}{suffix}").write_bytes(data)
    text = kitti.labels_text(labels)
    (folder / "labels" / f"{source.name}.txt").write_text(text, encoding="utf-8")
    if outlines := polygons.text(labels):
        path = polygons.file_of(folder / "labels" / f"{source.name}.txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text(outlines, encoding="utf-8")
    objects = Counter(label.type for label in labels if not label.dont_care)
    return Converted(f"{source.name}{suffix}", objects, done)


_SAME = {".jpg": (".jpg", ".jpeg"), ".png": (".png",)}


def fit(
    labels: Sequence[kitti.Label], size: Size, where: str, settings: Settings
) -> tuple[list[kitti.Label], Counter[str]]:
    """The labels with their boxes inside an image of `size`, and what was done to how many.

    A box that reaches out by a pixel at most is cut at the edge. With `settings.mend` any is,
    one narrower than a pixel is made a pixel wide, and one without area or wholly outside is
    left out.

    Raises:
        UserError: a box is not correct, or a class is not known.
    """
    fitted, done = [], Counter()
    last = (size[0] - 1, size[1] - 1)
    for label in labels:
        what = f"{where}: the box {_listed(label.bbox)} of {label.type!r}"
        if settings.classes and label.type not in settings.classes and not label.dont_care:
            raise UserError(
                f"{where}: unknown class {label.type!r}: known are {', '.join(settings.classes)}"
            )
        labelmap.check_name(label.type)
        xmin, ymin, xmax, ymax = label.bbox
        if xmax <= xmin - 1 or ymax <= ymin - 1:
            if not settings.mend:
                raise UserError(f"{what} has no area: mend it, or leave it out with --mend")
            done["boxes of no area left out"] += 1
            continue
        box = [min(max(side, 0), last[i % 2]) for i, side in enumerate((xmin, ymin, xmax, ymax))]
        out_by = max(abs(a - b) for a, b in zip(box, label.bbox, strict=True))
        if out_by > SLACK and not settings.mend:
            raise UserError(
                f"{what} reaches out of the image of {size[0]} x {size[1]} (pixels counted from "
                "0, the last included): mend it, or cut it with --mend"
            )
        if xmax < 0 or ymax < 0 or xmin > last[0] or ymin > last[1]:
            if not settings.mend:
                raise UserError(f"{what} lies outside of the image of {size[0]} x {size[1]}")
            done["boxes outside of their image left out"] += 1
            continue
        if out_by:
            done["boxes cut at their image's edge"] += 1
        if box[0] > box[2] or box[1] > box[3]:
            if not settings.mend:
                raise UserError(f"{what} is narrower than a pixel: mend it, or add --mend")
            done["boxes widened to a pixel"] += 1
            box[2:] = max(box[0], box[2]), max(box[1], box[3])
        fitted.append(replace(label, bbox=tuple(box)))
    return fitted, done


def _listed(box: tuple[float, ...]) -> str:
    return " ".join(f"{side:g}" for side in box)
