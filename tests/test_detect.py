"""tools/detect.py: images, videos and cameras in; tables, pictures and videos out."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from red_squares import BOX, SIZE, export, picture

from hand_detection import coco, console, detect, kitti
from hand_detection.detection import loop, opencv, overlap, sources
from hand_detection.detection.results import Result
from hand_detection.exported import FROZEN, LABEL_MAP


@pytest.fixture(scope="module")
def red_squares(tmp_path_factory) -> Path:
    """An exported model that finds the red square of a picture."""
    return export(tmp_path_factory.mktemp("exported") / "red")


@pytest.fixture
def run(red_squares, monkeypatch, capfd):
    """Run the tool in this process; what it exits with, and what it says."""

    def call(*arguments: object, model: Path = red_squares) -> subprocess.CompletedProcess[str]:
        words = ["detect.py", "--model", *arguments] if model is None else None
        words = words or ["detect.py", "--model", str(model), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as ended:
            console.run(detect.main)
        signal.signal(signal.SIGTERM, before)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(words, ended.value.code, said.out, said.err)

    return call


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, Path]:
    """30 frames, the square moving a pixel a frame, in every container."""
    cv2 = opencv.activate()
    folder = tmp_path_factory.mktemp("videos")
    made = {}
    for suffix, codec in {".mp4": "mp4v", ".avi": "MJPG", ".mov": "mp4v", ".mkv": "MJPG"}.items():
        path = made[suffix] = folder / f"clip{suffix}"
        code = cv2.VideoWriter_fourcc(*codec)
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25.0, SIZE)
        for place in range(30):
            writer.write(np.asarray(picture(place))[..., ::-1].copy())
        writer.release()
    return made


def one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("detect: ")]
    assert (done.returncode, len(lines)) == (1, 1), done.stderr  # beside the progress
    assert lines[0].startswith("error: ")
    for text in said:
        assert text in lines[0]


def test_every_kind_of_input_gives_its_frames_in_order(run, videos, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.PNG", "sub/c.webp", "sub/d.bmp")):
        picture(10 * number, (96 + number, 64)).save(folder / name, quality=95)
    (folder / "notes.txt").write_text("passed over")
    out = tmp_path / "out" / "found.json"
    done = run(folder, videos[".avi"], tmp_path / "in/*.jpg", "--json", out, "--batch", 3)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert [image["file_name"].rpartition("/")[2] for image in found["images"]] == [
        *("a.jpg", "b.PNG", "c.webp", "d.bmp"),
        *["clip.avi"] * 30,
    ]
    assert [image["width"] for image in found["images"]][:4] == [96, 97, 98, 99]
    assert [image.get("frame") for image in found["images"]][3:7] == [None, 0, 1, 2]
    assert found["categories"] == [{"id": 1, "name": "red square"}]
    assert [each["image_id"] for each in found["annotations"]] == list(range(1, 35))
    boxes = np.array([each["bbox"] for each in found["annotations"]])
    places = [0, 10, 20, 30, *range(30)]
    # JPEG smears the square's edge.
    np.testing.assert_allclose(boxes[:, 0], places, atol=1.5)
    np.testing.assert_allclose(boxes[:, 2:], 16, atol=2.5)
    assert "34 frames in" in done.stdout
    assert "34 red square" in done.stdout


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mov", ".mkv"])
def test_a_video_gives_every_frame_once(videos, suffix):
    [source] = sources.find([str(videos[suffix])])
    frames = list(source.frames())
    assert (source.count, source.rate) == (30, 25.0)
    assert [frame.number for frame in frames] == list(range(30))
    for frame in frames[::7]:
        row = frame.pixels[16, :, 0].astype(int) - frame.pixels[16, :, 1]
        assert abs(np.flatnonzero(row > 120).min() - frame.number) <= 1


def test_all_outputs_agree_and_are_read_back(run, tmp_path, videos):
    image = tmp_path / "square.png"
    picture(40).save(image)
    empty = tmp_path / "dark.png"
    Image.new("RGB", SIZE).save(empty)
    out = tmp_path / "out"
    outputs = {
        "--json": out / "o.json",
        "--csv": out / "o.csv",
        "--kitti": out / "kitti",
        "--save-images": out / "pictures",
        "--save-video": out / "o.avi",
    }
    words = [word for pair in outputs.items() for word in pair]
    done = run(image, empty, *words, "--overlay")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "kitti",
        "o.avi",
        "o.csv",
        "o.json",
        "pictures",
    ]  # and nothing temporary
    [annotation] = json.loads(outputs["--json"].read_text())["annotations"]
    assert annotation["bbox"] == pytest.approx([40, 8, 16, 16], abs=1e-4)
    assert annotation["score"] == 0.75
    with outputs["--csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(rows[0][side]) for side in ("xmin", "ymin", "xmax", "ymax")] == BOX
    assert (rows[0]["class"], rows[0]["score"], rows[1]["class"]) == ("red square", "0.75", "")
    line = (outputs["--kitti"] / "square.txt").read_text().split()
    assert (line[0], float(line[15]), len(line)) == ("red%20square", 0.75, 16)
    [label] = kitti.parse_labels(" ".join(line[:15]).encode(), Path("square.txt"), size=SIZE)
    assert (label.type, list(label.bbox)) == ("red square", BOX)
    assert (outputs["--kitti"] / "dark.txt").read_text() == ""
    drawn = np.asarray(Image.open(outputs["--save-images"] / "square.jpg")).astype(int)
    assert np.abs(drawn - np.asarray(picture(40))).max() > 100  # the box in its colour
    assert drawn.shape == (SIZE[1], SIZE[0], 3)
    [video] = sources.find([str(outputs["--save-video"])])
    assert len(list(video.frames())) == 2


def test_what_scores_less_than_the_threshold_is_left_out(run, tmp_path):
    image = tmp_path / "square.png"
    picture(40).save(image)
    assert "red square 0.75  x 40-56, y 8-24" in run(image).stdout
    assert "square.png: 0 found" in run(image, "--threshold", 0.8).stdout


def test_results_are_refused_or_moved_aside_never_overwritten(run, tmp_path):
    image, out = tmp_path / "square.png", tmp_path / "o.json"
    picture(40).save(image)
    out.write_text("mine")
    folder = tmp_path / "kitti"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    one_line(run(image, "--json", out), "o.json is there already", "--overwrite")
    one_line(run(image, "--kitti", folder), "kitti is there already")
    assert out.read_text() == "mine"
    done = run(image, "--json", out, "--kitti", folder, "--overwrite")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o.json.1").read_text() == "mine"
    assert (tmp_path / "kitti.1" / "mine.txt").read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["square.txt"]


def test_an_input_is_never_an_output_even_with_overwrite(run, tmp_path):
    image = tmp_path / "in" / "square.png"
    image.parent.mkdir()
    picture(40).save(image)
    for output in (("--json", image), ("--save-images", image.parent), ("--kitti", tmp_path)):
        one_line(run(image, *output, "--overwrite"), "is an input, or holds one")
    out = tmp_path / "o"
    one_line(run(image, "--json", out, "--csv", out), "o is named for two outputs")
    out.symlink_to(out)
    one_line(run(image, "--json", out / "found.json"), "o is no folder")
    out.unlink()
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "square.png"]


def test_frames_of_one_name_are_refused_before_one_is_written(run, videos, tmp_path):
    shutil.copy(videos[".avi"], tmp_path)
    picture(40).save(tmp_path / "clip_frame_000000.jpg")
    out = tmp_path / "out"
    one_line(run(tmp_path, "--kitti", out), "has the name of a frame of", "clip.avi: rename one")
    assert not out.exists()
    (tmp_path / "clip_frame_000000.jpg").rename(tmp_path / "clip_frame_0.jpg")
    assert len(sources.find([str(tmp_path)], [0])) == 3
    (tmp_path / "clip.avi").rename(tmp_path / "camera0.avi")
    with pytest.raises(console.UserError, match=r"camera0\.avi has the name of a camera"):
        sources.find([str(tmp_path)], [0])


def test_a_bad_image_is_named_and_the_others_are_kept(run, tmp_path):
    for name in ("a.png", "b.jpg", "c.png"):
        picture(40).save(tmp_path / name)
    whole = (tmp_path / "b.jpg").read_bytes()
    out = tmp_path / "out.csv"
    for data, said in ((whole[:-100], "cut or damaged"), (b"", "empty")):
        (tmp_path / "b.jpg").write_bytes(data)
        one_line(run(tmp_path / "b.jpg", "--csv", out), "b.jpg", said)
        assert not out.exists()
    one_line(run(tmp_path, "--csv", out), "b.jpg is empty", "what could be read is kept")
    assert len(out.read_text().splitlines()) == 3


def test_a_video_that_ends_early_keeps_its_frames_and_tells_how_many(run, videos, tmp_path):
    data = videos[".avi"].read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(data[: len(data) * 2 // 3])
    out = tmp_path / "out.json"
    done = run(cut, "--json", out)
    kept = len(json.loads(out.read_text())["images"])
    assert 10 < kept < 28
    one_line(done, f"cut.avi ends early: {kept} of its 30 frames")


def test_what_cannot_be_read_or_written_is_one_line(run, tmp_path, red_squares, videos):
    image = tmp_path / "square.png"
    picture(40).save(image)
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("text")
    one_line(run(wrong), "wrong.txt is no image or video by its ending")
    one_line(run(tmp_path / "none.png"), "there is no", "none.png")
    one_line(run(tmp_path / "*.jpeg"), "no image or video matches")
    (tmp_path / "nothing").mkdir()
    one_line(run(tmp_path / "nothing"), "no image or video in")
    (tmp_path / "empty.mp4").touch()
    one_line(run(tmp_path / "empty.mp4"), "empty.mp4 is empty")
    (tmp_path / "text.mkv").write_text("no video" * 100)
    one_line(run(tmp_path / "text.mkv"), "text.mkv is cut or damaged, or no video")
    (tmp_path / "cut.mp4").write_bytes(videos[".mp4"].read_bytes()[:900])
    one_line(run(tmp_path / "cut.mp4"), "cut.mp4 is cut or damaged")
    one_line(run("--camera", 99), "there is no camera 99")
    one_line(run(image, "--json", wrong / "out.json"), "wrong.txt")
    picture(3).save(tmp_path / "square.jpg")
    one_line(run(tmp_path / "*square*"), "would both become square: rename one")
    picture(3, (64, 64)).save(tmp_path / "small.png")
    two = run(image, tmp_path / "small.png", "--save-video", tmp_path / "o.mp4")
    one_line(two, "small is 64 x 64, the video 96 x 64")
    assert not (tmp_path / "o.mp4").exists()


def test_a_model_without_labels_or_a_damaged_one_is_one_line(run, tmp_path, red_squares):
    image = tmp_path / "square.png"
    picture(40).save(image)
    model = tmp_path / FROZEN
    model.write_bytes((red_squares / FROZEN).read_bytes())
    one_line(run(image, model=model), f"no {LABEL_MAP} beside", "--label-map")
    assert run(image, "--label-map", red_squares / LABEL_MAP, model=model).returncode == 0
    (tmp_path / LABEL_MAP).write_text("item { id: 1 }")
    one_line(run(image, model=model), LABEL_MAP, "line 1")
    (tmp_path / LABEL_MAP).write_text("item { id: 1 name: 'a' }")
    model.write_bytes(model.read_bytes()[:-30])
    one_line(run(image, model=model), "is not an exported detector")
    one_line(run(image, model=tmp_path / "none"), "no model in")


def test_a_window_is_refused_where_there_is_none(run, tmp_path):
    picture(40).save(tmp_path / "square.png")
    one_line(run(tmp_path / "square.png", "--show"), "--show:")


def test_ctrl_c_keeps_what_is_done(red_squares, videos, tmp_path):
    # A camera that never ends, for the frames to be seen coming.
    code = (
        "import itertools, time\n"
        "from hand_detection import console, detect\n"
        "from hand_detection.detection import sources\n"
        "ours = sources.Video.frames\n"
        "def slow(self):\n"
        "    for frame in itertools.chain.from_iterable(ours(self) for _ in range(1000)):\n"
        "        time.sleep(0.02)\n"
        "        yield frame\n"
        "sources.Video.frames = slow\n"
        "console.run(detect.main)\n"
    )
    out = tmp_path / "out.json"
    command = [sys.executable, "-c", code, "--model", red_squares, "--json", out, videos[".avi"]]
    process = subprocess.Popen(
        [*map(str, command)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    partial = out.with_name(".out.json.partial")
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 8192):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "Traceback" not in errors
    kept = len(json.loads(out.read_text())["images"])
    assert kept > 30
    assert f"stopped after {kept} frames: they are kept" in said


class Slow:
    """Takes a while for each batch, as an accelerator does; finds nothing."""

    def __init__(self, seconds: float = 0.0, batch: int | None = None) -> None:
        self.seconds, self.batch, self.sizes = seconds, batch, []

    def detect_batch(self, images: np.ndarray) -> list[coco.Boxes]:
        time.sleep(self.seconds * len(images))
        self.sizes.append(len(images))
        nothing = coco.Boxes(np.zeros((0, 4)), np.zeros(0, np.int64), scores=np.zeros(0))
        return [nothing] * len(images)


def frames(count: int, seconds: float = 0.0, sizes: tuple[int, ...] = (8,)):
    for number in range(count):
        time.sleep(seconds)
        side = sizes[number % len(sizes)]
        yield sources.Frame("f", f"f{number}", np.zeros((side, side, 3), np.uint8), number)


def test_decoding_detection_and_writing_overlap():
    each, count = 0.02, 24
    seen: list[Result] = []

    def write(result: Result) -> None:
        time.sleep(each)
        seen.append(result)

    started = time.monotonic()
    loop.detect(frames(count, each), Slow(each), {}, [write], total=0, batch_size=2)
    seconds = time.monotonic() - started
    assert [result.frame.number for result in seen] == list(range(count))
    assert seconds < 2.2 * each * count  # one after the other it is 3


def test_batches_hold_frames_of_one_size_and_are_never_too_large():
    detector = Slow()
    loop.detect(frames(10, sizes=(8, 8, 8, 8, 8, 6)), detector, {}, [], total=0, batch_size=3)
    assert detector.sizes == [3, 2, 1, 3, 1]
    of_two = Slow(batch=2)
    loop.detect(frames(5), of_two, {}, [], total=0, batch_size=3)
    assert of_two.sizes == [2, 2, 1]


def test_an_error_in_a_thread_is_raised_and_no_thread_is_left():
    def failing():
        yield from frames(3)
        raise ValueError("decoder")

    for source, detector, message in (
        (failing(), Slow(), "decoder"),
        (frames(10**9), SimpleNamespace(batch=None), "detect_batch"),
    ):
        with pytest.raises((ValueError, AttributeError), match=message):
            loop.detect(source, detector, {}, [], total=0)
    assert {thread.name for thread in threading.enumerate()}.isdisjoint({"decode", "detect"})


def test_a_stage_is_only_so_far_ahead():
    made = []

    def numbers():
        for number in range(1000):
            made.append(number)
            yield number

    with overlap.in_thread(numbers(), 3, "numbers") as items:
        assert next(items) == 0
        time.sleep(0.3)
        assert len(made) <= 6
    assert not any(thread.name == "numbers" for thread in threading.enumerate())
