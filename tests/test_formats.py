"""Data sets of other formats: read as their own rules have it, written, and read back."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter

import numpy as np
import pytest
import yaml
from lxml import etree
from PIL import Image
from small_data import contents, jpeg

from hand_detection import kitti, labelmap
from hand_detection.console import UserError
from hand_detection.formats import FORMATS, convert, pixels
from hand_detection.formats.base import Options
from hand_detection.formats.export import export
from hand_detection.splits import SOURCES

CLASSES = {"traffic light": 1, "100% cat": 2, "Hände": 3}
WRITABLE = sorted(name for name, form in FORMATS.items() if form.write)


def label(name, *box, **fields):
    return kitti.Label(name, box, **fields)


LABELS = {
    "a": [label("traffic light", 0, 0, 63, 47), label("Hände", 5, 6, 5, 6)],
    "b c": [label("100% cat", 0.25, 1.5, 20.125, 30.333333), label("Hände", 3.1, 2.2, 62.9, 46.7)],
    "none": [],
}
RICH = [
    label("Hände", 1, 2, 3, 4, truncated=0.5, occluded=2, alpha=-1.25),
    label("Hände", 1, 2, 3, 9, dimensions=(1.5, 2, 3), location=(1, -2, 30), rotation_y=0.5),
    label("Hände", 1, 2, 3, 5, truncated=1.0, occluded=1),
    label("DontCare", 10, 10, 30, 20, truncated=-1, occluded=-1, alpha=-10),
]


def write_data(folder, labels=LABELS):
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number, (name, of_frame) in enumerate(labels.items()):
        (folder / "images" / f"{name}.jpg").write_bytes(jpeg(number))
        (folder / "labels" / f"{name}.txt").write_text(kitti.labels_text(of_frame))
    labelmap.write_label_map(folder / labelmap.FILE, CLASSES)
    return folder


def convert_to(out, name, src, *, options=None, label_map=None, overwrite=False, **settings):
    return convert.convert(
        name,
        src,
        out,
        options=options or Options(),
        settings=convert.Settings(**settings),
        label_map=label_map,
        workers=1,
        overwrite=overwrite,
    )


def labels_in(data, name="a"):
    return kitti.read_labels(data / "labels" / f"{name}.txt")


def same_but_sources(folder):
    return {name: data for name, data in contents(folder).items() if name != SOURCES}


@pytest.mark.parametrize("name", WRITABLE)
def test_a_round_trip_is_the_identity(name, tmp_path):
    data = write_data(tmp_path / "data")
    assert export(name, data, tmp_path / name, classes=CLASSES) == 3
    totals = convert_to(tmp_path / "back", name, tmp_path / name)
    assert same_but_sources(tmp_path / "back") == same_but_sources(data)
    assert totals == {"traffic light": 1, "100% cat": 1, "Hände": 2}


def test_kitti_to_kitti_is_the_identity_to_the_last_digit(tmp_path):
    labels = {"a": [label("Hände", 1 / 3, 0.1, 30.123456789012345, 47), *RICH]}
    data = write_data(tmp_path / "data", labels)
    convert_to(tmp_path / "back", "kitti", data)
    assert same_but_sources(tmp_path / "back") == same_but_sources(data)


@pytest.mark.parametrize("name", ["voc", "coco", "csv"])
def test_kittis_other_fields_and_dont_care_regions_survive(name, tmp_path):
    data = write_data(tmp_path / "data", {"a": RICH})
    export(name, data, tmp_path / name, classes=CLASSES)
    convert_to(tmp_path / "back", name, tmp_path / name)
    assert labels_in(tmp_path / "back") == RICH


def test_what_yolo_has_no_place_for_is_said(tmp_path, capsys):
    data = write_data(tmp_path / "data", {"a": RICH})
    export("yolo", data, tmp_path / "yolo", classes=CLASSES)
    said = capsys.readouterr().out
    assert "1 DontCare regions are left out" in said
    assert "3 labels lost truncated, occluded or other KITTI fields" in said
    convert_to(tmp_path / "back", "yolo", tmp_path / "yolo")
    assert [found.bbox for found in labels_in(tmp_path / "back")] == [
        rich.bbox for rich in RICH if not rich.dont_care
    ]


def test_300_real_frames_come_back_with_identical_boxes_and_bytes(real_frames, step, tmp_path):
    archive, data = real_frames / "egohands_data_300.zip", tmp_path / "real"
    assert step("prepare_egohands.py", "--archive", archive, "--out", data).returncode == 0
    assert sum(text.count(b"\n") for text in contents(data / "labels").values()) == 800
    for name in WRITABLE:
        out, back = tmp_path / name, tmp_path / f"{name}-back"
        done = step("tools/export_dataset.py", "--format", name, data, out)
        assert done.returncode == 0, done.stderr
        done = step("tools/prepare_dataset.py", "--format", name, out, back)
        assert done.returncode == 0, done.stderr
        for folder in ("images", "labels"):
            original = contents(data / folder)
            assert len(original) == 300
            assert contents(back / folder) == original


# The pixel rule of each format, told by one box that people can check: the pixels 10 to 19 and
# 20 to 39 (counted from 0) of an image of 64 x 48 are 10 wide and 20 high.
BOX = (10, 20, 19, 39)


@pytest.fixture
def one_box(tmp_path):
    return write_data(tmp_path / "data", {"a": [label("Hände", *BOX)]})


def test_voc_counts_pixels_from_1_and_includes_the_last(one_box, tmp_path):
    export("voc", one_box, tmp_path / "voc", classes=CLASSES)
    root = etree.parse(str(tmp_path / "voc" / "Annotations" / "a.xml")).getroot()
    box = root.find("object/bndbox")
    assert [(side.tag, side.text) for side in box] == [
        ("xmin", "11"),
        ("ymin", "21"),
        ("xmax", "20"),
        ("ymax", "40"),
    ]
    assert root.findtext("size/width") == "64"


def test_coco_gives_the_corner_from_0_and_the_extent(one_box, tmp_path):
    from pycocotools.coco import COCO

    export("coco", one_box, tmp_path / "coco", classes=CLASSES)
    coco = COCO(str(tmp_path / "coco" / "annotations.json"))
    [annotation] = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(["Hände"])))
    assert annotation["bbox"] == [10, 20, 10, 20]
    assert annotation["area"] == 200
    assert annotation["category_id"] == 3


def test_yolo_gives_the_centre_and_extent_as_shares(one_box, tmp_path):
    export("yolo", one_box, tmp_path / "yolo", classes=CLASSES)
    fields = (tmp_path / "yolo" / "labels" / "a.txt").read_text().split()
    assert fields[0] == "2"
    assert list(map(float, fields[1:])) == pytest.approx([15 / 64, 30 / 48, 10 / 64, 20 / 48])
    names = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text(encoding="utf-8"))["names"]
    assert names == {0: "traffic light", 1: "100% cat", 2: "Hände"}


def test_csv_counts_pixels_from_0_and_includes_the_last(one_box, tmp_path):
    export("csv", one_box, tmp_path / "csv", classes=CLASSES)
    with (tmp_path / "csv" / "annotations.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert [row[side] for side in ("xmin", "ymin", "xmax", "ymax")] == ["10", "20", "19", "39"]
    assert (row["width"], row["height"]) == ("64", "48")


@pytest.mark.parametrize(("first", "box"), [(None, (10, 20, 19, 39)), (1, (9, 19, 18, 38))])
def test_a_table_made_from_voc_is_read_by_what_its_pixels_count_from(tmp_path, first, box):
    (tmp_path / "x.jpg").write_bytes(jpeg())
    table = "filename,class,xmin,ymin,xmax,ymax\nx.jpg,cat,10,20,19,39\n"
    (tmp_path / "x.csv").write_text(table)
    convert_to(tmp_path / "out", "csv", tmp_path / "x.csv", options=Options(None, first))
    assert labels_in(tmp_path / "out", "x") == [label("cat", *box)]


def voc_xml(*objects, size=(64, 48)):
    items = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>{more}</object>"
        for name, x0, y0, x1, y1, more in objects
    )
    width, height = size
    return (
        f"<annotation><size><width>{width}</width><height>{height}</height></size>"
        f"{items}</annotation>"
    )


def test_voc_as_other_tools_write_it(tmp_path):
    """Beside the images, parts within an object, fractions, an image not labelled yet."""
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part><truncated>1</truncated>"
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "x.xml").write_text(voc_xml(("dog", 1, 1, 64, "47.5", part)))
    for name in ("x.jpg", "unlabelled.jpg"):
        (tmp_path / "src" / name).write_bytes(jpeg())
    totals = convert_to(tmp_path / "out", "voc", tmp_path / "src")
    assert totals == {"dog": 1}
    assert labels_in(tmp_path / "out", "x") == [label("dog", 0, 0, 63, 46.5, truncated=1.0)]
    assert not (tmp_path / "out" / "labels" / "unlabelled.txt").exists()
    assert labelmap.read_label_map(tmp_path / "out" / "label_map.pbtxt") == {"dog": 1}


def test_coco_as_it_is_published(tmp_path):
    """annotations/instances_val.json beside val/, ids with gaps, a crowd, an empty image."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "val" / name).write_bytes(jpeg())
    data = {
        "info": {},
        "images": [
            {"id": 7, "file_name": "1.jpg", "width": 64, "height": 48},
            {"id": 9, "file_name": "2.jpg", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [0.5, 1.25, 10, 20.1]},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 64, 48], "iscrowd": 1},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
    }
    path = tmp_path / "annotations" / "instances_val.json"
    path.write_text(json.dumps(data))
    totals = convert_to(tmp_path / "out", "coco", path)
    assert totals == {"person": 0, "dog": 1}
    ids = labelmap.read_label_map(tmp_path / "out" / "label_map.pbtxt")
    assert ids == {"person": 1, "dog": 18}
    assert labels_in(tmp_path / "out", "1") == [
        label("dog", 0.5, 1.25, 9.5, 20.35),
        label("DontCare", 0, 0, 63, 47),
    ]
    assert labels_in(tmp_path / "out", "2") == []


