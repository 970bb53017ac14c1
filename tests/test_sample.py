"""The generated data set: EgoHands' layout, honest polygons, the same bytes every time."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import default_rng
from scipy.io import loadmat

from hand_detection import sample
from hand_detection.egohands import TEST, VAL
from hand_detection.sample.archive import FOLDER
from hand_detection.sample.layers import Layer, outline, visible_hands
from hand_detection.sample.motion import Drift, Moment, make_actions
from hand_detection.sample.names import ACTIVITIES, HANDS, names
from hand_detection.sample.scene import make_scene
from hand_detection.sample.video import camera_at, draw_frame

SMALL = (320, 180)


def members(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def polygons_of(files: dict[str, bytes], video: str) -> np.ndarray:
    data = files[f"{FOLDER}/{video}/polygons.mat"]
    return loadmat(io.BytesIO(data))["polygons"]


def box(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """xmin, ymin, xmax, ymax in the frame, 1-based, as EgoHands' own code takes it."""
    clamped = np.clip(np.rint(polygon), 1, size)
    return np.concatenate([clamped.min(0), clamped.max(0)])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 videos of 14 frames, small."""
    path = tmp_path_factory.mktemp("sample") / "egohands_data.zip"
    sample.generate(path, videos=15, frames=14, size=SMALL, workers=1)
    return path


@pytest.fixture(scope="module")
def files(archive: Path) -> dict[str, bytes]:
    return members(archive)


def test_layout(files: dict[str, bytes]) -> None:
    videos = names(15)
    expected = {"README.txt", "metadata.mat"}
    expected |= {f"{FOLDER}/{video}/polygons.mat" for video in videos}
    assert {name for name in files if not name.endswith(".jpg")} == expected
    for video in videos:
        frames = [name for name in files if name.startswith(f"{FOLDER}/{video}/frame_")]
        assert len(frames) == 14
        assert all(re.fullmatch(r".*/frame_\d{4}\.jpg", name) for name in frames)
        steps = np.diff(sorted(int(name[-8:-4]) for name in frames))
        assert steps.min() >= 1
        assert len(set(steps)) > 1
        assert polygons_of(files, video).shape == (1, 14)
    assert b"generated" in files["README.txt"]
    assert b"seed 0" in files["README.txt"]


def test_videos_stand_in_every_part_of_the_official_split() -> None:
    assert len(set(names(15)) & {*TEST}) == 3
    assert len(set(names(15)) & {*VAL}) == 2
    assert set(names(5)) & {*TEST}
    assert set(names(5)) & {*VAL}
    every = names(48)
    assert set(every) > {*TEST, *VAL}
    # A partner's view of the same game is a video of its own.
    assert all("_".join([*name.split("_")[:2], *name.split("_")[:1:-1]]) in every for name in every)
    many = names(1000)
    assert many[:48] == every
    assert len(set(many)) == 1000
    form = r"(CARDS|CHESS|JENGA|PUZZLE)_(COURTYARD|LIVINGROOM|OFFICE)_[A-Z]_[A-Z]"
    assert all(re.fullmatch(form, name) for name in many)


def test_polygons_are_as_matlab_wrote_them(files: dict[str, bytes]) -> None:
    full = empty = beyond = fractional = 0
    for video in names(15):
        records = polygons_of(files, video)
        assert records.dtype.names == HANDS
        for record in records[0]:
            for polygon in record:
                if not polygon.size:
                    assert polygon.shape == (0, 0)
                    assert polygon.dtype == np.uint8
                    empty += 1
                    continue
                assert polygon.dtype == np.float64
                assert polygon.ndim == 2
                assert polygon.shape[1] == 2
                assert 20 <= len(polygon) <= 160
                full += 1
                beyond += bool((polygon < 0.5).any() or (polygon > np.add(SMALL, 0.5)).any())
                fractional += bool((polygon % 1).any())
    assert empty > 0
    assert beyond > 10
    assert fractional == full


def test_metadata_agrees_with_the_folders(files: dict[str, bytes]) -> None:
    table = loadmat(io.BytesIO(files["metadata.mat"]))["video"]
    assert table.shape == (1, 15)
    for record, name in zip(table[0], names(15), strict=True):
        assert record["video_id"][0] == name
        activity, location, viewer, partner = name.split("_")
        assert record["partner_video_id"][0] == f"{activity}_{location}_{partner}_{viewer}"
        labelled = record["labelled_frames"]
        polygons = polygons_of(files, name)
        for frame, polygon in zip(labelled[0], polygons[0], strict=True):
            number = int(frame["frame_num"].item())
            assert f"{FOLDER}/{name}/frame_{number:04d}.jpg" in files
            assert np.array_equal(frame["yourleft"], polygon["yourleft"])


def test_hands_are_about_as_many_as_in_egohands_and_touch_every_edge(
    files: dict[str, bytes],
) -> None:
    counts: Counter[int] = Counter()
    boxes = []
    for video in names(15):
        for record in polygons_of(files, video)[0]:
            hands = [box(polygon, SMALL) for polygon in record if polygon.size]
            counts[len(hands)] += 1
            boxes += hands
    assert counts[0] >= 1
    assert counts.most_common(1)[0][0] == 4
    assert counts[0] + counts[1] < 0.1 * counts.total()
    edges = np.array(boxes)
    for touches in (edges == [1, 1, *SMALL]).T:
        assert touches.any()
    sides = np.sqrt((edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1])) / SMALL[0]
    assert 0.1 < np.median(sides) < 0.16  # 0.13 in EgoHands


def test_same_seed_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    made = []
    for name, workers, seed in (("one", 1, 3), ("two", 2, 3), ("other", 1, 4)):
        path = tmp_path / f"{name}.zip"
        sample.generate(path, videos=2, frames=3, seed=seed, size=SMALL, workers=workers)
        made.append(path)
    assert made[0].read_bytes() == made[1].read_bytes()
    first, other = members(made[0]), members(made[2])
    assert {name for name in first if name.endswith(".mat")} == {
        name for name in other if name.endswith(".mat")
    }
    assert not {data for name, data in first.items() if name.endswith(".jpg")} & set(other.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zip", "other.zip", "two.zip"]


def test_more_videos_leave_the_first_ones_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "few.zip"
    sample.generate(path, videos=1, frames=4, size=SMALL, workers=1)
    more = tmp_path / "more.zip"
    sample.generate(more, videos=2, frames=4, size=SMALL, workers=1)
    few, all_of_them = members(path), members(more)
    for name in few:
        if name.startswith(FOLDER):
            assert few[name] == all_of_them[name]


def test_frames_are_full_size_jpegs_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "full.zip"
    sample.generate(path, videos=1, frames=2, workers=1)
    for name, data in members(path).items():
        if name.endswith(".jpg"):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert image.shape == (720, 1280, 3)
            assert 25 < image.mean() < 230
            assert image.std() > 15


def test_the_two_hands_of_a_person_seldom_overlap(files: dict[str, bytes]) -> None:
    overlaps = []
    for video in names(15):
        for record in polygons_of(files, video)[0]:
            for whose in ("my", "your"):
                left, right = record[f"{whose}left"], record[f"{whose}right"]
                if left.size and right.size:
                    one, other = box(left, SMALL), box(right, SMALL)
                    meet = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
                    overlaps.append(bool((meet > 0).all()))
    assert len(overlaps) > 100
    assert 0 < np.mean(overlaps) < 0.2


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_polygons_lie_on_the_hands_that_are_drawn(activity: str) -> None:
    """Against a frame without hands: what a polygon encloses has changed."""
    size = (640, 360)
    rng = default_rng(5)
    scene = make_scene(rng, size, activity, "OFFICE")
    scene.grain[:] = 0
    scene.light.shadow = 0.0
    actions = make_actions(rng, scene, 300)
    head = Drift(np.zeros((3, 4)), 1000)
    changed = []
    for time in range(0, 300, 50):
        moment = Moment(time, 0.0, camera_at(head, time, scene))
        bare, none = draw_frame(scene, [], moment, default_rng(0))
        assert not none
        frame, hands = draw_frame(scene, actions, moment, default_rng(0))
        difference = np.abs(frame.astype(int) - bare).max(2) > 6
        for polygon in hands.values():
            inside = np.zeros(difference.shape, np.uint8)
            cv2.fillPoly(inside, [np.rint(polygon - 1).astype(np.int32)], 1)
            assert inside.any()
            changed.append(difference[inside > 0].mean())
    assert len(changed) > 10
    assert np.mean(changed) > 0.9
    assert np.min(changed) > 0.5


def test_an_outline_follows_the_mask_and_counts_from_one() -> None:
    mask = np.zeros((80, 90), np.float32)
    mask[20:60, 30:70] = 1
    polygon = outline(mask, 100, 200)
    # Pixel columns 130 to 169, 0-based, have their outer edges at 130.5 and 170.5, 1-based.
    assert polygon.min(0) == pytest.approx([130.5, 220.5], abs=0.3)
    assert polygon.max(0) == pytest.approx([170.5, 260.5], abs=0.3)


def test_an_outline_joins_what_an_object_in_front_cuts_apart() -> None:
    mask = np.zeros((80, 90), np.float32)
    mask[20:60, 20:40] = 1
    mask[20:60, 50:70] = 1
    mask[5:7, 5:7] = 1  # a speck
    polygon = outline(mask, 0, 0)
    assert polygon.min(0) == pytest.approx([20.5, 20.5], abs=0.3)
    assert polygon.max(0) == pytest.approx([70.5, 60.5], abs=0.3)
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(drawn, [np.rint(polygon - 1).astype(np.int32)], 1)
    mask[:10] = 0
    assert (drawn == mask).mean() > 0.97
    assert outline(np.zeros((9, 9), np.float32), 0, 0) is None


def test_what_is_hidden_is_not_labelled() -> None:
    colour = np.zeros((60, 60, 3), np.float32)
    solid = np.ones((60, 60), np.float32)
    hand = Layer(100, 50, colour, solid, solid, "myleft")
    shutter = Layer(90, 40, colour, np.pad(solid, 10), None)
    half = Layer(130, 50, colour, solid, None)
    assert set(visible_hands([shutter, hand], SMALL)) == {"myleft"}
    assert visible_hands([hand, half], SMALL)["myleft"][:, 0].max() < 132
    hidden = Layer(100, 50, colour, solid, None)
    assert not visible_hands([hand, hidden], SMALL)
    assert not visible_hands([hand.moved(400, 0)], SMALL)


@pytest.mark.parametrize(
    "wrong", [{"videos": 0}, {"frames": 0}, {"frames": 10_000}, {"seed": -1}, {"videos": 10**6}]
)
def test_misuse_is_said_and_leaves_nothing(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"videos"):
        sample.generate(tmp_path / "no.zip", **wrong)
    assert not list(tmp_path.iterdir())


def test_the_step_takes_as_many_videos_as_there_are_names(step, tmp_path: Path) -> None:
    assert len(set(names(5592))) == 5592
    done = step("prepare_egohands.py", "--sample", "--videos", 5593, "--out", tmp_path / "no")
    assert done.returncode == 2
    assert "error: --videos is 5592 at most" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_no_half_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr("hand_detection.sample.archive._metadata", fail)
    with pytest.raises(RuntimeError):
        sample.generate(tmp_path / "no.zip", videos=1, frames=1, size=SMALL, workers=1)
    assert not list(tmp_path.iterdir())


def test_importing_is_light() -> None:
    code = (
        "import sys, hand_detection.sample; "
        "sys.exit(sum(name in sys.modules for name in ('tensorflow', 'matplotlib')))"
    )
    root = Path(sample.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
