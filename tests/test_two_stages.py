"""Steps 5 to 8 with a two-stage model, whose images keep their shape and come one at a time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zoo
from PIL import Image
from trained import run_step

from hand_detection import coco, detectors, frames, paths, pipeline
from hand_detection.evaluator import Evaluator

pytestmark = pytest.mark.slow

MODEL = "faster_rcnn_inception_v2_egohands"
RESIZER = "model.faster_rcnn.image_resizer.keep_aspect_ratio_resizer"
SMALL = (
    f"{RESIZER}.min_dimension=144",
    f"{RESIZER}.max_dimension=256",
    "model.faster_rcnn.first_stage_max_proposals=20",
    "model.faster_rcnn.second_stage_batch_size=16",
    "eval_config.num_visualizations=1",
)


def test_a_two_stage_model_trains_is_exported_and_detects_the_same(data, name, tmp_path):
    run_name = f"{name}-two-stages"
    [frame, *_] = sorted((data / "images").glob("*.jpg"))
    prefix = zoo.write_checkpoint(MODEL, tmp_path, images=np.array(Image.open(frame))[np.newaxis])
    settings = (*SMALL, f"train_config.fine_tune_checkpoint={prefix}")
    options = ("--data", data, "--run", run_name)
    for setting in settings:
        options += ("--set", setting)
    done = run_step("train.sh", MODEL, *options, "--steps", 2, "--eval-every", 2)
    assert done.returncode == 0, done.stderr
    assert "352 variables restored, 0 new, 4 skipped" in done.stdout
    run = paths.RUNS / run_name
    record = json.loads((run / "validation-2.json").read_text())
    assert record["images"] == 4
    assert list(record["metrics"]) == list(coco.TAGS)
    curves = json.loads((run / "report.json").read_text())["curves"]
    for part in ("RPNLoss", "BoxClassifierLoss"):
        for split in ("train", "eval"):
            [[step, value]] = curves[f"{split}/Loss/{part}/localization_loss"]
            assert step == 2 and np.isfinite(value)

    done = run_step("export.sh", MODEL, *options)
    assert done.returncode == 0, done.stderr
    config = pipeline.load(MODEL, data=Path(data), settings=settings)
    evaluator = Evaluator(config, "test")
    result = evaluator.run(run / "model.ckpt-2")
    detector = detectors.open_model(paths.EXPORTED / run_name)
    pictures = [
        picture
        for _, picture in frames.iterate(evaluator.records, evaluator.label_map, pictures=True)
    ]
    together = detector.detect_batch(np.stack(pictures))
    for image, picture, other in zip(result.images, pictures, together, strict=True):
        expected, found = image.detections, detector.detect(picture)
        assert len(expected.scores) > 0
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.05)
        np.testing.assert_allclose(other.scores, expected.scores, atol=1e-4)
