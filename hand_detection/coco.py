"""The COCO detection metrics, by pycocotools, and nothing of our own beside them.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014; https://cocodataset.org/#detection-eval
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# The API's names of the 12 numbers, in pycocotools' order. TensorBoard shows them under these.
TAGS = (
    "DetectionBoxes_Precision/mAP",
    "DetectionBoxes_Precision/mAP@.50IOU",
    "DetectionBoxes_Precision/mAP@.75IOU",
    "DetectionBoxes_Precision/mAP (small)",
    "DetectionBoxes_Precision/mAP (medium)",
    "DetectionBoxes_Precision/mAP (large)",
    "DetectionBoxes_Recall/AR@1",
    "DetectionBoxes_Recall/AR@10",
    "DetectionBoxes_Recall/AR@100",
    "DetectionBoxes_Recall/AR@100 (small)",
    "DetectionBoxes_Recall/AR@100 (medium)",
    "DetectionBoxes_Recall/AR@100 (large)",
)
AP, AP50, AP75 = TAGS[:3]


@dataclass(frozen=True)
class Boxes:
    """The boxes of one image.

    Attributes:
        boxes: float64 (N, 4): xmin, ymin, xmax, ymax in pixels, 0-based, of the image as stored.
        classes: int64 (N,), the label map's ids.
        scores: float64 (N,), detections only.
        crowd: bool (N,), ground truth only: where any number of detections is right.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None


@dataclass(frozen=True)
class Image:
    """One evaluated image: its name, size in pixels, ground truth and detections."""

    name: str
    width: int
    height: int
    truth: Boxes
    detections: Boxes


def ground_truth_json(images: Sequence[Image], classes: dict[str, int]) -> dict:
    """The ground truth in COCO's instances format; image ids count from 1."""
    annotations = [
        {
            "id": 0,
            "image_id": number,
            "category_id": int(category),
            "bbox": _xywh(box),
            "area": float((box[2] - box[0]) * (box[3] - box[1])),
            "iscrowd": int(crowd),
        }
        for number, image in enumerate(images, 1)
        for box, category, crowd in zip(
            image.truth.boxes,
            image.truth.classes,
            np.zeros(len(image.truth.boxes), bool)
            if image.truth.crowd is None
            else image.truth.crowd,
            strict=True,
        )
    ]
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    return {
        "info": {},
        "images": [
            {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
            for number, image in enumerate(images, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": id_, "name": name} for name, id_ in classes.items()],
    }


def detections_json(images: Sequence[Image]) -> list[dict]:
    """The detections in COCO's results format; image ids as in `ground_truth_json`."""
    return [
        {
            "image_id": number,
            "category_id": int(category),
            "bbox": _xywh(box),
            "score": float(score),
        }
        for number, image in enumerate(images, 1)
        for box, category, score in zip(
            image.detections.boxes, image.detections.classes, image.detections.scores, strict=True
        )
    ]


def evaluate(truth: dict, detections: Iterable[dict]) -> tuple[dict[str, float], str]:
    """The 12 COCO numbers of `detections` (results format) on `truth` (instances format).

    A number is -1 where there is no ground truth for it, as pycocotools has it.

    Returns:
        The numbers by their tag, and the table that pycocotools prints.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    chatter, table = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(chatter):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        results = list(detections)
        evaluation = COCOeval(coco, _load(coco, results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    with contextlib.redirect_stdout(table):
        evaluation.summarize()
    numbers = {tag: float(value) for tag, value in zip(TAGS, evaluation.stats, strict=True)}
    return numbers, table.getvalue().rstrip("\n")


def _load(coco: object, results: list[dict]) -> object:
    if results:
        return coco.loadRes(results)
    # loadRes cannot take an empty list: it looks at the first result.
    empty = type(coco)()
    empty.dataset = {**coco.dataset, "annotations": []}
    empty.createIndex()
    return empty


def to_pixels(normalized: np.ndarray, width: int, height: int) -> np.ndarray:
    """The API's normalized ymin, xmin, ymax, xmax -> xmin, ymin, xmax, ymax in pixels.

    Args:
        normalized: float (N, 4).
        width, height: of the image, in pixels.

    Returns:
        float64 (N, 4).
    """
    ymin, xmin, ymax, xmax = normalized.astype(np.float64).reshape(-1, 4).T
    return np.stack([xmin * width, ymin * height, xmax * width, ymax * height], axis=1)


def _xywh(box: np.ndarray) -> list[float]:
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]