def test_yolo_in_folders_a_split_with_six_digits_and_images_without_labels(tmp_path):
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / "src" / kind / split).mkdir(parents=True)
        (tmp_path / "src" / "images" / split / "x.jpg").write_bytes(jpeg())
    # A full frame, and one that starts at pixel 0; rounding may lead past the edge.
    (tmp_path / "src" / "labels" / "train" / "x.txt").write_text(
        "1 0.500000 0.500001 1.000000 1.000000\n0 0.164063 0.500000 0.328125 0.333333\n"
    )
    (tmp_path / "src" / "data.yaml").write_text("names: [cat, dog]\nnc: 2\n")
    convert_to(tmp_path / "out", "yolo", tmp_path / "src")
    first, second = labels_in(tmp_path / "out", "train_x")
    assert (first.type, second.type) == ("dog", "cat")
    assert first.bbox == pytest.approx((0, 0, 63, 47), abs=1e-3)
    assert second.bbox == pytest.approx((0, 16, 20, 31), abs=1e-3)
    assert labels_in(tmp_path / "out", "val_x") == []
    with (tmp_path / "out" / SOURCES).open(newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["train_x", "images/train/x.jpg"],
            ["val_x", "images/val/x.jpg"],
        ]


def image_bytes(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def grey(shape=(48, 64), kind=np.uint8):
    return Image.fromarray(np.arange(np.prod(shape)).reshape(shape).astype(kind))


def oriented(number):
    exif = Image.Exif()
    exif[0x0112] = number
    picture = Image.new("RGB", (64, 48))
    picture.paste((255, 255, 255), (0, 0, 32, 24))  # white upper left corner, as stored
    return image_bytes(picture, "JPEG", exif=exif, quality=95)


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (jpeg(), ".jpg"),
        (image_bytes(grey()), ".png"),
        (image_bytes(grey(), "JPEG"), ".jpg"),
        (image_bytes(grey().convert("P")), ".png"),
        (image_bytes(Image.new("RGBA", (64, 48))), ".png"),
        (oriented(1), ".jpg"),
    ],
    ids=["JPEG", "grey PNG", "grey JPEG", "palette", "transparent", "upright"],
)
def test_images_that_the_api_reads_as_they_are_keep_every_byte(data, suffix):
    assert pixels.upright(data, "x", turn=True) == (data, suffix, (64, 48), "")


