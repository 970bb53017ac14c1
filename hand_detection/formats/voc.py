"""Pascal VOC: an XML file an image.

Pixels count from 1, the last one included: the upper left pixel is (1, 1), and a box over a
whole image of 500 x 375 is 1 1 500 375. So every coordinate is one more than KITTI's.
Source: the development kit's documentation, section on annotation guidelines and file format
(http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf).

VOC's `truncated` and `occluded` are 0 or 1. What KITTI has beyond that is written into an
element `<kitti>` of the object, which VOC's readers pass over.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lxml import etree

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

FIRST_PIXEL = 1
IMAGES, ANNOTATIONS = "JPEGImages", "Annotations"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_EXTRA = "kitti"


def find(src: Path, options: Options) -> Found:
    """SRC/Annotations/*.xml with SRC/JPEGImages (or images), or the XML beside the images.

    An XML file belongs to the image of the same name.
    """
    annotations = src / ANNOTATIONS if (src / ANNOTATIONS).is_dir() else src
    folders = (src / IMAGES, src / "images", annotations)
    images = options.images or next(folder for folder in folders if folder.is_dir())
    by_stem = {path.relative_to(images).with_suffix(""): path for path in list_images(images)}
    first = FIRST_PIXEL if options.first_pixel is None else options.first_pixel
    sources = []
    for path in sorted(annotations.rglob("*.xml")):
        stem = path.relative_to(annotations).with_suffix("")
        if stem not in by_stem:
            raise UserError(
                f"{shown(path)} has no image {stem}.jpg (or .png, ...) in {shown(images)}"
            )
        sources.append(
            Source(frame_name(stem.with_name(path.name)), by_stem.pop(stem), (path, first))
        )
    if not sources:
        raise UserError(f"there is no .xml file in {shown(annotations)}")
    notes = []
    if by_stem:
        example = shown(next(iter(by_stem.values())))
        notes.append(f"{len(by_stem):,} images without an XML file are left out, e.g. {example}")
    own = src / labelmap.FILE
    return Found(sources, labelmap.read_label_map(own) if own.exists() else None, notes)


def read(source: Source, size: Size) -> list[kitti.Label]:
    """The objects of an XML file; `difficult` ones like any other.

    Raises:
        UserError: the file is not VOC's XML, or made for an image of another size.
    """
    path, first = source.annotation
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        # Of bytes: lxml would take some file names for addresses.
        root = etree.fromstring(path.read_bytes(), parser)
    except (etree.XMLSyntaxError, LookupError, ValueError) as error:
        raise UserError(f"{shown(path)} is not XML: {error}") from None
    if root.tag != "annotation":
        raise UserError(f"{shown(path)} holds <{root.tag}> where VOC has <annotation>")
    try:
        stated = tuple(
            int(to_number(root.findtext(f"size/{side}") or 0, side)) for side in ("width", "height")
        )
        check_size(shown(path), stated, size)
    except ValueError as error:
        raise UserError(f"{shown(path)}: {error}") from None
    labels = []
    for item in root.findall("object"):
        try:
            labels.append(_label(item, first))
        except ValueError as error:
            raise UserError(f"{shown(path)}, line {item.sourceline}: {error}") from None
    return labels


def _label(item: etree._Element, first: int) -> kitti.Label:
    name = (item.findtext("name") or "").strip()
    if not name:
        raise ValueError("an object without a name")
    box = tuple(
        number(to_number(item.findtext(f"bndbox/{side}"), f"{name}'s {side}") - first)
        for side in _SIDES
    )
    extra = item.findtext(_EXTRA)
    if extra is not None:
        fields = [to_number(text, _EXTRA) for text in extra.split()]
        if len(fields) != 10:
            raise ValueError(f"<{_EXTRA}> has {len(fields)} numbers where 10 belong")
        truncated, occluded, alpha = fields[0], int(fields[1]), fields[2]
        return kitti.Label(
            name, box, truncated, occluded, alpha, tuple(fields[3:6]), tuple(fields[6:9]), fields[9]
        )
    truncated = to_number(item.findtext("truncated") or 0, f"{name}'s truncated")
    occluded = int(to_number(item.findtext("occluded") or 0, f"{name}'s occluded"))
    return kitti.Label(name, box, truncated, occluded)


def write(out: Path, items: Iterable[Annotated], classes: dict[str, int]) -> Lost:
    """OUT/Annotations/NAME.xml for each image, and OUT/label_map.pbtxt with the ids."""
    folder = out / ANNOTATIONS
    folder.mkdir()
    for item in items:
        root = etree.Element("annotation")
        _add(root, "folder", IMAGES)
        _add(root, "filename", item.file)
        size = etree.SubElement(root, "size")
        for tag, value in zip(("width", "height", "depth"), (*item.size, 3), strict=True):
            _add(size, tag, value)
        _add(root, "segmented", 0)
        for label in item.labels:
            _write_object(root, label)
        tree = etree.ElementTree(root)
        tree.write(str(folder / f"{item.stem}.xml"), encoding="utf-8", pretty_print=True)
    labelmap.write_label_map(out / labelmap.FILE, classes)
    return Lost()


def _write_object(root: etree._Element, label: kitti.Label) -> None:
    item = etree.SubElement(root, "object")
    truncated, occluded = int(label.truncated > 0), int(label.occluded > 0)
    _add(item, "name", label.type)
    _add(item, "pose", "Unspecified")
    _add(item, "truncated", truncated)
    _add(item, "occluded", occluded)
    _add(item, "difficult", int(label.dont_care))
    box = etree.SubElement(item, "bndbox")
    for side, value in zip(_SIDES, label.bbox, strict=True):
        _add(box, side, number(value + FIRST_PIXEL))
    if label != kitti.Label(label.type, label.bbox, truncated, occluded):
        numbers = label.line().split()
        _add(item, _EXTRA, " ".join(numbers[1:4] + numbers[8:]))


def _add(parent: etree._Element, tag: str, value: object) -> None:
    etree.SubElement(parent, tag).text = str(value)


FORMAT = Format(
    "SRC/Annotations/*.xml and SRC/JPEGImages, or XML beside the images", find, read, IMAGES, write
)
