"""Precision and recall at each score threshold, as TensorBoard draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hand_detection import coco, metrics

THRESHOLDS = np.linspace(0, 1, 101)  # of the score


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
    matches = metrics.match(images, classes.values())
    found = {}
    for name, id_ in classes.items():
        of = matches[id_]
        objects = int(of.positives[0].sum())
        if not objects:
            continue
        above = of.score >= THRESHOLDS[:, np.newaxis]
        true = (above & of.right(metrics.AT_50)).sum(1).astype(np.float64)
        false = (above & of.wrong(metrics.AT_50)).sum(1).astype(np.float64)
        found[name] = Curve(true, false, objects - true)
    return found