@pytest.mark.parametrize(("orientation", "corner"), [(3, (1, 1)), (6, (1, 0)), (8, (0, 1))])
def test_a_photo_with_an_exif_orientation_is_turned_upright(orientation, corner):
    data, suffix, size, done = pixels.upright(oriented(orientation), "x", turn=True)
    assert (suffix, done) == (".jpg", "turned")
    assert size == ((64, 48) if orientation == 3 else (48, 64))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == size and image.getexif().get(0x0112, 1) == 1
        bright = np.asarray(image.convert("L")) > 128
    halves = bright.reshape(2, size[1] // 2, 2, size[0] // 2).mean((1, 3))
    expected = np.zeros((2, 2))
    expected[corner[1], corner[0]] = 1
    assert halves == pytest.approx(expected, abs=0.05)


def test_cmyk_becomes_rgb_and_other_files_become_png():
    cmyk = Image.new("CMYK", (64, 48), (0, 255, 255, 0))  # red
    data, suffix, _, done = pixels.upright(image_bytes(cmyk, "JPEG"), "x", turn=True)
    assert (suffix, done) == (".jpg", "to RGB")
    red = np.asarray(Image.open(io.BytesIO(data)))[20, 20]
    assert red[0] > 200 and red[1] < 60 and red[2] < 60
    picture = Image.open(io.BytesIO(jpeg()))
    for kind in ("BMP", "TIFF"):
        data, suffix, size, done = pixels.upright(image_bytes(picture, kind), "x", turn=True)
        assert (suffix, size, done) == (".png", (64, 48), "to PNG")
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(picture))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (image_bytes(grey(kind=np.uint16)), "x has 16 bits a channel: make it one of 8 bits"),
        (image_bytes(grey(kind=np.uint16), "TIFF"), "x has 16 bits a channel"),
        (image_bytes(grey(kind=np.float32), "TIFF"), "x has floating point"),
        (
            image_bytes(grey(), "TIFF", save_all=True, append_images=[grey()]),
            "x holds 2 pictures",
        ),
        (jpeg()[:-300], "x is cut or damaged"),
        (b"", "x is empty"),
        (b"GIF89a", "x is not a JPEG, PNG, BMP, TIFF or WebP image"),
    ],
)
def test_an_image_that_cannot_be_taken_is_refused_by_name(data, message):
    with pytest.raises(UserError, match=message):
        pixels.upright(data, "x", turn=True)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "group4"])
