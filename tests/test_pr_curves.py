"""Precision-recall curves of a few boxes whose counts can be told by hand."""

from __future__ import annotations

import numpy as np

from hand_detection import coco
from hand_detection.training import pr_curves

CLASSES = {"hand": 1, "face": 2}


def image(name: str, truth: list[float], found: dict[float, float], crowd: bool = False):
    """Boxes of 10 x 10 px by their left edge; `found`: the left edge by score."""

    def boxes(lefts):
        return np.array([[x, 0, x + 10, 10] for x in lefts], float).reshape(-1, 4)

    return coco.Image(
        name=name,
        width=100,
        height=20,
        truth=coco.Boxes(boxes(truth), np.ones(len(truth), int), crowd=np.full(len(truth), crowd)),
        detections=coco.Boxes(
            boxes(found.values()), np.ones(len(found), int), scores=np.array(list(found))
        ),
    )


def test_counts_at_each_threshold():
    images = [
        image("a", [0, 50], {0.9: 1, 0.705: 80}),  # a hit, a miss, and a hand not found
        image("b", [20], {0.5: 21}),
        image("c", [40], {0.6: 40}, crowd=True),  # counts neither way
    ]
    found = pr_curves.curves(images, CLASSES)
    assert list(found) == ["hand"]  # there is no face to be found
    curve = found["hand"]

    def at(threshold):
        place = np.flatnonzero(np.isclose(pr_curves.THRESHOLDS, threshold))[0]
        return (
            curve.true_positives[place],
            curve.false_positives[place],
            curve.false_negatives[place],
            round(curve.precision[place], 3),
            round(curve.recall[place], 3),
        )

    assert at(0.0) == at(0.5) == (2, 1, 1, 0.667, 0.667)
    assert at(0.7) == (1, 1, 2, 0.5, 0.333)
    assert at(0.8) == (1, 0, 2, 1.0, 0.333)
    assert at(1.0) == (0, 0, 3, 1.0, 0.0)


def test_without_a_detection_no_hand_is_found():
    curve = pr_curves.curves([image("a", [0], {})], CLASSES)["hand"]
    assert not curve.recall.any()
    assert (curve.false_negatives == 1).all()
    assert (curve.precision == 1).all()
