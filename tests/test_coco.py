"""The 12 numbers are pycocotools' own."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

from hand_detection import coco


def boxes(rows, classes=None, scores=None) -> coco.Boxes:
    array = np.asarray(rows, np.float64).reshape(-1, 4)
    labels = np.ones(len(array), np.int64) if classes is None else np.asarray(classes)
    return coco.Boxes(array, labels, None if scores is None else np.asarray(scores, np.float64))


def random_images(seed: int, images: int = 20, classes: int = 2) -> list[coco.Image]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        corners = rng.uniform(0, 400, (rng.integers(0, 5), 2))
        truth = np.hstack([corners, corners + rng.uniform(5, 200, corners.shape)])
        labels = rng.integers(1, classes + 1, len(truth))
        noisy = np.repeat(truth, 3, axis=0) + rng.normal(0, 8, (3 * len(truth), 4))
        scores = rng.choice([0.1, 0.5, 0.5, 0.9], len(noisy))  # with ties
        detected = boxes(noisy, np.repeat(labels, 3), scores)
        made.append(coco.Image(f"{number}.jpg", 640, 480, boxes(truth, labels), detected))
    return made


def by_pycocotools(truth: dict, results: list[dict]) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = COCO()
        ground_truth.dataset = truth
        ground_truth.createIndex()
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_equal_pycocotools_to_the_last_digit(seed):
    images = random_images(seed)
    truth = coco.ground_truth_json(images, {"left": 1, "right": 2})
    results = coco.detections_json(images)
    numbers, _ = coco.evaluate(truth, results)
    assert list(numbers.values()) == by_pycocotools(truth, results)
    assert 0 < numbers[coco.AP] < 1


def test_right_detections_score_one_and_the_table_says_so():
    truth = boxes([[10, 20, 110, 220]])
    detected = boxes([[10, 20, 110, 220]], scores=[0.7])
    image = coco.Image("a.jpg", 640, 480, truth, detected)
    numbers, table = coco.evaluate(
        coco.ground_truth_json([image], {"hand": 1}), coco.detections_json([image])
    )
    assert numbers[coco.AP] == pytest.approx(1.0)
    assert numbers[coco.AP50] == pytest.approx(1.0)
    assert len(table.splitlines()) == 12
    assert "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000" in table


def test_no_detection_at_all_scores_zero():
    image = coco.Image("a.jpg", 640, 480, boxes([[10, 20, 110, 220]]), boxes([], scores=[]))
    numbers, _ = coco.evaluate(coco.ground_truth_json([image], {"hand": 1}), [])
    assert numbers[coco.AP] == 0.0
    assert numbers["DetectionBoxes_Recall/AR@100"] == 0.0


def test_no_ground_truth_at_all_is_minus_one_as_pycocotools_has_it():
    image = coco.Image("a.jpg", 640, 480, boxes([]), boxes([[0, 0, 9, 9]], scores=[0.9]))
    numbers, _ = coco.evaluate(
        coco.ground_truth_json([image], {"hand": 1}), coco.detections_json([image])
    )
    assert numbers[coco.AP] == -1.0


def test_a_crowd_takes_any_number_of_detections():
    crowd = coco.Boxes(np.array([[0, 0, 400, 400.0]]), np.array([1]), crowd=np.array([True]))
    detected = boxes([[10, 10, 50, 50], [60, 60, 90, 90]], scores=[0.9, 0.8])
    inside = coco.Image("a.jpg", 640, 480, crowd, detected)
    one = boxes([[5, 5, 105, 105]])
    found = coco.Image("b.jpg", 640, 480, one, boxes([[5, 5, 105, 105]], scores=[0.5]))
    images = [inside, found]
    numbers, _ = coco.evaluate(
        coco.ground_truth_json(images, {"hand": 1}), coco.detections_json(images)
    )
    assert numbers[coco.AP] == pytest.approx(1.0)


def test_normalized_boxes_become_pixels():
    pixels = coco.to_pixels(np.array([[0.25, 0.5, 0.75, 1.0]], np.float32), 640, 480)
    assert pixels.tolist() == [[320.0, 120.0, 640.0, 360.0]]
