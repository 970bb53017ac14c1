"""Whether an export detects what its checkpoint detects, on real validation frames.

Both run over the same frames, decoded alike; their boxes are put side by side one by one, and
their AP. Formats in floating point must have the same boxes; of 8-bit integers that cannot be
asked, so there the AP decides and the rest is told.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import coco, detectors, metrics
from hand_detection.console import Progress
from hand_detection.evaluator import Evaluator
from hand_detection.paths import shown

MIN_IOU = 0.99  # of an export's box with the checkpoint's
MIN_SCORE = 0.01  # below, boxes are not compared: far more than anyone detects with
SCORE_TOLERANCE = 1e-3
AP_TOLERANCE = 0.002
INT8_AP_TOLERANCE = 0.02


@dataclass(frozen=True)
class Parity:
    """How an export compares with its checkpoint.

    Attributes:
        frames: how many validation frames, of `records`.
        boxes: how many either of the two detects with at least `min_score`.
        same: how many of those have a partner of the same class and an IoU of `min_iou` at least.
        median_iou: of the boxes with the best of the other's.
        score_difference: the largest between partners.
        score_tolerance: what it may be.
        ap_checkpoint, ap: of each.
        ap_tolerance: what they may differ by.
        boxes_decide: whether all boxes must be the same for `passed`.
    """

    frames: int
    records: str
    boxes: int
    same: int
    median_iou: float
    score_difference: float
    ap_checkpoint: float
    ap: float
    ap_tolerance: float
    boxes_decide: bool
    min_score: float = MIN_SCORE
    min_iou: float = MIN_IOU
    score_tolerance: float = SCORE_TOLERANCE

    @property
    def failures(self) -> list[str]:
        """What is wrong, a clause each; nothing if it passed."""
        wrong = []
        if abs(self.ap - self.ap_checkpoint) > self.ap_tolerance:
            wrong.append(
                f"AP is {self.ap:.4f}, the checkpoint's {self.ap_checkpoint:.4f}; "
                f"at most {self.ap_tolerance} apart is allowed"
            )
        if self.boxes_decide and self.same < self.boxes:
            wrong.append(f"{self.boxes - self.same} of {self.boxes} boxes are not the same")
        if self.boxes_decide and self.score_difference > self.score_tolerance:
            wrong.append(f"scores differ by up to {self.score_difference:.1e}")
        return wrong

    def record(self) -> dict[str, Any]:
        """As it is written to JSON."""
        return {**asdict(self), "passed": not self.failures, "failures": self.failures}

    def line(self) -> str:
        """In one line."""
        return (
            f"AP {self.ap:.4f} (checkpoint {self.ap_checkpoint:.4f}), {self.same} of {self.boxes} "
            f"boxes the same, scores within {self.score_difference:.1e}, on {self.frames} frames"
        )


class Gate:
    """The checkpoint's detections, made once, and any export held against them.

    Args:
        config: a `pipeline.Pipeline`.
        checkpoint: its prefix.
        limit: how many validation frames at most.

    Raises:
        UserError: the records are missing or damaged, or the checkpoint does not fit the config.
    """

    def __init__(self, config: Any, checkpoint: Path, limit: int) -> None:
        self._evaluator = Evaluator(config, "val", limit)
        result = self._evaluator.run(checkpoint, "checkpoint")
        self._images, self._ap = result.images, result.numbers[coco.AP]

    def check(self, model: Path, *, integers: bool = False) -> Parity:
        """Run the exported model at `model` over the same frames, and compare.

        Args:
            model: a file, or a SavedModel's folder.
            integers: whether it computes in 8-bit integers.
        """
        evaluator = self._evaluator
        found = []
        run = detectors.detect_all(
            detectors.open_model(model), evaluator.records, evaluator.label_map
        )
        with Progress(evaluator.examples, model.name, "image") as bar:
            for image in itertools.islice(run, evaluator.examples):
                found.append(image)
                bar.update()
        ap = metrics.twelve(metrics.match(found, evaluator.classes.values()))[coco.AP]
        boxes, same, iou, difference = compare(self._images, found)
        return Parity(
            frames=len(found),
            records=shown(evaluator.folder),
            boxes=boxes,
            same=same,
            median_iou=iou,
            score_difference=difference,
            ap_checkpoint=self._ap,
            ap=ap,
            ap_tolerance=INT8_AP_TOLERANCE if integers else AP_TOLERANCE,
            boxes_decide=not integers,
        )


def compare(
    reference: Sequence[coco.Image], found: Sequence[coco.Image]
) -> tuple[int, int, float, float]:
    """The detections of two detectors on the same images, box by box, both ways.

    Returns:
        How many boxes there are with a score of `MIN_SCORE` or more; how many of them have a
        partner in the other's, each partner one only; the median IoU with the best one; the
        largest difference of scores between partners.
    """
    boxes, same = 0, 0
    ious: list[float] = []
    differences = [0.0]
    for one, other in zip(reference, found, strict=True):
        for mine, theirs in (
            (one.detections, other.detections),
            (other.detections, one.detections),
        ):
            free = np.ones(len(theirs.boxes), bool)
            overlap = metrics.iou(mine.xywh, theirs.xywh, theirs.crowds)
            overlap[mine.classes[:, np.newaxis] != theirs.classes] = 0
            for number in np.flatnonzero(mine.scores >= MIN_SCORE):
                boxes += 1
                ious.append(float(overlap[number].max(initial=0.0)))
                # Of boxes on top of each other the one with the likest score.
                fit = np.flatnonzero(free & (overlap[number] >= MIN_IOU))
                if len(fit):
                    apart = np.abs(theirs.scores[fit] - mine.scores[number])
                    free[fit[apart.argmin()]] = False
                    same += 1
                    differences.append(float(apart.min()))
    return boxes, same, float(np.median(ious)) if ious else 1.0, max(differences)
