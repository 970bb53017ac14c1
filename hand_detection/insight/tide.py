"""Which errors cost how much AP, by the definitions of TIDE.

Bolya, Foley, Hays and Hoffman, "TIDE: A General Toolbox for Identifying Object Detection Errors",
ECCV 2020. Each false positive and each missed object gets one type; then each type is mended by an
oracle, alone, and what AP50 gains is that type's cost. The gains do not add up to 1 - AP50.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hand_detection import metrics
from hand_detection.coco import Image

FOREGROUND, BACKGROUND = 0.5, 0.1  # the paper's t_f and t_b
CLASSIFICATION, LOCALIZATION, BOTH, DUPLICATE, BACKGROUND_ERROR = range(5)
TYPES = {
    "classification": "right place, wrong class",
    "localization": "right class, box too far off (IoU .1 to .5)",
    "both": "wrong class, and box too far off",
    "duplicate": "an object found a second time",
    "background": "nothing is there",
    "missed": "an object that nothing above found",
}


@dataclass(frozen=True)
class Errors:
    """All detections and objects of the evaluated images, crowds and what matched them left out.

    Attributes:
        class_, score: int64, float64 (D,): the detections'.
        type: int8 (D,): an index of TYPES, or -1 for a right detection.
        object: int64 (D,): for a right detection, a classification or a localization error the
            object that it is about; -1 for others.
        object_class: int64 (O,).
        missed: bool (O,).
        image: int32 (D,), the detections' image.
        object_image: int32 (O,).
    """

    class_: np.ndarray
    score: np.ndarray
    type: np.ndarray
    object: np.ndarray
    object_class: np.ndarray
    missed: np.ndarray
    image: np.ndarray
    object_image: np.ndarray


def find(images: Sequence[Image], matches: metrics.Matches) -> Errors:
    """Give each false positive and each missed object its type.

    Where several definitions fit, the first of localization, classification, duplicate,
    background, both.
    """
    # From the order of the scores back to the order of the images.
    order = {class_: np.lexsort((of.rank, of.image)) for class_, of in matches.items()}
    bounds = {
        class_: np.searchsorted(of.image[order[class_]], np.arange(len(images) + 1))
        for class_, of in matches.items()
    }
    wrong = {class_: of.wrong(metrics.AT_50) for class_, of in matches.items()}
    right = {class_: of.right(metrics.AT_50) for class_, of in matches.items()}
    rows, objects, first = [], [], 0
    for number, image in enumerate(images):
        real = np.flatnonzero(~image.truth.crowds & np.isin(image.truth.classes, list(matches)))
        place = np.full(len(image.truth.classes), -1)
        place[real] = first + np.arange(len(real))
        parts = []
        for class_, of in matches.items():
            mine = order[class_][bounds[class_][number] : bounds[class_][number + 1]]
            found = metrics.ranked(image, class_)
            found = found[: len(mine)]
            part = np.stack([found, of.truth[mine], right[class_][mine], wrong[class_][mine]])
            parts.append(part)
        found, truth, is_right, is_wrong = np.hstack(parts).astype(np.int64)
        type_, target = _types(image, real, found, is_wrong.astype(bool))
        about = np.where(is_right, truth, target)
        meant = about >= 0
        about[meant] = place[about[meant]]
        counted = (is_right | is_wrong).astype(bool)
        rows.append(
            (
                image.detections.classes[found[counted]],
                image.detections.scores[found[counted]],
                type_[counted],
                about[counted],
                np.full(counted.sum(), number, np.int32),
            )
        )
        objects.append((image.truth.classes[real], np.full(len(real), number, np.int32)))
        first += len(real)
    class_, score, type_, about, image_of = (
        np.concatenate(part) for part in zip(*rows, strict=True)
    )
    object_class, object_image = (np.concatenate(part) for part in zip(*objects, strict=True))
    missed = np.ones(first, bool)
    missed[about[about >= 0]] = False
    return Errors(class_, score, type_, about, object_class, missed, image_of, object_image)


def _types(
    image: Image, real: np.ndarray, found: np.ndarray, wrong: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For detections `found`: type, -1 where not `wrong`; and the object meant, or -1."""
    type_ = np.full(len(found), -1, np.int8)
    target = np.full(len(found), -1, np.int64)
    type_[wrong] = BACKGROUND_ERROR
    if not len(real) or not wrong.any():
        return type_, target
    overlap = metrics.iou(
        image.detections.xywh[found], image.truth.xywh[real], np.zeros(len(real), bool)
    )
    same = image.detections.classes[found][:, None] == image.truth.classes[real]
    of_same, of_other = np.where(same, overlap, 0.0), np.where(same, 0.0, overlap)
    best_same, best_other = of_same.max(axis=1), of_other.max(axis=1)
    localization = wrong & (best_same >= BACKGROUND) & (best_same < FOREGROUND)
    classification = wrong & ~localization & (best_other >= FOREGROUND)
    duplicate = wrong & ~localization & ~classification & (best_same >= FOREGROUND)
    both = wrong & ~localization & ~classification & ~duplicate & (best_other > BACKGROUND)
    type_[both], type_[duplicate] = BOTH, DUPLICATE
    type_[localization], type_[classification] = LOCALIZATION, CLASSIFICATION
    target[localization] = real[of_same.argmax(axis=1)][localization]
    target[classification] = real[of_other.argmax(axis=1)][classification]
    return type_, target


