"""KITTI labels: what is written is read back, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_data import kitti_folder

from hand_detection import kitti
from hand_detection.console import UserError

GOOD = "hand 0 0 0 1 2 30 40 0 0 0 0 0 0 0"


def label_file(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_what_is_written_is_read_back_to_the_last_digit(tmp_path):
    labels = [
        kitti.Label("hand", (0, 0, 0, 719)),
        kitti.Label("hand", (0.1, 1 / 3, 1234.56789, 5), 0.5, 2, -1.5, (1, 2, 3), (4, 5, 6), 0.25),
    ]
    (tmp_path / "a.txt").write_text(kitti.labels_text(labels))
    assert kitti.read_labels(tmp_path / "a.txt", size=(1280, 720), classes=["hand"]) == labels
    lines = (tmp_path / "a.txt").read_text().splitlines()
    assert [len(line.split()) for line in lines] == [15, 15]
    assert lines[0] == "hand 0 0 0 0 0 0 719 0 0 0 0 0 0 0"


def test_an_image_without_an_object_has_an_empty_file(tmp_path):
    (tmp_path / "a.txt").write_text(kitti.labels_text([]))
    assert (tmp_path / "a.txt").read_bytes() == b""
    assert kitti.read_labels(tmp_path / "a.txt") == []


@pytest.mark.parametrize(
    "content",
    [
        GOOD + "\r\n" + GOOD + "\r\n",
        b"\xef\xbb\xbf" + (GOOD + "\n\n" + GOOD).encode(),
        GOOD.replace(" ", "\t") + " \n  " + GOOD,
    ],
    ids=["CRLF", "byte order mark and blank line", "tabs and spaces"],
)
def test_what_editors_do_to_text_is_read(tmp_path, content):
    labels = kitti.read_labels(label_file(tmp_path, content))
    assert [label.bbox for label in labels] == [(1, 2, 30, 40)] * 2


def test_boxes_may_touch_every_edge_and_be_one_pixel_wide(tmp_path):
    lines = "\n".join(f"hand 0 0 0 {box} 0 0 0 0 0 0 0" for box in ("0 0 63 47", "5 0 5 9"))
    labels = kitti.read_labels(label_file(tmp_path, lines), size=(64, 48))
    assert [label.bbox for label in labels] == [(0, 0, 63, 47), (5, 0, 5, 9)]


def test_dont_care_regions_are_known_by_name_and_need_no_class(tmp_path):
    line = "DontCare -1 -1 -10 1 2 30 40 -1 -1 -1 -1000 -1000 -1000 -10"
    (label,) = kitti.read_labels(label_file(tmp_path, line), classes=["hand"])
    assert label.dont_care


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD + " 0.9", "16 fields where a KITTI label has 15"),
        ("hand 0 0 0 1 2 30", "7 fields"),
        (GOOD.replace("30", "3O"), "xmax is '3O', not a number"),
        (GOOD.replace("30", "30,"), "xmax is '30,', not a number"),
        (GOOD.replace("30", "3_0"), "xmax is '3_0', not a finite number"),
        (GOOD.replace("30", "nan"), "xmax is 'nan', not a finite number"),
        (GOOD.replace("40", "inf"), "ymax is 'inf', not a finite number"),
        (GOOD.replace("hand 0 0", "hand 0 0.5"), "occluded is 0.5, not a whole number"),
        (GOOD.replace("30", "0"), "the box is reversed: xmin 1 ymin 2 xmax 0 ymax 40"),
        (GOOD.replace("40", "1"), "the box is reversed"),
        (GOOD.replace("1 2", "-1 2"), "reaches out of the image of 64 x 48"),
        (GOOD.replace("30", "64.5"), "reaches out of the image of 64 x 48"),
        (GOOD.replace("40", "49"), "the box 1 2 30 49 reaches out of the image of 64 x 48"),
        (GOOD.replace("hand", "Hand"), "unknown class 'Hand': the label map has hand, face"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_what_is_wrong(tmp_path, line, message):
    path = label_file(tmp_path, f"{GOOD}\n{line}\n{GOOD}\n")
    with pytest.raises(UserError) as error:
        kitti.read_labels(path, size=(64, 48), classes=["hand", "face"])
    assert str(error.value).startswith(f"{path}, line 2: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    "content", [GOOD.encode("utf-16"), GOOD.encode("utf-16-le"), b"h\xe4nd 0 0\n"]
)
def test_text_in_another_encoding_is_refused_with_advice(tmp_path, content):
    path = label_file(tmp_path, content)
    with pytest.raises(UserError, match=r"a\.txt is not UTF-8 text.*save it as UTF-8"):
        kitti.read_labels(path)


def test_frames_are_listed_by_name_and_hidden_files_passed_over(tmp_path):
    data = kitti_folder(tmp_path / "data")
    (data / "images" / ".a.jpg.partial").write_bytes(b"")
    (data / "images" / "Thumbs.db").write_bytes(b"")
    frames = kitti.list_frames(data)
    assert len(frames) == 10
    assert [frame.name for frame in frames] == sorted(frame.name for frame in frames)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: (d / "labels/SOME_OTHER_VIDEO_frame_0002.txt").unlink(), "needs an empty one"),
        (lambda d: (d / "images/SOME_OTHER_VIDEO_frame_0002.jpg").unlink(), "without an image"),
        (lambda d: (d / "images/SOME_OTHER_VIDEO_frame_0002.png").touch(), "share one label file"),
        (lambda d: (d / "labels").rename(d / "label"), "has no folder labels/"),
    ],
)
def test_an_image_and_its_label_file_belong_together(tmp_path, change, message):
    data = kitti_folder(tmp_path / "data")
    change(data)
    with pytest.raises(UserError, match=message):
        kitti.list_frames(data)
