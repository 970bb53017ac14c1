"""The COCO detection metrics at array speed: pycocotools' numbers to the last digit.

pycocotools' own `COCOeval` matches in Python loops and keeps gigabytes for 100,000 images. Here
its rules run on arrays, over the IoUs of its C code; tests hold the two to the same digits
(`coco.evaluate` is pycocotools itself). What the matching leaves, some 20 bytes a detection, is
also what the insight report resamples.

Lin et al., "Microsoft COCO: Common Objects in Context", 2014; https://cocodataset.org/#detection-eval
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hand_detection.coco import MASK_TAGS, TAGS, Image
from hand_detection.masks import Rle

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0.0, 1.0, 101)
AT_50, AT_75 = 0, 5  # their places in IOU_THRESHOLDS
MOST_DETECTIONS = 100  # an image and class; those with the best scores
AREAS = {
    "all": (0.0, 1e5**2),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e5**2),
}
"""COCO's ranges of area, in square pixels, both ends included."""


@dataclass(frozen=True)
class ClassMatches:
    """What the matching knows of one class. D detections, best score first; N images; A areas.

    Equal scores stand in the order of the images, as pycocotools has them.

    Attributes:
        image: int32 (D,), the image's index.
        rank: int16 (D,), the place among the detections of its image and class, from 0.
        score: float64 (D,).
        matched: uint16 (A, D): bit t says that there is a match at IOU_THRESHOLDS[t].
        ignored: uint16 (A, D): bit t says that the detection counts neither as right nor wrong.
        truth: int32 (D,), at IoU .5 and over all areas the index of the match among the ground
            truth boxes of the image (of all classes), or -1.
        positives: int32 (A, N), the ground truth boxes to be found.
    """

    image: np.ndarray
    rank: np.ndarray
    score: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    truth: np.ndarray
    positives: np.ndarray

    def right(self, threshold: int, area: int = 0) -> np.ndarray:
        """bool (D,): the true positives at IOU_THRESHOLDS[threshold]."""
        return _bit(self.matched[area] & ~self.ignored[area], threshold)

    def wrong(self, threshold: int, area: int = 0) -> np.ndarray:
        """bool (D,): the false positives."""
        return _bit(~self.matched[area] & ~self.ignored[area], threshold)

    def only(self, keep: np.ndarray) -> ClassMatches:
        """What is left with the images where `keep`, bool (N,), is true."""
        of = keep[self.image]
        return ClassMatches(
            self.image[of],
            self.rank[of],
            self.score[of],
            self.matched[:, of],
            self.ignored[:, of],
            self.truth[of],
            np.where(keep, self.positives, 0),
        )


Matches = dict[int, ClassMatches]
"""By class id."""


def match(
    images: Sequence[Image],
    classes: Iterable[int],
    areas: Sequence[tuple[float, float]] = tuple(AREAS.values()),
    *,
    relative: bool = False,
    masks: bool = False,
) -> Matches:
    """Match detections to ground truth, image by image, by COCO's rules.

    In order of falling score, a detection takes the free box of its class with the largest IoU,
    at least the threshold; a crowd, or a box outside the range of area, only if there is none
    other, and then the detection counts neither way. So it does unmatched if its own area is
    outside the range.

    Args:
        images: with detections and ground truth.
        classes: the ids to evaluate.
        areas: A ranges of area in square pixels, both ends included; the first one is "all".
        relative: `areas` are shares of the image's area instead.
        masks: compare masks instead of boxes. An object's area, which decides about its range,
            is its box's all the same; so pycocotools has it of files that give both.
    """
    limits = np.asarray(areas, np.float64)
    return {
        class_: _match_class(images, class_, limits, relative, masks) for class_ in sorted(classes)
    }


def ranked(image: Image, class_: int) -> np.ndarray:
    """int64 (D,): the detections of a class in an image, best score first, ties in their order."""
    found = np.flatnonzero(image.detections.classes == class_)
    return found[np.argsort(-image.detections.scores[found], kind="stable")]


