"""./detect_image.sh: a picture in, the same with its boxes out, and nothing else written over."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image
from red_squares import export, picture

from hand_detection import console, detect_image, files
from hand_detection.exported import FROZEN, RECORD


@pytest.fixture(scope="module")
def red_squares(tmp_path_factory) -> Path:
    return export(tmp_path_factory.mktemp("exported") / "red")


@pytest.fixture
def run(red_squares, monkeypatch, capfd, tmp_path):
    """Run it in this process, in `tmp_path`: the exit status, and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, model: Path = red_squares) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["x", "--model", str(model), *map(str, arguments)])
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as ended:
            console.run(detect_image.main)
        signal.signal(signal.SIGTERM, before)
        return ended.value.code, capfd.readouterr().err

    return call


def kinds(folder: Path) -> dict[str, str]:
    return {path.name: Image.open(path).format for path in folder.iterdir()}


def test_an_input_is_never_written_over(run, tmp_path):
    picture(40).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "out").mkdir()
    for output in ("a.png", tmp_path / "a.png", "link.png", "out/../a.png"):
        status, error = run("a.png", "--output", output)
        assert (status, error.count("\n")) == (1, 1)
        assert "is one of the images: name another --output" in error
    assert (tmp_path / "a.png").read_bytes() == before


def test_each_picture_is_what_its_name_says(run, tmp_path):
    for name in ("a.png", "b.bmp", "c.webp", "d.JPEG", "e.tiff"):
        picture(40).save(tmp_path / name)
    (tmp_path / "results.v2").mkdir()
    inputs = ("a.png", "b.bmp", "c.webp", "d.JPEG", "e.tiff")
    assert run(*inputs, "--output", "results.v2") == (0, "")
    assert kinds(tmp_path / "results.v2") == {
        "001_a.png": "PNG",
        **{f"{place:03d}_{name}.jpg": "JPEG" for place, name in enumerate("bcde", 2)},
    }
    assert run("b.bmp", "c.webp", "--output", "new.jpg") == (0, "")
    assert set(kinds(tmp_path / "new")) == {"001_b.jpg", "002_c.jpg"}
    status, error = run("a.png", "--output", "o.gif")
    assert (status, "--output o.gif: name a .jpg or .png file" in error) == (2, True)


def test_what_is_no_regular_file_is_not_read(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for image in ("pipe.png", "/dev/zero", tmp_path):
        status, error = run(image)
        assert (status, error.count("\n")) == (1, 1)
        assert "is no regular file" in error


def test_a_picture_too_large_for_a_jpeg_is_one_line_and_can_be_a_png(run, tmp_path):
    picture(40, (70_000, 32)).save(tmp_path / "wide.png")
    status, error = run("wide.png", "--output", "o.jpg")
    assert (status, error.count("\n")) == (1, 1), error
    assert "wide.png is 70000 x 32, and a JPEG has at most 65,500 pixels a side" in error
    assert [path.name for path in tmp_path.iterdir()] == ["wide.png"]
    assert run("wide.png", "--output", "o.png") == (0, "")


def test_a_model_that_was_changed_since_its_export_is_refused(run, tmp_path):
    picture(40).save(tmp_path / "a.png")
    folder = export(tmp_path / "red")
    graph, record = folder / FROZEN, folder / RECORD
    files.write_json(record, {"sha256": {FROZEN: files.sha256(graph)}})
    assert run("a.png", model=folder) == (0, "")
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    status, error = run("a.png", model=folder)
    assert (status, error.count("\n")) == (1, 1)
    assert f"{FROZEN} was changed after it was written" in error


@pytest.mark.parametrize("value", [[], 3, {"checkpoint": 5, "step": "x"}, {"sha256": []}])
def test_an_export_json_of_another_kind_is_one_line(run, tmp_path, value):
    picture(40).save(tmp_path / "a.png")
    folder = export(tmp_path / "red")
    (folder / RECORD).write_text(json.dumps(value))
    status, error = run("a.png", model=folder)
    assert (status, error.count("\n")) == (1, 1)
    assert f"{RECORD} is not a file that this project wrote" in error
