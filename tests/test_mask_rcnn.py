"""Mask R-CNN through the steps: trained, evaluated, exported and detecting, with its masks."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from trained import run_step

from hand_detection import coco, detectors, masks, paths, pipeline
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.evaluator import score

CONFIG = paths.ROOT / "tests" / "small_mask_rcnn.config"
LABEL_MAP = str(paths.ROOT / "data" / "hand_label_map.pbtxt")


def test_a_model_of_masks_needs_readers_of_masks():
    pipeline.check_masks(pipeline.load(str(CONFIG)))
    for reader in ("train_input_reader", "eval_input_reader"):
        config = pipeline.load(str(CONFIG), settings=(f"{reader}.load_instance_masks=false",))
        with pytest.raises(UserError, match=rf"{reader} does not read them: add load_instance"):
            pipeline.check_masks(config)
        # Without the third stage it is a Faster R-CNN, and the masks are none of its business.
        config.proto.model.faster_rcnn.number_of_stages = 2
        pipeline.check_masks(config)


@pytest.fixture(scope="module")
def masked(data, tmp_path_factory):
    """The prepared sample with masks in its records, frames and masks of 128 pixels."""
    folder = tmp_path_factory.mktemp("masked") / "sample"
    shutil.copytree(data, folder)
    done = run_step(
        *("create_tfrecords.sh", "--data", folder, "--split", "official", "--max-side", 128),
        *("--masks", "--overwrite"),
    )
    assert done.returncode == 0, done.stderr
    assert "Next: step 5, ./train.sh " in done.stdout
    return folder


def events(folder):
    """Every scalar's and picture's tag in the event files of a folder."""
    tf = compat.activate()
    return {
        value.tag
        for path in folder.glob("events.out.*")
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    }


@pytest.mark.slow
def test_masks_from_training_to_detection(masked, data, name, tmp_path):
    run_name = f"{name}-masks"
    arguments = (CONFIG, "--run", run_name, "--data", masked)
    refused = run_step("train.sh", CONFIG, "--run", run_name, "--data", data)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "has no masks" in refused.stderr
    assert "./create_tfrecords.sh --masks" in refused.stderr

    done = run_step("train.sh", *arguments, "--steps", 2)
    assert done.returncode == 0, done.stderr
    assert "masks' AP" in done.stdout
    run = paths.RUNS / run_name
    assert "DetectionMasks_Precision/mAP" in (run / "report.html").read_text()
    tags = events(run / "train")
    assert "Loss/BoxClassifierLoss/mask_loss" in tags

    found, truth = tmp_path / "found.json", tmp_path / "truth.json"
    done = run_step(
        *("eval.sh", *arguments, "--pycocotools", "--no-report"),
        *("--save-detections", found, "--save-ground-truth", truth),
    )
    assert done.returncode == 0, done.stderr
    assert "pycocotools has the same 24 numbers, to the last digit" in done.stdout
    record = json.loads((run / "eval-val-2.json").read_text())
    assert list(record["metrics"]) == [*coco.TAGS, *coco.MASK_TAGS]
    assert set(coco.MASK_TAGS) <= events(run / "eval")
    assert "| masks' AP |" in (run / "MODEL_CARD.md").read_text()

    # The files alone tell the same, and so does pycocotools of them.
    numbers, _ = coco.evaluate(
        json.loads(truth.read_text()), json.loads(found.read_text()), masks=True
    )
    assert numbers == {tag: record["metrics"][tag] for tag in coco.MASK_TAGS}

    done = run_step("export.sh", *arguments)
    assert done.returncode == 0, done.stderr
    exported = paths.EXPORTED / run_name
    shards = [path for path in (masked / "tfrecords").iterdir() if path.name.startswith("val.")]
    for model in (exported, exported / "saved_model"):
        detector = detectors.open_model(model)
        images = list(detectors.detect_all(detector, shards, LABEL_MAP, with_masks=True))
        saved = coco.read_detections(found, images, {"hand": 1})
        assert len(images) == 4
        for ours, theirs in zip(images, saved, strict=True):
            assert ours.detections.masks == theirs.detections.masks
            np.testing.assert_allclose(ours.detections.boxes, theirs.detections.boxes, atol=1e-3)
            assert len(ours.detections.masks) == len(ours.detections.boxes) > 0
            assert {tuple(rle["size"]) for rle in ours.detections.masks} == {(72, 128)}
        result = score(images, {"hand": 1}, masked / "tfrecords")
        assert result.numbers == pytest.approx(record["metrics"])

    picture = sorted((masked / "images").iterdir())[0]
    pixels = np.asarray(Image.open(picture))[np.newaxis]
    detected = detectors.open_model(exported).detect_batch(pixels)[0]
    assert masks.decode(detected.masks[0]).shape == pixels.shape[1:3]
    target = tmp_path / "drawn.jpg"
    done = run_step(
        *("detect_image.sh", "--model", exported, "--threshold", 0, "--output", target, picture)
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(target).size == Image.open(picture).size
