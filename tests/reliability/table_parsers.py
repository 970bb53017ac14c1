"""The parsers of other formats of data sets: COCO, VOC, YOLO, CSV, KITTI's own folders."""

from __future__ import annotations

import json

from judge import READ, REFUSED, Parser
from text_parsers import LINE, converter, encodings

COCO_FILE = {
    "images": [{"id": 7, "file_name": "images/a.jpg", "width": 64, "height": 48}],
    "categories": [{"id": 1, "name": "hand"}, {"id": 2, "name": "left foot"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 30, 20.5], "iscrowd": 0},
        {
            "id": 2, "image_id": 7, "category_id": 2, "bbox": [5, 5, 9, 9],
            "attributes": {"truncated": 0.5, "location": [1, 2, 3]},
        },
    ],
}  # fmt: skip


def _coco(**changes: object) -> bytes:
    """The file with changes: images__0__id=3."""
    copy = json.loads(json.dumps(COCO_FILE))
    for path, value in changes.items():
        at = copy
        *keys, last = [int(key) if key.isdigit() else key for key in path.split("__")]
        for key in keys:
            at = at[key]
        at[last] = value
    return json.dumps(copy).encode()


COCO = Parser(
    "COCO",
    converter("coco", "annotations.json"),
    (_coco(), json.dumps(COCO_FILE, indent=1).encode()),
    {
        "slip": (_coco(images__0__file_name="images/../../../../../evil.jpg"), REFUSED),
        "absolute name": (_coco(images__0__file_name="/etc/passwd"), REFUSED),
        "NUL in a name": (_coco(images__0__file_name="a\0b.jpg"), REFUSED),
        "surrogate in a name": (_coco(images__0__file_name="\ud800.jpg"), REFUSED),
        "name is a number": (_coco(images__0__file_name=3), REFUSED),
        "surrogate in a class": (_coco(categories__0__name="\ud800"), REFUSED),
        "line end in a class": (_coco(categories__0__name="a\nb"), REFUSED),
        "ids of many kinds": (
            _coco(categories__1__id="two", annotations__1__category_id="two"),
            None,
        ),
        "id beyond int32": (
            _coco(categories__1__id=2**40, annotations__1__category_id=2**40),
            READ,
        ),
        "id is a list": (_coco(images__0__id=[]), REFUSED),
        "box of 400 digits": (_coco(annotations__0__bbox=[10**400, 1, 2, 3]), REFUSED),
        "box of NaN": (_coco(annotations__0__bbox=[float("nan"), 1, 2, 3]), REFUSED),
        "box overflows": (_coco(annotations__0__bbox=[1e308, 1, 1e308, 3]), REFUSED),
        "negative box": (_coco(annotations__0__bbox=[1, 1, -5, 3]), REFUSED),
        "unknown category": (_coco(annotations__0__category_id=9), REFUSED),
        "unknown image": (_coco(annotations__0__image_id=9), REFUSED),
        "no images": (_coco(images=[], annotations=[]), REFUSED),
        "nested 100,000 deep": (b"[" * 100_000, REFUSED),
        "UTF-16": (_coco().decode().encode("utf-16"), None),
    },
)

XML = b"""<annotation>
  <size><width>64</width><height>48</height><depth>3</depth></size>
  <object><name>hand</name><truncated>0</truncated>
    <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>
</annotation>
"""
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10) for i in range(1, 12))


def _xml(prolog: bytes, name: bytes) -> bytes:
    return prolog + XML.replace(b"<name>hand", b"<name>" + name)


