"""A config made for one's own data: what is changed, what stays, what is told of the anchors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_data import kitti_folder
from trained import run_step

from hand_detection import anchors, config_text, labelmap, models, new_config, pipeline, survey
from hand_detection.api import compat
from hand_detection.console import UserError

LIKE = "ssd_mobilenet_v1_egohands"


def model_of(name=LIKE):
    return pipeline.parse(models.config_file(name)).model


def apis_anchors(generator, feature_maps, width, height):
    """What the API's own generator makes: (A, 4) xmin, ymin, xmax, ymax as shares."""
    tf = compat.activate()
    from object_detection.builders import anchor_generator_builder

    with tf.Graph().as_default(), tf.Session() as session:
        size = {"im_height": height, "im_width": width}
        one = generator.WhichOneof("anchor_generator_oneof") == "grid_anchor_generator"
        build = anchor_generator_builder.build(generator)
        made = build.generate(feature_maps, **({} if one else size))
        boxes = session.run(tf.concat([grid.get() for grid in made], axis=0))
    boxes = boxes[:, [1, 0, 3, 2]]
    return boxes if np.abs(boxes).max() < 4 else boxes / (width, height, width, height)


SSD_300 = [(19, 19), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]


@pytest.mark.parametrize(
    ("maps", "resizer"),
    [(SSD_300, (300, 300)), ([(15, 20), (8, 10), (4, 5), (2, 3), (1, 2), (1, 1)], (320, 240))],
)
def test_ssds_anchors_are_the_apis_own(maps, resizer):
    model = model_of()
    fixed = model.ssd.image_resizer.fixed_shape_resizer
    fixed.width, fixed.height = resizer
    mine = anchors.anchors(model, (1280, 720))
    theirs = apis_anchors(model.ssd.anchor_generator, maps, *resizer)
    np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert len(model_of().ssd.anchor_generator.ssd_anchor_generator.aspect_ratios) == 5