def cost(errors: Errors) -> dict[str, float]:
    """What AP50 gains when each type of error alone is mended (dAP).

    Also under "false positives" and "false negatives" when all of either are.
    """
    base = _ap(errors)
    gains = {}
    for number, name in enumerate(TYPES):
        if name == "missed":
            gains[name] = _ap(errors, objects=~errors.missed) - base
        elif number in (CLASSIFICATION, LOCALIZATION):
            gains[name] = _ap(errors, keep=errors.type != number, mended=errors.type == number)
            gains[name] -= base
        else:
            gains[name] = _ap(errors, keep=errors.type != number) - base
    right = errors.type == -1
    found = np.zeros(len(errors.object_class), bool)
    found[errors.object[right]] = True
    gains["false positives"] = _ap(errors, keep=right) - base
    gains["false negatives"] = _ap(errors, objects=found) - base
    return gains


def _ap(
    errors: Errors,
    *,
    keep: np.ndarray | None = None,
    mended: np.ndarray | None = None,
    objects: np.ndarray | None = None,
) -> float:
    """AP50 of the detections `keep`, with those `mended` made right, over the `objects`.

    Of several right detections of one object, the one with the best score stays.
    """
    score, class_ = errors.score, errors.class_
    right = errors.type == -1
    if mended is not None:
        claims = np.flatnonzero(right | mended)
        claims = claims[np.lexsort((-score[claims], errors.object[claims]))]
        winners = claims[np.unique(errors.object[claims], return_index=True)[1]]
        keep = keep & ~right
        right = np.zeros(len(score), bool)
        right[winners] = True
        keep[winners] = True
        class_ = class_.copy()
        class_[winners] = errors.object_class[errors.object[winners]]
    if keep is None:
        keep = np.ones(len(score), bool)
    values = []
    for one in np.unique(errors.object_class):
        positives = np.count_nonzero(
            errors.object_class == one
            if objects is None
            else (errors.object_class == one) & objects
        )
        mine = np.flatnonzero(keep & (class_ == one))
        flags = right[mine[np.argsort(-score[mine], kind="stable")]]
        at = np.flatnonzero(flags)
        if positives:
            count = np.arange(1.0, len(at) + 1)
            values.append(metrics.interpolate(count, at + 1 - count, positives).mean())
    return float(np.mean(values)) if values else 0.0