def _match_class(
    images: Sequence[Image], class_: int, areas: np.ndarray, relative: bool, masks: bool
) -> ClassMatches:
    ranks, scores, matched, ignored, truths = [], [], [], [], []
    counts = np.zeros(len(images), np.int64)
    positives = np.zeros((len(areas), len(images)), np.int32)
    for number, image in enumerate(images):
        mine = np.flatnonzero(image.truth.classes == class_)
        found = ranked(image, class_)
        if not len(mine) and not len(found):
            continue
        found = found[:MOST_DETECTIONS]
        unit = image.width * image.height if relative else 1.0
        bits, blind, truth, real = _match_image(image, mine, found, areas * unit, masks)
        counts[number] = len(found)
        positives[:, number] = real
        ranks.append(np.arange(len(found), dtype=np.int16))
        scores.append(image.detections.scores[found])
        matched.append(bits)
        ignored.append(blind)
        truths.append(truth)
    if not scores:
        none = np.zeros((len(areas), 0), np.uint16)
        empty = np.zeros(0, np.int32)
        return ClassMatches(
            empty, empty.astype(np.int16), np.zeros(0), none, none, empty, positives
        )
    score = np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    return ClassMatches(
        np.repeat(np.arange(len(images), dtype=np.int32), counts)[order],
        np.concatenate(ranks)[order],
        score[order],
        np.concatenate(matched, axis=1)[:, order],
        np.concatenate(ignored, axis=1)[:, order],
        np.concatenate(truths)[order],
        positives,
    )


