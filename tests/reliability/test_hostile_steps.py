"""Hostile input given to whole steps, as a user would: one line, no traceback, nothing outside.

What each parser makes of it is tested in test_hostile_input.py; here is what the terminal and the
disk see of it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_parsers import FRAME, TAR, ZIP, make_zip
from conftest import ROOT
from image_parsers import BOMBS
from small_data import contents, jpeg, kitti_folder
from table_parsers import COCO, VOC, YOLO_NAMES
from text_parsers import KITTI, LABEL_MAPS, PICTURE

Case = Callable[[Path], list[object]]


def _prepare(data: bytes) -> Case:
    def case(box: Path) -> list[object]:
        (box / "a.zip").write_bytes(data)
        out = box / "target"
        return ["prepare_egohands.py", "--archive", box / "a.zip", "--out", out, "--workers", 2]

    return case


def _records(change: Callable[[Path], object], *options: object) -> Case:
    def case(box: Path) -> list[object]:
        change(kitti_folder(box / "target", 4))
        return ["create_tfrecords.sh", "--data", box / "target", "--workers", 1, *options]

    return case


def _convert(format_name: str, place: str, data: bytes) -> Case:
    def case(box: Path) -> list[object]:
        for path, content in (("src/JPEGImages/a.jpg", PICTURE), (f"src/{place}", data)):
            (box / path).parent.mkdir(parents=True, exist_ok=True)
            (box / path).write_bytes(content)
        return [
            "tools/prepare_dataset.py", "--format", format_name, box / "src", box / "target",
            "--workers", 1,
        ]  # fmt: skip

    return case


def _label(data: Path) -> Path:
    return next((data / "labels").iterdir())


def _image(data: Path) -> Path:
    return next((data / "images").iterdir())


def _replace_image(data: Path, make: Callable[[Path], object]) -> None:
    path = _image(data)
    path.unlink()
    make(path)


def _planted(data: Path) -> None:
    """Links to a user's own file in the places where the step writes."""
    (data.parent / "mine").write_text("mine")
    (data / ".tfrecords.partial").symlink_to(data.parent)
    (data / ".lock").symlink_to(data.parent / "mine")


REFUSED: dict[str, Case] = {
    "a web page for an archive": _prepare(b"<html>"),
    "half an archive": _prepare(ZIP[: len(ZIP) // 2]),
    "an archive with a bomb": _prepare(make_zip((FRAME.replace("1.", "2."), bytes(60 << 20)))),
    "a damaged frame in a worker": _prepare(make_zip((FRAME.replace("1.", "2."), b"x"))),
    "a label that is no text": _records(lambda data: _label(data).write_bytes(b"\xff\xfe\0")),
    "a label with NaN": _records(lambda data: _label(data).write_bytes(KITTI.crafted["NaN"][0])),
    "an image cut": _records(lambda data: _image(data).write_bytes(jpeg()[:700])),
    "an image bomb": _records(
        lambda data: _image(data).write_bytes(BOMBS["JPEG of 65,500 x 65,500"][0])
    ),
    "a pipe for an image": _records(lambda data: _replace_image(data, os.mkfifo)),
    "a folder for an image": _records(lambda data: _replace_image(data, Path.mkdir)),
    "links in a circle": _records(
        lambda data: _replace_image(data, lambda path: path.symlink_to(path))
    ),
    "a name that is no text": _records(
        lambda data: _replace_image(
            data, lambda path: Path(os.fsdecode(bytes(path.parent) + b"/\xff\x1b.jpg")).touch()
        )
    ),
    "a label map with id 0": _records(
        lambda data: (data / "label_map.pbtxt").write_bytes(LABEL_MAPS.crafted["id 0"][0])
    ),
    "a pipe for a label map": _records(lambda data: os.mkfifo(data / "label_map.pbtxt")),
    "a device for a label map": _records(lambda data: None, "--label-map", "/dev/zero"),
    "COCO that slips": _convert("coco", "a.json", COCO.crafted["slip"][0]),
    "COCO, deep": _convert("coco", "a.json", COCO.crafted["nested 100,000 deep"][0]),
    "VOC that laughs": _convert("voc", "Annotations/a.xml", VOC.crafted["billion laughs"][0]),
    "YAML that laughs": _convert("yolo", "data.yaml", YOLO_NAMES.crafted["laughs"][0]),
    "terminal control in a name": lambda box: [
        "prepare_egohands.py",
        "--archive",
        "\x1b[2J",
        "--out",
        box / "target",
    ],
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_and_nothing_is_left(name, tmp_path):
    command = REFUSED[name](tmp_path)
    before = {path for path in tmp_path.rglob("*") if "target" not in path.parts}
    target = contents(tmp_path / "target") if (tmp_path / "target").exists() else {}
    done = subprocess.run(
        [str(ROOT / command[0]), *map(str, command[1:])],
        capture_output=True,
        timeout=60,
        cwd=tmp_path,
    )
    said = done.stderr.decode(errors="strict")
    assert done.returncode == 1, said
    assert len(said.splitlines()) == 1 and said.startswith("error: "), said
    assert said[:-1].isprintable()
    assert {path for path in tmp_path.rglob("*") if "target" not in path.parts} == before
    if (tmp_path / "target").exists():
        assert contents(tmp_path / "target") == target


def test_planted_links_are_not_written_through(step, tmp_path):
    data = kitti_folder(tmp_path / "data", 4)
    _planted(data)
    done = step("create_tfrecords.sh", "--data", data, "--workers", 1)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "mine").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "mine"}


def test_output_that_cannot_be_written_is_one_line(tmp_path):
    data = kitti_folder(tmp_path / "data", 4)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(ROOT / "create_tfrecords.sh"), "--data", str(data), "--workers", "1"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "%|" not in line]
    assert errors == ["error: No space left on device"]


def test_a_zoo_archive_for_an_egohands_archive_is_refused(step, tmp_path):
    (tmp_path / "a.zip").write_bytes(TAR)
    done = step("prepare_egohands.py", "--archive", tmp_path / "a.zip", "--out", tmp_path / "out")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("train.sh", ".."),
        ("train.sh", ""),
        ("eval.sh", "."),
        ("eval.sh", "a/b"),
        ("export.sh", "/tmp/evil"),
    ],
)
def test_a_run_is_a_folder_below_runs_and_nowhere_else(script, name, step):
    done = step(script, "ssd_mobilenet_v1_quick", "--run", name)
    assert done.returncode == 2
    assert "is no name of a folder below runs/" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare_egohands.py", "--sample", "--seed", "-1"),
        ("prepare_egohands.py", "--sample", "--seed", str(2**31)),
        ("prepare_egohands.py", "--sample", "--frames", "10000"),
        ("train.sh", "ssd_mobilenet_v1_quick", "--seed", "9" * 30),
    ],
)
def test_numbers_that_no_step_can_take_are_misuse(arguments, step):
    done = step(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