def test_a_damaged_tiff_is_told_in_the_error_alone(compression, capfd):
    picture = Image.open(io.BytesIO(jpeg())).resize((16, 12))
    picture = picture.convert("1") if compression == "group4" else picture
    whole = image_bytes(picture, "TIFF", compression=compression)
    refused = set()
    for place in range(len(whole)):
        try:
            pixels.upright(whole[:place] + b"\x99" + whole[place + 1 :], "x", turn=True)
        except UserError as error:
            refused.add(str(error))
    assert len(refused) > 2
    assert capfd.readouterr().err == ""


def test_the_two_pictures_of_a_phones_jpeg_count_as_one():
    picture = Image.open(io.BytesIO(jpeg()))
    data = image_bytes(picture, "MPO", save_all=True, append_images=[picture])
    assert pixels.upright(data, "x", turn=True) == (data, ".jpg", (64, 48), "")


def test_a_box_for_the_unturned_picture_is_noticed_and_can_be_kept(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "x.jpg").write_bytes(oriented(6))
    (tmp_path / "src" / "x.xml").write_text(voc_xml(("dog", 1, 1, 32, 24, "")))
    with pytest.raises(UserError, match=r"an image of 64 x 48, this one is 48 x 64.*--exif ignore"):
        convert_to(tmp_path / "out", "voc", tmp_path / "src")
    convert_to(tmp_path / "out", "voc", tmp_path / "src", turn=False)
    assert (tmp_path / "out" / "images" / "x.jpg").read_bytes() == oriented(6)
    assert labels_in(tmp_path / "out", "x") == [label("dog", 0, 0, 31, 23)]
    with pytest.raises(UserError, match="has an EXIF orientation"):
        export("coco", tmp_path / "out", tmp_path / "coco", classes={"dog": 1})


