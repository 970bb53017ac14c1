"""EgoHands: the official boxes and split, and archives that are not what they should be."""

from __future__ import annotations

import io
import stat
import zipfile

import numpy as np
import pytest
from scipy.io import savemat
from small_data import FIELDS, archive_members, jpeg, polygons_mat, write_archive

from hand_detection import egohands
from hand_detection.console import UserError


def box(*points: tuple[float, float]) -> tuple[int, int, int, int]:
    return egohands.official_box(np.array(points, np.float64), 1280, 720)


def test_the_official_boxes_of_the_real_frames_are_met_to_the_pixel(real_frames):
    official = {}
    for line in (real_frames / "official_boxes.txt").read_text().splitlines():
        video, frame, *numbers = line.split()
        boxes = [tuple(map(int, numbers[i : i + 4])) for i in range(0, len(numbers), 4)]
        official[video, int(frame)] = sorted(boxes)
    archive = real_frames / "egohands_data_300.zip"
    hands = 0
    with zipfile.ZipFile(archive) as file:
        for video in egohands.read_index(archive):
            data = egohands.read_member(file, video.polygons)
            records = egohands.read_polygons(data, video.name, len(video.frames))
            for frame, polygons in zip(video.frames, records, strict=True):
                boxes = []
                for polygon in polygons:
                    xmin, ymin, xmax, ymax = egohands.official_box(polygon, 1280, 720)
                    boxes.append((xmin, ymin, xmax - xmin + 1, ymax - ymin + 1))
                number = int(frame.filename[-8:-4])
                assert sorted(boxes) == official[video.name, number], (video.name, number)
                hands += len(boxes)
    assert hands == 800


def test_halves_are_rounded_away_from_zero_as_matlab_does():
    assert box((10.5, 20.5), (12.5, 23.49)) == (11, 21, 13, 23)
    assert box((0.49999999999999994, 2.5), (1, 3)) == (1, 3, 1, 3)


def test_a_box_is_clamped_to_the_frame():
    assert box((-30.2, -1), (1300, 800)) == (1, 1, 1280, 720)
    assert box((1290, 5), (1300, 9)) == (1280, 5, 1280, 9)
    assert box((7, 7)) == (7, 7, 7, 7)


def test_the_official_split_has_36_8_and_4_videos():
    assert (len(egohands.TEST), len(egohands.VAL)) == (8, 4)
    assert len({*egohands.TEST, *egohands.VAL}) == 12
    assert egohands.split_of("CARDS_OFFICE_S_B") == "test"
    assert egohands.split_of("PUZZLE_OFFICE_S_T") == "val"
    assert egohands.split_of("A_VIDEO_OF_MINE") == "train"


def test_record_i_belongs_to_frame_i_in_file_name_order(archive):
    video = egohands.read_index(archive)[0]
    assert [video.frame_name(frame) for frame in video.frames] == [
        f"CARDS_OFFICE_S_B_frame_{number:04d}" for number in (1, 11, 21, 31)
    ]
    with zipfile.ZipFile(archive) as file:
        records = egohands.read_polygons(file.read(video.polygons), video.name, 4)
    assert [len(record) for record in records] == [0, 1, 2, 3]


def mat(**variables: object) -> bytes:
    out = io.BytesIO()
    savemat(out, variables)
    return out.getvalue()


SQUARE = [[1.0, 1.0], [5.0, 1.0], [5.0, 5.0]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (polygons_mat([[SQUARE]]), r"V: polygons\.mat has 1 records, shape \(1, 1\), for 2 frames"),
        (polygons_mat([[], [None, [[1, np.nan]]]]), "record 2, myright: a coordinate is NaN"),
        (polygons_mat([[[[np.inf, 1]]], []]), "record 1, myleft: a coordinate is NaN or infinite"),
        (polygons_mat([[[[1, 2, 3]]], []]), r"record 1, myleft: shape \(1, 3\)"),
        (mat(other=1), "has no variable 'polygons'"),
        (mat(polygons=np.zeros((1, 2))), "polygons has no field myleft, myright"),
        (mat(polygons=dict.fromkeys(FIELDS, "text")), "record 1, myleft: text, cells, objects"),
        (mat(polygons=dict.fromkeys(FIELDS, 1.0)), "has 1 records"),
        (polygons_mat([[SQUARE], []])[:300], r"polygons\.mat is not a MATLAB 5 file"),
        (b"", "is not a MATLAB 5 file"),
    ],
)
def test_wrong_polygons_are_named_with_video_and_record(data, message):
    with pytest.raises(UserError, match=message):
        egohands.read_polygons(data, "V", 2)


def test_members_that_are_not_wanted_are_passed_over(tmp_path):
    members = archive_members(1) | {
        "../evil.jpg": b"x",
        "/etc/evil.jpg": b"x",
        "_LABELLED_SAMPLES/../../frame_0001.jpg": b"x",
        "_LABELLED_SAMPLES/A/B/frame_0001.jpg": b"x",
        "_LABELLED_SAMPLES/CARDS_OFFICE_S_B/notes.txt": b"x",
    }
    (video,) = egohands.read_index(write_archive(tmp_path / "a.zip", members))
    assert (video.name, len(video.frames)) == ("CARDS_OFFICE_S_B", 4)


def test_a_symbolic_link_in_the_archive_is_refused(tmp_path):
    path = write_archive(tmp_path / "a.zip", archive_members(1))
    link = zipfile.ZipInfo("_LABELLED_SAMPLES/CARDS_OFFICE_S_B/frame_0002.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match=r"frame_0002\.jpg is a symbolic link"):
        egohands.read_index(path)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.txt": b"x"}, "is no EgoHands archive"),
        ({"_LABELLED_SAMPLES/A/frame_0001.jpg": jpeg()}, r"video A has no polygons\.mat"),
        ({"_LABELLED_SAMPLES/A/polygons.mat": b"x"}, "video A has no frame_NNNN"),
        ({"_LABELLED_SAMPLES/A/polygons.mat": bytes(65 << 20)}, "bytes: too many"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path, members, message):
    with pytest.raises(UserError, match=message):
        egohands.read_index(write_archive(tmp_path / "a.zip", members))


def test_half_an_archive_is_not_taken_for_whole(tmp_path, archive):
    half = tmp_path / "half.zip"
    half.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"half\.zip is not a whole zip archive"):
        egohands.read_index(half)
