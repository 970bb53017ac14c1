"""Outlines: kept beside the labels, from EgoHands' and COCO's files on, and written back."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from small_data import add_outlines, archive_members, contents, jpeg, kitti_folder, write_archive

from hand_detection import kitti, labelmap, masks, polygons
from hand_detection.console import UserError
from hand_detection.formats import convert
from hand_detection.formats.base import Options
from hand_detection.formats.export import export

FRAME = "CARDS_OFFICE_S_B_frame_0031"  # with three hands


@pytest.fixture
def prepare(step, tmp_path):
    def run(archive, *args):
        options = ("--out", tmp_path / "out", "--workers", 1, "--archive", archive)
        return step("prepare_egohands.py", *options, *args)

    return run


def labels_of(data, name):
    path = data / "labels" / f"{name}.txt"
    return polygons.attach(kitti.read_labels(path), path)


def test_egohands_outlines_count_from_0_in_the_order_of_the_labels(prepare, archive, tmp_path):
    assert prepare(archive).returncode == 0
    found = labels_of(tmp_path / "out", FRAME)
    assert [label.polygon for label in found] == [
        ((2.5 + by, 3.25 + by, 19.5 + by, 3.25 + by, 19.5 + by, 29 + by),) for by in (0, 5, 10)
    ]
    lines = (tmp_path / "out" / "polygons" / f"{FRAME}.json").read_text().splitlines()
    assert lines[:2] == ["[", "[[2.5,3.25,19.5,3.25,19.5,29]],"]
    # 0, 1, 2 and 3 hands in the four frames of each video.
    assert len(list((tmp_path / "out" / "polygons").iterdir())) == 9


def test_a_set_prepared_before_gets_its_outlines_by_the_same_command(prepare, archive, tmp_path):
    prepare(archive)
    whole = contents(tmp_path / "out" / "polygons")
    shutil.rmtree(tmp_path / "out" / "polygons")
    done = prepare(archive)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out" / "polygons") == whole
    assert "already done" in prepare(archive).stdout


def test_an_outline_edited_by_hand_is_never_lost(prepare, archive, tmp_path):
    prepare(archive)
    path = tmp_path / "out" / "polygons" / f"{FRAME}.json"
    path.write_text("[null, null, null]")
    done = prepare(archive)
    assert done.returncode == 1
    assert f"{FRAME}.json is not what the archive gives" in done.stderr.splitlines()[-1]
    assert path.read_text() == "[null, null, null]"
    assert prepare(archive, "--overwrite").returncode == 0
    assert path.read_text().startswith("[\n[[2.5,")


def test_real_masks_lie_inside_their_boxes_and_fill_them(real_frames, step, tmp_path):
    options = ("--out", tmp_path, "--archive", real_frames / "egohands_data_300.zip")
    assert step("prepare_egohands.py", *options, "--workers", 2).returncode == 0
    shares = []
    for frame in kitti.list_frames(tmp_path)[::10]:
        for label in labels_of(tmp_path, frame.name):
            mask = masks.rasterise(label.polygon, (1280, 720))
            rows, columns = np.nonzero(mask)
            xmin, ymin, xmax, ymax = label.bbox
            inside = (columns.min() - xmin, rows.min() - ymin, xmax - columns.max())
            inside += (ymax - rows.max(),)
            assert all(0 <= gap <= 2 for gap in inside), (frame.name, inside)
            # These are 24-gons inscribed into the box, nearly ellipses.
            shares.append(mask.sum() / ((xmax - xmin + 1) * (ymax - ymin + 1)))
    assert len(shares) > 60
    assert np.mean(shares) == pytest.approx(np.pi / 4, rel=0.03)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("{}", "it is not a list of outlines"),
        ("[null]", "1 outlines for the 2 objects of "),
        ("[null, 5]", "outline 2 is not a list of rings"),
        ("[null, []]", "outline 2 is not a list of rings"),
        ("[null, [[1, 2, 3]]]", "outline 2 is not a list of rings"),
        ("[[[1, 2, NaN, 4]], null]", "outline 1 is not a list of rings"),
        ('[[["1", 2]], null]', "outline 1 is not a list of rings"),
        ("\xff", "can't decode"),
    ],
)
def test_a_wrong_file_is_named(text, message, tmp_path):
    data = kitti_folder(tmp_path / "data")
    label = min((data / "labels").iterdir())
    label.write_text("hand 0 0 0 1 0 17 24 0 0 0 0 0 0 0\n" * 2)
    path = polygons.file_of(label)
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        polygons.attach(kitti.read_labels(label), label)
    assert f"{path.name}: " in str(caught.value)
    assert message in str(caught.value)


def convert_to(out, name, src):
    convert.convert(
        name,
        src,
        out,
        options=Options(),
        settings=convert.Settings(),
        label_map=None,
        workers=1,
    )


RINGS = [[1.5, 2.25, 10.75, 2.25, 10.75, 20.333], [30, 30, 40, 30, 35, 40.5]]


def coco_file(folder, *annotations):
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.jpg").write_bytes(jpeg())
    common = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 40, 40]}
    data = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [
            {"id": id_, **common, **annotation} for id_, annotation in enumerate(annotations, 1)
        ],
        "categories": [{"id": 1, "name": "hand"}],
    }
    (folder / "annotations.json").write_text(json.dumps(data))
    return folder


def test_cocos_outlines_survive_and_come_back(tmp_path, capsys):
    src = coco_file(tmp_path / "src", {"segmentation": RINGS}, {}, {"segmentation": []})
    convert_to(tmp_path / "data", "coco", src)
    outlined, *others = labels_of(tmp_path / "data", "a")
    # The centre of COCO's first pixel is 0.5, 0.5; of ours, 0, 0.
    assert outlined.polygon[1] == (29.5, 29.5, 39.5, 29.5, 34.5, 40)
    assert [label.polygon for label in others] == [None, None]
    export("coco", tmp_path / "data", tmp_path / "back", classes={"hand": 1})
    first, *others = json.loads((tmp_path / "back" / "annotations.json").read_text())["annotations"]
    assert first["segmentation"] == RINGS
    assert first["area"] == pytest.approx(9.25 * 18.083 / 2 + 10 * 10.5 / 2)
    assert not any("segmentation" in annotation for annotation in others)
    assert "not outlines" not in capsys.readouterr().out
    # And the mask is the one that pycocotools makes of COCO's own file.
    from pycocotools import mask

    theirs = mask.decode(mask.merge(mask.frPyObjects(RINGS, 48, 64))).astype(bool)
    assert (masks.rasterise(outlined.polygon, (64, 48)) == theirs).all()


def test_masks_that_are_no_outlines_are_counted_and_a_crowds_is_none(tmp_path, capsys):
    lengths = {"size": [48, 64], "counts": [0, 48 * 64]}
    src = coco_file(
        tmp_path / "src",
        {"segmentation": lengths},
        {"segmentation": [[1, 2, 3]]},
        {"segmentation": [["1", 2]]},
        {"segmentation": lengths, "iscrowd": 1},
    )
    convert_to(tmp_path / "data", "coco", src)
    assert "3 masks are not outlines" in capsys.readouterr().out
    assert not (tmp_path / "data" / "polygons").exists()


def test_formats_without_a_place_for_outlines_say_so(tmp_path, capsys):
    data = add_outlines(kitti_folder(tmp_path / "data"))
    export("yolo", data, tmp_path / "yolo", classes={"hand": 1})
    assert "9 outlines are left out" in capsys.readouterr().out
    export("coco", data, tmp_path / "coco", classes={"hand": 1})
    assert "outlines are left out" not in capsys.readouterr().out


def test_this_projects_own_layout_keeps_them(tmp_path):
    data = add_outlines(kitti_folder(tmp_path / "data"))
    labelmap.write_label_map(data / labelmap.FILE, {"hand": 1})
    convert_to(tmp_path / "out", "kitti", data)
    for frame in kitti.list_frames(data):
        assert labels_of(tmp_path / "out", frame.name) == labels_of(data, frame.name)


def test_egohands_through_coco_and_back(prepare, archive, tmp_path):
    prepare(archive)
    export("coco", tmp_path / "out", tmp_path / "coco", classes={"hand": 1})
    convert_to(tmp_path / "back", "coco", tmp_path / "coco")
    for folder in ("labels", "polygons"):
        assert contents(tmp_path / "back" / folder) == contents(tmp_path / "out" / folder)


def test_a_video_without_hands_needs_no_file(prepare, tmp_path):
    from small_data import polygons_mat

    members = archive_members(videos=1, frames=1)
    members["_LABELLED_SAMPLES/CARDS_OFFICE_S_B/polygons.mat"] = polygons_mat([[]])
    done = prepare(write_archive(tmp_path / "none.zip", members))
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out" / "polygons") == {}
