"""Evaluated images and COCO's two JSON formats; and pycocotools, the metrics of record.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014; https://cocodataset.org/#detection-eval
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hand_detection import files, masks
from hand_detection.console import UserError
from hand_detection.masks import Rle
from hand_detection.paths import shown

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
AR100 = TAGS[8]
MASK_TAGS = tuple(tag.replace("DetectionBoxes", "DetectionMasks") for tag in TAGS)
MASK_AP, MASK_AP50, MASK_AP75 = MASK_TAGS[:3]


@dataclass(frozen=True)
class Boxes:
    """The boxes of one image.

    Attributes:
        boxes: float64 (N, 4): xmin, ymin, xmax, ymax in pixels, 0-based, of the image as stored.
        classes: int64 (N,), the label map's ids.
        scores: float64 (N,), detections only.
        crowd: bool (N,), ground truth only: where any number of detections is right.
        sizes: float64 (N, 2): width and height, where a file states them and the difference of
            the corners would round otherwise.
        masks: N masks of the image's size, if they are known.
    """

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray | None = None
    crowd: np.ndarray | None = None
    sizes: np.ndarray | None = None
    masks: Sequence[Rle] | None = None

    @property
    def xywh(self) -> np.ndarray:
        """float64 (N, 4): xmin, ymin, width, height, as COCO has them."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        return np.hstack([low, high - low if self.sizes is None else self.sizes])

    @property
    def crowds(self) -> np.ndarray:
        """`crowd`, False everywhere if it is None."""
        return np.zeros(len(self.boxes), bool) if self.crowd is None else self.crowd

    def only(self, keep: np.ndarray) -> Boxes:
        """What is left with the boxes at the places `keep`, bool (N,) or int (M,)."""
        places = np.arange(len(self.boxes))[keep]
        return Boxes(
            masks=None if self.masks is None else [self.masks[place] for place in places],
            **{
                name: None if (values := getattr(self, name)) is None else values[places]
                for name in ("boxes", "classes", "scores", "crowd", "sizes")
            },
        )


@dataclass(frozen=True)
class Image:
    """One evaluated image: its name, size in pixels, ground truth and detections."""

    name: str
    width: int
    height: int
    truth: Boxes
    detections: Boxes


def have_masks(images: Sequence[Image]) -> bool:
    """Whether ground truth and detections have masks, so that these can be compared."""
    return bool(images) and all(
        image.truth.masks is not None and image.detections.masks is not None for image in images
    )


