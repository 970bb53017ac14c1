"""From this project's layout to another format, images byte for byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hand_detection import files, images, kitti, polygons
from hand_detection.console import Progress, UserError, say
from hand_detection.formats import FORMATS
from hand_detection.formats.base import Annotated, Lost
from hand_detection.paths import shown


def export(
    format_name: str, data: Path, out: Path, *, classes: dict[str, int], overwrite: bool = False
) -> int:
    """Write the prepared data set `data` in a format into the folder `out`.

    A box that ends beyond the last pixel, at the image's far edge, is cut to the last pixel.

    Args:
        format_name: a key of `FORMATS` that can be written.
        data: the data set's folder.
        out: the folder to make.
        classes: ids by class name; others are refused.
        overwrite: move what stands at `out` aside.

    Returns:
        How many images were written.

    Raises:
        UserError: a label or an image is not correct, or `out` is there.
    """
    form = FORMATS[format_name]
    if out.exists() and not overwrite:
        raise UserError(f"{shown(out)} is there already: name another folder, or add --overwrite")
    frames = kitti.list_frames(data)
    with files.whole_folder(out, replace=overwrite) as building:
        (building / form.image_folder).mkdir()
        with Progress(len(frames), format_name, "images") as bar:
            seen = Lost()
            items = _items(frames, building / form.image_folder, classes, bar, seen)
            lost = form.write(building, items, classes)
            lost.outlines = 0 if form.outlines else seen.outlines
        if overwrite:
            files.move_aside(out)
    for note in lost.notes():
        say(note)
    return len(frames)


def _items(
    frames: Sequence[kitti.Frame],
    folder: Path,
    classes: dict[str, int],
    bar: Progress,
    seen: Lost,
) -> Iterator[Annotated]:
    """Copy the images one by one, and yield what is to be written of each; count outlines."""
    for frame in frames:
        data = frame.image.read_bytes()
        image = images.open_image(data, shown(frame.image))
        if images.orientation(image, data, shown(frame.image)) != 1:
            raise UserError(
                f"{shown(frame.image)} has an EXIF orientation, its boxes are on the pixels as "
                "stored, and other tools would turn it: prepare it anew with "
                "tools/prepare_dataset.py, which turns the pixels"
            )
        labels = kitti.read_labels(frame.label, size=image.size, classes=classes)
        labels = polygons.attach(labels, frame.label)
        seen.outlines += sum(label.polygon is not None for label in labels)
        last = (image.size[0] - 1, image.size[1] - 1) * 2
        inside = [replace(label, bbox=tuple(map(min, label.bbox, last))) for label in labels]
        (folder / frame.image.name).write_bytes(data)
        yield Annotated(frame.image.name, image.size, inside)
        bar.update()