def _match_image(
    image: Image, mine: np.ndarray, found: np.ndarray, areas: np.ndarray, masks: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Match the detections `found` to the boxes `mine` of one image and class.

    Returns:
        matched and ignored, uint16 (A, D); truth, int32 (D,); positives, int (A,).
    """
    boxes = image.truth.xywh[mine]
    detected = image.detections.xywh[found]
    crowd = image.truth.crowds[mine]
    ignore = crowd | _outside(boxes[:, 2] * boxes[:, 3], areas)  # (A, G)
    a, t, g = len(areas), len(IOU_THRESHOLDS), len(mine)
    hits = np.zeros((a, t, len(found)), bool)
    blind = np.zeros((a, t, len(found)), bool)
    truth = np.full(len(found), -1, np.int32)
    if g and len(found):
        overlap = (
            iou(image.detections.only(found).masks, image.truth.only(mine).masks, crowd)
            if masks
            else iou(detected, boxes, crowd)
        )
        free = np.ones((a, t, g), bool)
        # What overlaps nothing by the least threshold can match nothing.
        for d in np.flatnonzero(overlap.max(axis=1) >= IOU_THRESHOLDS[0]):
            fits = (overlap[d] >= IOU_THRESHOLDS[:, None]) & (free | crowd)
            real = fits & ~ignore[:, None]
            fits = np.where(real.any(axis=2, keepdims=True), real, fits)
            # The last one of equals, hence backwards.
            best = g - 1 - np.argmax(np.where(fits, overlap[d], -1.0)[..., ::-1], axis=2)
            hit = fits.any(axis=2)
            which = np.nonzero(hit)
            free[(*which, best[which])] = False
            hits[..., d] = hit
            blind[..., d][which] = ignore[which[0], best[which]]
            if hit[0, AT_50]:
                truth[d] = mine[best[0, AT_50]]
    blind |= ~hits & _outside(detected[:, 2] * detected[:, 3], areas)[:, None]
    return _pack(hits), _pack(blind), truth, (~ignore).sum(axis=1)


def iou(
    detected: np.ndarray | Sequence[Rle], truth: np.ndarray | Sequence[Rle], crowd: np.ndarray
) -> np.ndarray:
    """IoU by pycocotools' C code, float64 (D, G); of a crowd, the share of the detection in it.

    Args:
        detected, truth: boxes, float64 (D, 4), (G, 4): x, y, width, height; or D, G masks.
        crowd: bool (G,).
    """
    from pycocotools import mask

    if not len(detected) or not len(truth):
        return np.zeros((len(detected), len(truth)))
    return np.asarray(mask.iou(detected, truth, crowd.astype(np.uint8).tolist()))


def _outside(area: np.ndarray, areas: np.ndarray) -> np.ndarray:
    return (area < areas[:, :1]) | (area > areas[:, 1:])


def _pack(flags: np.ndarray) -> np.ndarray:
    """bool (A, T, D) -> uint16 (A, D), a bit a threshold."""
    weights = (1 << np.arange(flags.shape[1], dtype=np.uint16)).astype(np.uint16)
    return (flags * weights[:, None]).sum(axis=1, dtype=np.uint16)


def _bit(packed: np.ndarray, number: int) -> np.ndarray:
    return (packed >> np.uint16(number) & np.uint16(1)).astype(bool)


def curve(matches: ClassMatches, threshold: int, area: int = 0) -> np.ndarray | None:
    """The precision at each of RECALL_THRESHOLDS, float64 (101,): the best at that recall or more.

    None where there is no ground truth.
    """
    positives = int(matches.positives[area].sum())
    if not positives:
        return None
    # Precision is largest at a true positive, so only those need be looked at.
    at = np.flatnonzero(matches.right(threshold, area))
    right = np.arange(1, len(at) + 1, dtype=np.float64)
    wrong = np.cumsum(matches.wrong(threshold, area))[at].astype(np.float64)
    return interpolate(right, wrong, positives)


def interpolate(right: np.ndarray, wrong: np.ndarray, positives: float) -> np.ndarray:
    """COCO's 101 points of a precision/recall curve.

    Args:
        right, wrong: float64 (n,): true and false positives down to each true positive.
        positives: the ground truth boxes.
    """
    precision = right / (wrong + right + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(right / positives, RECALL_THRESHOLDS, side="left")
    return np.append(precision, 0.0)[np.minimum(place, len(precision))]


def recall(matches: ClassMatches, most: int, area: int = 0) -> np.ndarray | None:
    """The recall at each of IOU_THRESHOLDS, of the `most` best detections of each image."""
    positives = int(matches.positives[area].sum())
    if not positives:
        return None
    right = matches.matched[area] & ~matches.ignored[area]
    right = right[matches.rank < most]
    return np.array([_bit(right, t).sum() / positives for t in range(len(IOU_THRESHOLDS))])


def average_precision(
    matches: Matches, thresholds: Iterable[int] = range(len(IOU_THRESHOLDS)), area: int = 0
) -> float:
    """AP over classes and IoU thresholds; -1 where there is no ground truth at all."""
    curves = [[curve(of, t, area) for of in matches.values()] for t in thresholds]
    curves = [[points for points in row if points is not None] for row in curves]
    if not curves or not curves[0]:
        return -1.0
    # pycocotools' order, (threshold, recall, class): a sum of floats depends on it.
    return float(np.mean(np.array(curves).transpose(0, 2, 1).ravel()))


def average_recall(matches: Matches, most: int, area: int = 0) -> float:
    """AR over classes and IoU thresholds; -1 where there is no ground truth at all."""
    rows = [recall(of, most, area) for of in matches.values()]
    rows = [row for row in rows if row is not None]
    return float(np.mean(np.array(rows).T.ravel())) if rows else -1.0


def twelve(matches: Matches, *, masks: bool = False) -> dict[str, float]:
    """The 12 COCO numbers by their tag, of matches over COCO's ranges of area."""
    sizes = range(1, len(AREAS))
    values = [
        average_precision(matches),
        average_precision(matches, [AT_50]),
        average_precision(matches, [AT_75]),
        *(average_precision(matches, area=area) for area in sizes),
        *(average_recall(matches, most) for most in (1, 10, MOST_DETECTIONS)),
        *(average_recall(matches, MOST_DETECTIONS, area) for area in sizes),
    ]
    return dict(zip(MASK_TAGS if masks else TAGS, values, strict=True))


def table(numbers: dict[str, float]) -> str:
    """The 12 numbers as pycocotools prints them."""
    every = "0.50:0.95"
    sizes = list(AREAS)[1:]
    ap, ar = ("Average Precision", "(AP)"), ("Average Recall", "(AR)")
    rows = [(*ap, iou_, "all", MOST_DETECTIONS) for iou_ in (every, "0.50", "0.75")]
    rows += [(*ap, every, size, MOST_DETECTIONS) for size in sizes]
    rows += [(*ar, every, "all", most) for most in (1, 10, MOST_DETECTIONS)]
    rows += [(*ar, every, size, MOST_DETECTIONS) for size in sizes]
    return "\n".join(
        f" {title:<18} {short} @[ IoU={iou_:<9} | area={area:>6s} | maxDets={most:>3d} ]"
        f" = {value:0.3f}"
        for (title, short, iou_, area, most), value in zip(rows, numbers.values(), strict=True)
    )
