"""The inspection: its figures are right, what looks wrong is listed, the page is whole."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from lxml import etree
from small_data import kitti_folder

from hand_detection import inspection, kitti, labelmap, survey
from hand_detection.pages import counts

TAIL = " 0 0 0 0 0 0 0"


def line(*box, name="hand"):
    return f"{name} 0 0 0 {' '.join(map(str, box))}{TAIL}\n"


WRONG = {
    # Of 64 x 48 pixels, whose whole is 0 0 63 47; the far edge, 64, is let pass.
    "outside": [line(40, 10, 65, 30)],
    "negative": [line(-1, 10, 20, 30)],
    "edge": [line(0, 0, 64, 48)],
    "reversed": [line(30, 10, 20, 20)],
    "tiny": [line(10, 10, 11, 30)],
    "small": [line(10, 10, 12, 30)],
    "duplicate": [line(10, 10, 20, 30)] * 2,
    "overlap": [line(0, 0, 40, 40), line(0, 0, 40, 39)],
    "apart": [line(0, 0, 40, 40), line(0, 0, 40, 20)],
    "two kinds": [line(0, 0, 40, 40), line(0, 0, 40, 40, name="left%20hand")],
    "unknown": [line(0, 0, 40, 40, name="cat")],
    "empty": [],
    "dont care": [line(0, 0, 40, 40, name="DontCare")],
}


@pytest.fixture
def wrong(tmp_path):
    data = kitti_folder(tmp_path / "<b> & data", len(WRONG))
    frames = kitti.list_frames(data)
    for frame, (name, lines) in zip(frames, WRONG.items(), strict=True):
        frame.image.rename(frame.image.with_stem(name))
        frame.label.unlink()
        (data / "labels" / f"{name}.txt").write_text("".join(lines))
    labelmap.write_label_map(data / labelmap.FILE, {"hand": 1, "left hand": 2, "cup": 3})
    return data


def test_what_looks_wrong_is_listed_and_nothing_else(wrong):
    found = inspection.suspicions(survey.survey(wrong), ["hand", "left hand"])
    assert [(one.kind, one.frame, one.box) for one in found] == [
        ("outside", "negative", (-1, 10, 20, 30)),
        ("outside", "outside", (40, 10, 65, 30)),
        ("reversed", "reversed", (30, 10, 20, 20)),
        ("tiny", "tiny", (10, 10, 11, 30)),
        ("duplicate", "duplicate", (10, 10, 20, 30)),
        ("overlap", "overlap", (0, 0, 40, 39)),
        ("overlap", "two kinds", (0, 0, 40, 40)),
        ("unknown", "unknown", (0, 0, 40, 40)),
        ("empty", "dont care", None),
        ("empty", "empty", None),
    ]


class Page(HTMLParser):
    """What a browser would fetch, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.open, self.pictures = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in ("src", "href")]
        self.pictures += tag == "img"
        if tag not in ("meta", "img", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "rect"):
            assert self.open.pop() == tag


def test_the_page_is_one_file_with_pictures_and_escaped_names(wrong, step):
    done = step("tools/inspect_dataset.py", wrong)
    assert done.returncode == 0, done.stderr
    assert "13 images, 15 boxes: hand, left hand, cup, cat" in done.stdout
    told = "suspicious: 2 outside, 1 reversed, 1 tiny, 1 duplicate, 2 overlap, 1 unknown, 2 empty"
    assert told in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1] == f"Next: open {wrong}/inspect.html in a browser"
    text = (wrong / "inspect.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.pictures == 10 + 13  # suspicious ones, and the contact sheet
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.fetched)
    assert "<b> &" not in text and "&lt;b&gt; &amp; data" in text
    for chart in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        etree.fromstring(chart)


def test_the_json_has_the_same_figures(wrong, step):
    assert step("tools/inspect_dataset.py", wrong, "--out", wrong / "report").returncode == 0
    figures = json.loads((wrong / "report" / "inspect.json").read_text())
    assert (figures["images"], figures["boxes"]) == (13, 15)
    assert figures["classes"] == {
        "hand": {"boxes": 13, "images": 10},
        "left hand": {"boxes": 1, "images": 1},
        "cup": {"boxes": 0, "images": 0},
        "cat": {"boxes": 1, "images": 1},
    }
    assert figures["boxes_per_image"] == {"0": 2, "1": 7, "2": 4}
    assert figures["image_sizes"] == {"64x48": 13}
    assert figures["suspicious"]["tiny"] == {
        "count": 1,
        "found": [{"frame": "tiny", "label": "hand", "box": [10, 10, 11, 30]}],
    }
    assert figures["box"]["height_pixels"]["100%"] == 49
    assert sum(map(sum, figures["centres"])) == 15
    assert 0 <= figures["anchors"]["share_below_0.5"] <= 1
    assert not (wrong / "inspect.html").exists()


def test_videos_are_counted_apart(tmp_path):
    data = kitti_folder(tmp_path / "data", 9)
    found = survey.survey(data)
    figures = inspection.figures(found, ["hand"], inspection.suspicions(found, ["hand"]), None)
    assert figures["videos"] == {
        "CARDS_OFFICE_S_B": {"images": 3, "boxes": 0},
        "PUZZLE_OFFICE_S_T": {"images": 3, "boxes": 3},
        "SOME_OTHER_VIDEO": {"images": 3, "boxes": 6},
    }
    assert figures["box"]["aspect"]["50%"] == pytest.approx(17 / 25)


def test_a_data_set_without_a_box_is_told_too(tmp_path, step):
    data = kitti_folder(tmp_path / "data", 2)
    for path in (data / "labels").iterdir():
        path.write_text("")
    done = step("tools/inspect_dataset.py", data)
    assert done.returncode == 0, done.stderr
    assert "anchors: not checked, there is no box to cover" in done.stdout
    assert "suspicious: 2 empty" in done.stdout


def test_centres_fall_into_their_cells(tmp_path):
    data = kitti_folder(tmp_path / "data", 1)
    label = next((data / "labels").iterdir())
    label.write_text(line(0, 0, 1, 1) + line(60, 44, 63, 47) + line(60, 44, 63, 47))
    grid = inspection.positions(survey.survey(data))
    assert grid.shape == (18, 32)
    assert grid[0, 0] == 1 and grid[17, 31] == 2 and grid.sum() == 3


def test_charts_tell_every_value():
    chart = counts.bars(["a<b", "c"], [3, 0], "axis")
    titles = [found.text for found in etree.fromstring(chart).iter("title")]
    assert titles == ["a<b: 3", "c: 0"]
    chart = counts.histogram(np.array([-5.0, 0.5, 9.0]), [0, 1, 2], "axis")
    assert [found.text for found in etree.fromstring(chart).iter("title")] == ["0: 2", "1: 1"]
    chart = counts.heat_map(np.array([[0, 4], [1, 0]]), "x", "y", 2.0)
    assert [found.text for found in etree.fromstring(chart).iter("title")] == ["4", "1"]


def test_a_folder_that_is_no_data_set_is_one_clear_line(step, tmp_path):
    failed = step("tools/inspect_dataset.py", tmp_path)
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1
    assert "has no folder images/" in failed.stderr
