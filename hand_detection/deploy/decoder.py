"""What comes after the network, in NumPy: the reference that other runtimes are held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Suppression:
    """Non-maximum suppression as a config's post_processing has it.

    Attributes:
        score_threshold: what scores no more than this is left out.
        iou_threshold: what overlaps a better one of its class by more than this is left out.
        max_per_class: how many remain of a class.
        max_total: how many remain of all.
    """

    score_threshold: float
    iou_threshold: float
    max_per_class: int
    max_total: int

    @classmethod
    def of(cls, proto: Any) -> Suppression:
        """What a TrainEvalPipelineConfig of an SSD says."""
        nms = proto.model.ssd.post_processing.batch_non_max_suppression
        return cls(
            nms.score_threshold,
            nms.iou_threshold,
            nms.max_detections_per_class,
            nms.max_total_detections,
        )
