"""Data of one's own, from its labels to a training, with no file edited by hand."""

from __future__ import annotations

import json
import shutil

import pytest
from trained import fetch_backbone, run_step

from benchmarks import three_shapes
from hand_detection import checkpoints, kitti, labelmap, paths, tfrecords

LIKE = "ssd_mobilenet_v1_quick"


@pytest.fixture
def shapes(tmp_path, step):
    """The three shapes, converted and made into TFRecords."""
    three_shapes.generate(tmp_path / "coco", images=40, seed=0)
    data = tmp_path / "data"
    done = step("tools/prepare_dataset.py", "--format", "coco", tmp_path / "coco", data)
    assert done.returncode == 0, done.stderr
    done = step("create_tfrecords.sh", "--data", data, "--split", "stratified", "--val-size", 8)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("Next: a config for it, tools/new_config.py")
    return data


def test_the_three_shapes_are_all_there_and_in_both_splits(shapes):
    assert labelmap.read_label_map(shapes / labelmap.FILE) == {
        "circle": 1,
        "square": 2,
        "triangle": 3,
    }
    frames = {frame.name: frame for frame in kitti.list_frames(shapes)}
    assert len(frames) == 40
    manifest = tfrecords.verify(shapes / tfrecords.FOLDER)
    for split in ("train", "val"):
        labels = [
            label
            for name in manifest.split(split).frames
            for label in kitti.read_labels(frames[name].label, size=three_shapes.SIZE)
        ]
        assert {label.type for label in labels} == set(three_shapes.CLASSES)
        assert len(labels) == manifest.split(split).boxes


def test_a_shapes_box_holds_what_is_drawn_and_no_more():
    """A shape alone on a white picture: its drawn pixels span its box exactly."""
    import random

    import numpy as np
    from PIL import Image, ImageDraw

    rng = random.Random(0)
    for _ in range(20):
        kind = rng.choice(three_shapes.CLASSES)
        points = three_shapes.outline(kind, 160, 120, rng.uniform(16, 55), rng.uniform(0, 6))
        picture = Image.new("L", three_shapes.SIZE)
        ImageDraw.Draw(picture).polygon(points, fill=255)
        rows, columns = np.nonzero(np.asarray(picture))
        x, y, width, height = three_shapes.box_of(points)
        assert abs(x - columns.min()) <= 1 and abs(x + width - 1 - columns.max()) <= 1
        assert abs(y - rows.min()) <= 1 and abs(y + height - 1 - rows.max()) <= 1


@pytest.mark.slow
def test_it_trains_with_a_config_that_no_one_edited(shapes, step, tmp_path):
    fetch_backbone()
    config = tmp_path / "shapes.config"
    made = step("tools/new_config.py", "--like", LIKE, "--data", shapes, config)
    assert made.returncode == 0, made.stderr
    run = paths.RUNS / f"test-own-{tmp_path.name}"
    try:
        arguments = ("--run", run.name, "--steps", 2, "--batch-size", 2)
        done = run_step("train.sh", config, *arguments, timeout=600)
        assert done.returncode == 0, done.stderr
        assert checkpoints.all_steps(run)[-1] == 2
        numbers = json.loads((run / "validation-2.json").read_text())
        assert numbers["images"] == 8
    finally:
        shutil.rmtree(run, ignore_errors=True)