VOC = Parser(
    "VOC",
    converter("voc", "Annotations/a.xml"),
    (XML,),
    {
        "billion laughs": (
            _xml(b'<!DOCTYPE a [<!ENTITY l0 "ha">' + LAUGHS + b"]>", b"&l11;"),
            REFUSED,
        ),
        "laughs in an attribute": (
            b'<!DOCTYPE a [<!ENTITY l0 "ha">' + LAUGHS + b']><annotation x="&l11;"/>',
            REFUSED,
        ),
        "file entity": (
            _xml(b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', b"&x;"),
            REFUSED,
        ),
        "external DTD": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">' + XML, READ),
        "nested 100,000 deep": (b"<annotation>" * 100_000, REFUSED),
        "unknown encoding": (b'<?xml version="1.0" encoding="evil"?>' + XML, REFUSED),
        "UTF-16": (XML.decode().encode("utf-16"), READ),
        "BOM": (XML.decode().encode("utf-8-sig"), READ),
        "empty": (b"", REFUSED),
        "no name": (_xml(b"", b""), REFUSED),
        "NaN": (XML.replace(b"30", b"nan"), REFUSED),
        "another size": (XML.replace(b"64", b"65"), REFUSED),
    },
)

YOLO_LABELS = Parser(
    "YOLO labels",
    converter("yolo", "labels/a.txt"),
    (b"0 0.5 0.5 0.25 0.25\n1 0.25 0.25 0.1 0.1\n", b"0 0.5 0.5 1 1\n"),
    {
        **encodings(b"0 0.5 0.5 0.25 0.25\n"),
        "class of 5,000 digits": (b"9" * 5000 + b" 0.5 0.5 0.1 0.1", REFUSED),
        "pixels": (b"0 30 30 10 10", REFUSED),
        "an outline": (b"0 0.1 0.1 0.2 0.2 0.3 0.3", REFUSED),
        "negative": (b"0 0.5 0.5 -0.1 0.1", REFUSED),
    },
)

YAML_BOMB = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n" % ((i, i, *[i - 1] * 8))
    for i in range(ord("b"), ord("m"))
)

YOLO_NAMES = Parser(
    "YOLO data.yaml",
    converter("yolo", "data.yaml"),
    (b"names: [hand, foot]\n", b"names:\n  0: hand\n  1: foot\n"),
    {
        "laughs": (YAML_BOMB + b"names: [*l, hand]\n", REFUSED),
        "python object": (b"names: !!python/object/apply:os.system ['touch evil']\n", REFUSED),
        "no such day": (b"names: [2001-99-99]\n", REFUSED),
        "nested 10,000 deep": (b"names: " + b"[" * 10_000, REFUSED),
        "itself": (b"names: &n [hand, *n]\n", REFUSED),
        "twice": (b"names: [hand, hand]\n", REFUSED),
        "Latin-1": (b"names: [\xe4]\n", REFUSED),
        "empty": (b"", REFUSED),
    },
)

YOLO_CLASSES = Parser(
    "YOLO classes.txt",
    converter("yolo", "classes.txt"),
    (b"hand\nfoot\n",),
    {**encodings(b"hand\nfoot\n"), "UTF-16 without BOM": (b"h\0a\0", REFUSED)},
)

TABLE = b"filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,64,48,hand,1,2,30,40\n"

CSV = Parser(
    "CSV",
    converter("csv", "annotations.csv"),
    (TABLE, TABLE + b"a.jpg,64,48,left foot,1,2,30.5,40\n"),
    {
        **encodings(TABLE),
        "slip": (TABLE.replace(b"a.jpg", b"x/../../../../../../evil.jpg"), REFUSED),
        "absolute name": (TABLE.replace(b"a.jpg", b"/etc/passwd"), REFUSED),
        "no name": (TABLE.replace(b"a.jpg", b""), REFUSED),
        "a folder": (TABLE.replace(b"a.jpg", b"."), REFUSED),
        "NUL": (TABLE.replace(b"hand", b"ha\0nd"), REFUSED),
        "5,000 digits": (TABLE.replace(b"64", b"6" * 5000), REFUSED),
        "a field of 200,000": (TABLE.replace(b"hand", b"h" * 200_000), REFUSED),
        "too few fields": (TABLE + b"a.jpg,1\n", REFUSED),
        "an open quote": (TABLE + b'"a.jpg,1\n', REFUSED),
    },
)

KITTI_FOLDERS = Parser(
    "KITTI folders",
    converter("kitti", "labels/a.txt"),
    (LINE, LINE * 2),
    {
        "huge": (LINE.replace(b"30", b"1e38"), REFUSED),
        "control in a class": (LINE.replace(b"hand", b"ha%00nd"), REFUSED),
    },
)