@pytest.mark.parametrize("size", [(640, 640), (512, 320)])
def test_retinanets_anchors_are_the_apis_own(size):
    model = model_of()
    fixed = model.ssd.image_resizer.fixed_shape_resizer
    fixed.width, fixed.height = size
    spec = model.ssd.anchor_generator.multiscale_anchor_generator
    spec.min_level, spec.max_level, spec.anchor_scale, spec.scales_per_octave = 3, 7, 4.0, 2
    spec.aspect_ratios[:] = [1.0, 2.0, 0.5]
    maps = [(-(-size[1] // 2**level), -(-size[0] // 2**level)) for level in range(3, 8)]
    theirs = apis_anchors(model.ssd.anchor_generator, maps, *size)
    np.testing.assert_allclose(anchors.anchors(model, (1280, 720)), theirs, atol=1e-5)
    with pytest.raises(UserError, match="min_scale belongs to ssd_anchor_generator"):
        anchors.better_min_scale(model, np.zeros((0, 4)), np.zeros((0, 2)))


def test_faster_rcnns_anchors_are_the_apis_own():
    model = model_of()
    compat.activate()
    rcnn = type(model)().faster_rcnn
    rcnn.image_resizer.keep_aspect_ratio_resizer.min_dimension = 600
    rcnn.image_resizer.keep_aspect_ratio_resizer.max_dimension = 1024
    spec = rcnn.first_stage_anchor_generator.grid_anchor_generator
    spec.scales[:], spec.aspect_ratios[:] = [0.25, 0.5, 1.0, 2.0], [0.5, 1.0, 2.0]
    spec.height_stride = spec.width_stride = 16
    model.faster_rcnn.CopyFrom(rcnn)
    assert anchors.input_size(model, (1280, 720)) == (1024, 576)
    theirs = apis_anchors(rcnn.first_stage_anchor_generator, [(36, 64)], 1024, 576)
    np.testing.assert_allclose(anchors.anchors(model, (1280, 720)), theirs, atol=1e-5)


def test_the_best_iou_is_that_of_the_best_anchor():
    model = model_of()
    grid = anchors.anchors(model, (1280, 720))
    half = grid[1000] * (1, 1, 0, 1) + (0, 0, (grid[1000, 0] + grid[1000, 2]) / 2, 0)
    boxes = np.stack([grid[1000], half])
    best = anchors.best_iou(model, boxes, np.array([[1280, 720]] * 2))
    assert best[0] == pytest.approx(1)
    assert 0.5 <= best[1] < 1
    scale, share = anchors.better_min_scale(model, boxes[:1], np.array([[1280, 720]]))
    assert share == 0 and 0.1 <= scale <= 0.3


TEXT = """# num_classes: 7 { in a comment
model {
  ssd { num_classes: 1  # EDIT: { not a block
    deep { path: "a # { b: 5" } }
}
reader { path: 'x' more: 2 }
"""


def test_a_value_is_set_where_it_stands_and_nothing_else_is_touched():
    changed = config_text.set_value(TEXT, "model.ssd.num_classes", "3")
    assert changed == TEXT.replace("num_classes: 1", "num_classes: 3")
    changed = config_text.set_value(TEXT, "reader.path", config_text.quoted('say "hi"'))
    assert changed == TEXT.replace("'x'", '"say \\"hi\\""')
    changed = config_text.set_value(TEXT, "model.ssd.deep.path", '"c"', "why")
    assert changed == TEXT.replace('"a # { b: 5" } }', '"c"  # why\n           } }', 1).replace(
        "           } }", changed.splitlines()[4]
    )
    for key in ("num_classes", "model.num_classes", "model.rcnn.num_classes", "reader.none"):
        with pytest.raises(KeyError):
            config_text.set_value(TEXT, key, "3")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set of three classes, its TFRecords made; not to be changed."""
    folder = kitti_folder(tmp_path_factory.mktemp("data") / "my data", 12)
    labelmap.write_label_map(folder / labelmap.FILE, {"left hand": 1, "hand": 2, "cup": 3})
    done = run_step("create_tfrecords.sh", "--data", folder, "--workers", 1)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def data(prepared, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(prepared, tmp_path / "my data"))


@pytest.mark.parametrize("like", [path.stem for path in models.CONFIGS.glob("*.config")])
def test_every_config_can_be_the_start_and_only_what_must_be_differs(like, prepared, tmp_path):
    data = prepared
    facts = new_config.facts(data, None, survey.survey(data))
    original = models.config_file(like).read_text(encoding="utf-8")
    path = tmp_path / "mine.config"
    new_config.write(path, new_config.edited(original, "mine", like, facts))
    old, new = pipeline.parse(models.config_file(like)), pipeline.parse(path)
    assert pipeline.num_classes(new) == 3
    for reader, split in ((new.train_input_reader, "train"), (pipeline.eval_reader(new), "val")):
        assert reader.tf_record_input_reader.input_path == [f"{data}/tfrecords/{split}.record-*"]
        assert reader.label_map_path == f"{data}/label_map.pbtxt"
    assert new.train_input_reader.shuffle_buffer_size == 10  # all train frames
    for proto in (old, new):
        getattr(proto.model, proto.model.WhichOneof("model")).num_classes = 1
        proto.train_input_reader.Clear()
        pipeline.eval_reader(proto).Clear()
    assert old == new
    comments = re.findall(r"^ *#.*", original, re.MULTILINE)
    assert set(comments) <= set(path.read_text(encoding="utf-8").splitlines())


def test_it_tells_what_it_made_and_how_the_anchors_fit(step, data, tmp_path):
    path = tmp_path / "mine.config"
    done = step("tools/new_config.py", "--like", LIKE, "--data", data, path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.match(r"anchors: \d+% of 12 boxes have none of IoU 0.5", lines[0])
    # 17 x 25 pixels of 64 x 48, seen at 300 x 300.
    assert lines[1].startswith("sizes: the median box is 80 x 156 pixels where the detector looks")
    assert "min_scale" in lines[2]
    assert lines[-1] == f"Next: step 5, ./train.sh {path}"
    assert "a flipped 'left hand' is none" in done.stderr
    again = step("tools/new_config.py", "--like", LIKE, "--data", data, path)
    assert again.returncode == 1
    assert again.stderr.strip().startswith(f"error: {path} is there already")


def test_without_tfrecords_or_with_another_label_map_nothing_is_made(step, data, tmp_path):
    other = tmp_path / "other.pbtxt"
    labelmap.write_label_map(other, {"hand": 1})
    path = tmp_path / "mine.config"
    failed = step("tools/new_config.py", "--like", LIKE, "--data", data, "--label-map", other, path)
    assert failed.returncode == 1 and "made with other classes" in failed.stderr
    (data / "tfrecords" / "manifest.json").unlink()
    failed = step("tools/new_config.py", "--like", LIKE, "--data", data, path)
    assert failed.returncode == 1 and "run ./create_tfrecords.sh" in failed.stderr
    assert not path.exists()


@pytest.mark.parametrize("name", ["a b", "../x", "x/y", ""])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(UserError, match="is no model's name"):
        new_config.target(name)


def test_an_unknown_model_is_misuse(step, data):
    wrong = step("tools/new_config.py", "--like", "none", "--data", data, "x")
    assert wrong.returncode == 2
    assert LIKE in wrong.stderr


def test_the_shuffle_buffer_is_bounded_by_bytes(tmp_path):
    facts = new_config.Facts(tmp_path, tmp_path, {"a": 1}, 100_000, 5, 1 << 20, 3)
    assert 1 <= new_config.buffer_size(facts) <= new_config.BUFFER_BYTES >> 20
    assert json.dumps(new_config.buffer_size(facts)).isdigit()
