"""The COCO numbers at array speed are pycocotools' own, to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
from evaluated import boxes, random_images

from hand_detection import coco, metrics

CLASSES = {"left": 1, "right": 2}


def both(images: list[coco.Image], classes: dict[str, int] = CLASSES) -> tuple[dict, dict]:
    ours = metrics.twelve(metrics.match(images, classes.values()))
    truth = coco.ground_truth_json(images, classes)
    theirs, table = coco.evaluate(truth, coco.detections_json(images))
    assert metrics.table(ours) == table
    return ours, theirs


@pytest.mark.parametrize("seed", range(12))
def test_random_detections(seed):
    ours, theirs = both(random_images(seed, images=30, classes=1 + seed % 3), {"a": 1, "b": 2})
    assert ours == theirs
    assert 0 < ours[coco.AP] < 1


def test_more_than_a_hundred_detections_in_an_image():
    images = random_images(5, images=6, most=9, copies=60)
    assert max(len(image.detections.boxes) for image in images) > 250
    ours, theirs = both(images)
    assert ours == theirs


def test_ties_between_images_and_within_one():
    images = random_images(3)
    for image in images:
        image.detections.scores[:] = 0.5
    ours, theirs = both(images)
    assert ours == theirs


TRUTH = boxes([[10, 20, 110, 220]])
FOUND = boxes([[10, 20, 110, 220]], scores=[0.7])
NOTHING, NONE_FOUND = boxes([]), boxes([], scores=[])


@pytest.mark.parametrize(
    "pairs",
    [
        [(TRUTH, FOUND)],
        [(TRUTH, NONE_FOUND)],
        [(NOTHING, FOUND)],
        [(NOTHING, NONE_FOUND)],
        [(TRUTH, NONE_FOUND), (NOTHING, FOUND), (TRUTH, FOUND)],
        # Of no area: both sides.
        [(boxes([[5, 5, 5, 5]]), boxes([[5, 5, 5, 5]], scores=[0.9]))],
        [(boxes([[5, 5, 5, 50], [8, 8, 40, 40]]), boxes([[8, 8, 8, 40]], scores=[0.9]))],
        # Another class than any that is there.
        [(TRUTH, boxes([[10, 20, 110, 220]], [2], [0.9]))],
        # A crowd takes many, and counts for none.
        [
            (
                boxes([[0, 0, 400, 400]], crowd=[True]),
                boxes([[10, 10, 50, 50], [60, 60, 90, 90]], scores=[0.9, 0.8]),
            )
        ],
        # A box and a crowd over it: the box first.
        [
            (
                boxes([[0, 0, 9, 9]] * 2, crowd=[True, False]),
                boxes([[0, 0, 9, 9]] * 3, scores=[1] * 3),
            )
        ],
        # Exactly at the bounds of small and medium.
        [(boxes([[0, 0, 32, 32], [40, 40, 136, 136]]), boxes([[0, 0, 32, 32]], scores=[0.5]))],
        # Exactly at an IoU threshold.
        [(boxes([[0, 0, 10, 10]]), boxes([[0, 0, 10, 5]], scores=[0.5]))],
        [(boxes([[0, 0, 10, 10]]), boxes([[0, 0, 10, 7.5]], scores=[0.5]))],
        # Two of equal overlap.
        [(boxes([[0, 0, 10, 10]] * 2), boxes([[0, 0, 10, 9]] * 2, scores=[0.5, 0.4]))],
    ],
)
def test_odd_cases(pairs):
    images = [coco.Image(f"{n}.jpg", 640, 480, *pair) for n, pair in enumerate(pairs)]
    ours, theirs = both(images)
    assert ours == theirs


def test_boxes_of_a_file_keep_the_sizes_that_it_states(tmp_path):
    """0.1 + 0.7 - 0.1 is not 0.7: what a file states is what pycocotools is given."""
    images = random_images(7)
    path = tmp_path / "detections.json"
    coco.write_detections(path, images)
    again = coco.read_detections(path, images, CLASSES)
    assert coco.detections_json(again) == coco.detections_json(images)
    ours, theirs = both(again)
    assert ours == theirs


def test_average_precision_over_a_part_of_the_images():
    images = random_images(9, images=40)
    matches = metrics.match(images, CLASSES.values())
    keep = np.arange(40) % 3 == 0
    part = {class_: of.only(keep) for class_, of in matches.items()}
    alone, _ = both([image for image, kept in zip(images, keep, strict=True) if kept])
    assert metrics.average_precision(part) == alone[coco.AP]
