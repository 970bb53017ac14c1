"""KITTI: 15 fields a line (see `hand_detection.kitti`).

Pixels from 0, the last one included, as the devkit's readme has it ("0-based index"): what is
kept in memory, so numbers are read as they stand.
Source: http://www.cvlibs.net/datasets/kitti/eval_object.php, devkit_object/readme.txt.
"""

from __future__ import annotations

from pathlib import Path

from hand_detection import kitti, polygons
from hand_detection.console import UserError
from hand_detection.formats.base import Format, Found, Options, Size, Source, list_images
from hand_detection.paths import shown

FOLDERS = (("images", "labels"), ("image_2", "label_2"))  # this project's, and KITTI's own


def find(src: Path, options: Options) -> Found:
    """SRC/images and SRC/labels, or SRC/image_2 and SRC/label_2 (also below SRC/training)."""
    for root in (src, src / "training"):
        for images, labels in FOLDERS:
            if (root / images).is_dir() and (root / labels).is_dir():
                return _found(options.images or root / images, root / labels)
    raise UserError(f"{shown(src)} has no folders images/ and labels/ (or image_2/ and label_2/)")


def _found(images: Path, labels: Path) -> Found:
    by_name: dict[str, Path] = {}
    for path in list_images(images):
        if path.stem in by_name:
            raise UserError(f"{shown(path)} and {by_name[path.stem].name} share one label file")
        by_name[path.stem] = path
    known = {path.stem for path in labels.glob("*.txt")}
    if orphans := sorted(known - by_name.keys()):
        raise UserError(f"{shown(labels / orphans[0])}.txt has no image in {shown(images)}")
    if missing := sorted(by_name.keys() - known):
        raise UserError(
            f"{shown(by_name[missing[0]])} has no label file in {shown(labels)}: an image "
            "without an object needs an empty one"
        )
    return Found([Source(name, by_name[name], labels / f"{name}.txt") for name in sorted(by_name)])


def read(source: Source, size: Size) -> list[kitti.Label]:
    """The labels, as they stand in the file, with their outlines in SRC/polygons if any."""
    path: Path = source.annotation
    return polygons.attach(kitti.parse_labels(path.read_bytes(), path, inside=False), path)


FORMAT = Format("SRC/images and SRC/labels, or KITTI's image_2 and label_2", find, read)