@pytest.mark.parametrize(
    ("box", "message", "mended", "done"),
    [
        ((-0.5, 0, 63.8, 47), None, (0, 0, 63, 47), "boxes cut at their image's edge"),
        ((-5, 0, 10, 10), "reaches out", (0, 0, 10, 10), "boxes cut at their image's edge"),
        ((70, 0, 80, 10), "reaches out", None, "boxes outside of their image left out"),
        ((10, 5, 9.5, 8), "is narrower than a pixel", (10, 5, 10, 8), "boxes widened to a pixel"),
        ((10, 5, 9, 8), "has no area", None, "boxes of no area left out"),
        ((10, 5, 3, 8), "has no area", None, "boxes of no area left out"),
    ],
)
def test_boxes_that_are_not_correct_are_refused_or_mended_on_demand(box, message, mended, done):
    labels, size = [label("dog", *box)], (64, 48)
    if message:
        with pytest.raises(UserError, match=f"x: the box .* of 'dog' {message}"):
            convert.fit(labels, size, "x", convert.Settings())
    found, counts = convert.fit(labels, size, "x", convert.Settings(mend=True))
    assert [one.bbox for one in found] == ([mended] if mended else [])
    assert counts == Counter({done: 1})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def source_with(name, tmp_path, text):
    """A data set of one image in a format, with a wrong annotation."""
    places = {"voc": "x.xml", "coco": "x.json", "csv": "x.csv", "yolo": "labels/x.txt"}
    image = tmp_path / ("images/x.jpg" if name == "yolo" else "x.jpg")
    write(tmp_path / places[name], text)
    write(tmp_path / "classes.txt", "cat\n")
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(jpeg())
    return tmp_path


def coco_json(bbox=(0, 0, 5, 5), category=1, image=1):
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "x.jpg", "width": 64, "height": 48}],
            "annotations": [
                {"id": 5, "image_id": image, "category_id": category, "bbox": list(bbox)}
            ],
            "categories": [{"id": 1, "name": "cat"}],
        }
    )


HEADER = "filename,class,xmin,ymin,xmax,ymax\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("voc", "<annotation>", r"x\.xml is not XML"),
        ("voc", "<svg/>", r"x\.xml holds <svg> where VOC has <annotation>"),
        ("voc", voc_xml(size=(32, 48)), r"x\.xml: it was made for an image of 32 x 48"),
        ("voc", voc_xml(("dog", "", 1, 2, 3, "")), r"line 1: dog's xmin is '', not a number"),
        ("voc", voc_xml(("", 1, 1, 2, 3, "")), "an object without a name"),
        ("coco", "{", r"x\.json is not JSON"),
        ("coco", "[]", r"x\.json is not a COCO file of boxes"),
        ("coco", coco_json((1, 2)), r"annotation 5 of x\.jpg: it has no bbox of four numbers"),
        ("coco", coco_json((1, 2, "a", 3)), "bbox is 'a', not a number"),
        ("coco", coco_json(category=4), "annotation 5 is of category 4, not listed"),
        ("coco", coco_json(image=4), "annotation 5 is of image 4, not listed"),
        ("coco", coco_json((60, 2, 30, 5)), r"x\.jpg: the box 60 2 89 6 of 'cat' reaches out"),
        ("yolo", "0 0.5 0.5 0.1\n", r"x\.txt, line 1: 4 fields where a box has 5"),
        ("yolo", "\n1 0.5 0.5 0.1 0.1\n", r"line 2: class '1': 1 are named, counted from 0"),
        ("yolo", "0 32 24 10 10\n", "its numbers are pixels, not shares"),
        ("yolo", "0 0.5 0.5 nan 0.1\n", "'nan', not a finite number"),
        ("csv", "x.jpg,1,2,3,4,cat\n", "no column filename, class, xmin, ymin, xmax, ymax"),
        ("csv", HEADER + "x.jpg,cat,1,2,3\n", "line 2: not as many fields as columns"),
        ("csv", HEADER + "x.jpg,cat,1,2,3,\n", "line 2: the class or a side of the box is empty"),
        ("csv", HEADER + "x.jpg,cat,1,2,3,b\n", "line 2: ymax is 'b', not a number"),
        ("csv", HEADER + "y.jpg,cat,1,2,3,4\n", r"y\.jpg is missing"),
    ],
)
def test_a_wrong_annotation_is_named_and_nothing_is_left_behind(name, text, message, tmp_path):
    src = source_with(name, tmp_path / "src", text)
    with pytest.raises(UserError, match=message):
        convert_to(tmp_path / "out", name, src)
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_two_images_of_one_frame_name_are_refused(tmp_path):
    for folder in ("a/b_x.jpg", "a_b/x.jpg"):
        write(tmp_path / "images" / folder, "")
    write(tmp_path / "classes.txt", "cat\n")
    with pytest.raises(UserError, match="would both become the frame a_b_x: rename one"):
        convert_to(tmp_path / "out", "yolo", tmp_path)


