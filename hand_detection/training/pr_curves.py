"""Precision and recall at each score threshold, matched as pycocotools does it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hand_detection import coco

THRESHOLDS = np.linspace(0, 1, 101)  # of the score
IOU = 0.5


@dataclass(frozen=True)
class Curve:
    """One class at an IoU of 0.5. All arrays are float64 (101,), an entry a threshold.

    Attributes:
        true_positives: detections that score at least the threshold and hit an object.
        false_positives: those that do not.
        false_negatives: objects that no such detection hits.
    """

    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        """Of the detections; 1 where there are none."""
        found = self.true_positives + self.false_positives
        return np.where(found > 0, self.true_positives / np.maximum(found, 1), 1.0)

    @property
    def recall(self) -> np.ndarray:
        """Of the objects; 0 where there are none."""
        objects = self.true_positives + self.false_negatives
        return self.true_positives / np.maximum(objects, 1)


def curves(images: Sequence[coco.Image], classes: dict[str, int]) -> dict[str, Curve]:
    """A curve for each class that has objects in `images`, by the class's name."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    detections = coco.detections_json(images)
    if not detections:
        return {}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools' chatter
        truth = COCO()
        truth.dataset = coco.ground_truth_json(images, classes)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
        parameters = evaluation.params
        parameters.iouThrs = np.array([IOU])
        parameters.areaRng, parameters.areaRngLbl = parameters.areaRng[:1], ["all"]
        evaluation.evaluate()
    by_id = {id_: name for name, id_ in classes.items()}
    found = {}
    for id_ in parameters.catIds:
        entries = [entry for entry in evaluation.evalImgs if entry and entry["category_id"] == id_]
        objects = sum(int((entry["gtIgnore"] == 0).sum()) for entry in entries)
        if not objects:
            continue
        scores = np.concatenate([entry["dtScores"] for entry in entries])
        hits = np.concatenate([entry["dtMatches"][0] > 0 for entry in entries])
        counted = np.concatenate([~entry["dtIgnore"][0].astype(bool) for entry in entries])
        above = (scores >= THRESHOLDS[:, np.newaxis]) & counted
        true = (above & hits).sum(1).astype(np.float64)
        found[by_id[id_]] = Curve(true, above.sum(1) - true, objects - true)
    return found