def ground_truth_json(images: Sequence[Image], classes: dict[str, int]) -> dict:
    """The ground truth in COCO's instances format; image ids count from 1.

    An object's `area` is its box's also where it has a mask, so that one file serves for both.
    """
    annotations = [
        {
            "id": 0,
            "image_id": number,
            "category_id": int(category),
            "bbox": box.tolist(),
            "area": float(box[2] * box[3]),
            "iscrowd": int(crowd),
            **segmentation,
        }
        for number, image in enumerate(images, 1)
        for box, category, crowd, segmentation in zip(
            image.truth.xywh,
            image.truth.classes,
            image.truth.crowds,
            _segmentations(image.truth),
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
    return list(_results(images))


def _results(images: Sequence[Image]) -> Iterator[dict]:
    for number, image in enumerate(images, 1):
        found = image.detections
        for box, category, score, segmentation in zip(
            found.xywh, found.classes, found.scores, _segmentations(found), strict=True
        ):
            yield {
                "image_id": number,
                "category_id": int(category),
                "bbox": box.tolist(),
                "score": float(score),
                **segmentation,
            }


def _segmentations(boxes: Boxes) -> list[dict]:
    """What each box's mask adds to its entry; JSON has no bytes."""
    if boxes.masks is None:
        return [{}] * len(boxes.boxes)
    return [
        {"segmentation": {"size": list(mask["size"]), "counts": mask["counts"].decode()}}
        for mask in boxes.masks
    ]


def write_detections(path: Path, images: Sequence[Image]) -> None:
    """Write COCO's results format, a line a detection, without holding it all in memory."""
    with files.whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "[\n"
        for result in _results(images):
            file.write(separator + json.dumps(result))
            separator = ",\n"
        file.write("\n]\n" if separator[0] == "," else "[]\n")


def read_detections(path: Path, images: Sequence[Image], classes: dict[str, int]) -> list[Image]:
    """The same images with the detections of a results file in place of their own.

    Args:
        path: COCO's results format; image ids count from 1 in the order of `images`.
        images: the ground truth.
        classes: ids by name.

    Raises:
        UserError: it is no such file, or an entry is malformed; names the entry by its index.
    """
    if not path.is_file():
        raise UserError(f"there is no detections file {shown(path)}")
    entries = files.read_json(path)
    if not isinstance(entries, list):
        raise UserError(
            f"{shown(path)} is not in COCO's results format: a list of "
            '{"image_id", "category_id", "bbox", "score"}'
        )
    rows: list[list[int]] = [[] for _ in images]
    values = np.zeros((len(entries), 6))
    known = set(classes.values())
    found: list[Rle] = []
    for index, entry in enumerate(entries):
        try:
            number, values[index] = _parse_result(entry, len(images), known)
            if "segmentation" in entry:
                found.append(_parse_mask(entry["segmentation"], images[number - 1]))
            if len(found) not in (0, index + 1):
                raise ValueError("some entries have a segmentation, and others have none")
        except ValueError as error:
            raise UserError(f"{shown(path)}, entry {index}: {error}") from None
        rows[number - 1].append(index)
    return [
        replace(
            image, detections=_boxes(values[mine], [found[row] for row in mine] if found else None)
        )
        for image, mine in zip(images, rows, strict=True)
    ]


def _parse_result(entry: Any, images: int, classes: set[int]) -> tuple[int, list[float]]:
    """The image id; and the class id, score, x, y, width and height of a result.

    Raises:
        ValueError: it is malformed; says how.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r:.60} is not an object")
    missing = [key for key in ("image_id", "category_id", "bbox", "score") if key not in entry]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    number, class_, box, score = (
        entry[key] for key in ("image_id", "category_id", "bbox", "score")
    )
    if not _is_integer(number) or not 1 <= number <= images:
        raise ValueError(
            f"unknown image_id {number!r}: the {images} images have the ids 1 to {images}, "
            "as --save-ground-truth writes them"
        )
    if not _is_integer(class_) or class_ not in classes:
        there = ", ".join(map(str, sorted(classes)))
        raise ValueError(f"unknown category_id {class_!r}: the label map has {there}")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_finite, box)):
        raise ValueError(f"bbox is {box!r:.60}, not four finite numbers x, y, width, height")
    if box[2] < 0 or box[3] < 0:
        raise ValueError(f"bbox {box} has a width or height below 0: it is x, y, width, height")
    if not _is_finite(score):
        raise ValueError(f"score is {score!r:.60}, not a finite number")
    return number, [class_, score, *box]


def _parse_mask(value: Any, image: Image) -> Rle:
    """A segmentation of any of COCO's three kinds: outline, run lengths, compressed ones.

    Raises:
        ValueError: it is none, or not of this image's size.
    """
    from pycocotools import mask

    size = [image.height, image.width]
    if isinstance(value, dict) and value.get("size") != size:
        raise ValueError(f"segmentation has the size {value.get('size')}, its image {size}")
    try:
        if isinstance(value, list):
            return mask.merge(mask.frPyObjects(value, *size))
        counts = value["counts"]
        if isinstance(counts, str):
            counts = masks.run_lengths(counts.encode("ascii"))
        # The C code takes any, and compares for ever, or memory that is not its own.
        if min(counts) < 0 or sum(counts) != image.height * image.width:
            raise ValueError(f"its run lengths make {sum(counts)} pixels")
        return mask.frPyObjects({"size": size, "counts": counts}, *size)
    except Exception as error:  # whatever the C code is led into
        raise ValueError(f"segmentation is not in COCO's format: {error}") from None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max  # so is no NaN; an int may be larger


def _boxes(values: np.ndarray, found: Sequence[Rle] | None) -> Boxes:
    low, size = values[:, 2:4], values[:, 4:6]
    return Boxes(
        np.hstack([low, low + size]),
        values[:, 0].astype(np.int64),
        scores=values[:, 1].copy(),
        sizes=size.copy(),
        masks=found,
    )


def evaluate(
    truth: dict, detections: Iterable[dict], *, masks: bool = False
) -> tuple[dict[str, float], str]:
    """The 12 COCO numbers of `detections` (results format) on `truth` (instances format).

    Of their boxes, or with `masks` of their segmentations.

    By pycocotools itself: the reference that `metrics` is held to, slow and large in memory.
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
        evaluation = COCOeval(coco, _load(coco, results), "segm" if masks else "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    with contextlib.redirect_stdout(table):
        evaluation.summarize()
    tags = MASK_TAGS if masks else TAGS
    numbers = {tag: float(value) for tag, value in zip(tags, evaluation.stats, strict=True)}
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