def test_a_label_map_may_be_given_and_other_classes_are_refused(tmp_path):
    src = source_with("csv", tmp_path / "src", HEADER + "x.jpg,cat,1,2,3,4\n")
    own = tmp_path / "own.pbtxt"
    labelmap.write_label_map(own, {"dog": 1, "cat": 2})
    assert convert_to(tmp_path / "out", "csv", src, label_map=own) == {"dog": 0, "cat": 1}
    assert labelmap.read_label_map(tmp_path / "out" / "label_map.pbtxt") == {"dog": 1, "cat": 2}
    labelmap.write_label_map(own, {"dog": 1})
    with pytest.raises(UserError, match="unknown class 'cat': known are dog"):
        convert_to(tmp_path / "out2", "csv", src, label_map=own)


def test_what_stands_there_is_never_lost(tmp_path):
    src = source_with("csv", tmp_path / "src", HEADER + "x.jpg,cat,1,2,3,4\n")
    write(tmp_path / "out" / "mine.txt", "mine")
    with pytest.raises(UserError, match="is there already"):
        convert_to(tmp_path / "out", "csv", src)
    convert_to(tmp_path / "out", "csv", src, overwrite=True)
    assert (tmp_path / "out.1" / "mine.txt").read_text() == "mine"
    assert labels_in(tmp_path / "out", "x") == [label("cat", 1, 2, 3, 4)]


def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    data = write_data(tmp_path / "data")
    for workers in (1, 2):
        convert.convert(
            "kitti",
            data,
            tmp_path / str(workers),
            options=Options(),
            settings=convert.Settings(),
            label_map=None,
            workers=workers,
        )
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_the_records_find_the_label_map_and_names_with_spaces_by_themselves(step, tmp_path):
    data = write_data(tmp_path / "data")
    done = step("create_tfrecords.sh", "--data", data, "--workers", 1, "--val-size", 1)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((data / "tfrecords" / "manifest.json").read_text())
    assert manifest["settings"]["classes"] == CLASSES
    assert sum(split["boxes"] for split in manifest["splits"].values()) == 4


def test_egohands_goes_its_own_way(step, archive, tmp_path):
    done = step("tools/prepare_dataset.py", "--format", "egohands", archive, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 12


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--format", "gif", "a", "b"], "invalid choice"),
        (["--format", "coco", "a"], "required: OUT"),
        (["--format", "coco", "--first-pixel", "1", "a", "b"], "--first-pixel is for voc and csv"),
        *(
            (["--format", "egohands", *option, "a", "b"], f"{option[0]} is not for egohands")
            for option in (
                ["--images", "c"],
                ["--label-map", "c"],
                ["--exif", "ignore"],
                ["--mend"],
            )
        ),
    ],
)
def test_misuse_exits_with_2(step, args, message):
    wrong = step("tools/prepare_dataset.py", *args)
    assert wrong.returncode == 2
    assert message in wrong.stderr


def test_a_source_that_is_not_there_is_one_clear_line(step, tmp_path):
    failed = step("tools/prepare_dataset.py", "--format", "voc", tmp_path / "no", tmp_path / "out")
    assert failed.returncode == 1
    assert failed.stderr == f"error: there is no {tmp_path}/no\n"
