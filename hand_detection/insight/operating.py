"""Where to put the score threshold, what comes of it, and how far scores can be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hand_detection import metrics
from hand_detection.coco import Image

BINS = 10
LEAST_SCORE = 0.05  # below it, calibration would only speak of the sea of near-zero scores


def best_threshold(matches: metrics.Matches) -> dict:
    """The score threshold that maximizes F1 at IoU .5, over all classes together.

    Returns:
        threshold, f1, precision, recall; and the curve: lists of the same names over at most 200
        thresholds, falling.
    """
    score = np.concatenate([of.score for of in matches.values()])
    right = np.concatenate([of.right(metrics.AT_50) for of in matches.values()])
    wrong = np.concatenate([of.wrong(metrics.AT_50) for of in matches.values()])
    positives = sum(int(of.positives[0].sum()) for of in matches.values())
    order = np.argsort(-score, kind="stable")
    score, right, wrong = score[order], np.cumsum(right[order]), np.cumsum(wrong[order])
    # A threshold takes all detections of one score, or none.
    last = np.append(score[1:] != score[:-1], True) if len(score) else np.zeros(0, bool)
    score, right, wrong = score[last], right[last], wrong[last]
    recall = right / max(positives, 1)
    precision = right / np.maximum(right + wrong, 1)
    f1 = 2 * right / np.maximum(positives + right + wrong, 1)
    if not len(score):
        return {"threshold": 1.0, "f1": 0.0, "precision": 0.0, "recall": 0.0, "curve": {}}
    best = int(np.argmax(f1))
    columns = {"threshold": score, "f1": f1, "precision": precision, "recall": recall}
    some = np.unique(np.linspace(0, len(score) - 1, 200).astype(int))
    return {
        **{name: float(values[best]) for name, values in columns.items()},
        "curve": {name: values[some].tolist() for name, values in columns.items()},
    }


def confusion(
    images: Sequence[Image], matches: metrics.Matches, threshold: float
) -> list[list[int]]:
    """Counts at a score threshold and IoU .5.

    Detections are first matched within their class, as for AP; what is left of detections and
    objects is then matched whatever the class, best score first.

    Returns:
        A square of classes in the order of `matches` plus one: rows what is there, columns what
        was detected; the last row is nothing there, the last column not found.
    """
    names = list(matches)
    counts = np.zeros((len(names) + 1, len(names) + 1), np.int64)
    rest: dict[int, list[tuple[float, int, int]]] = {}  # by image: score, class, rank
    taken: dict[int, list[int]] = {}
    for place, of in enumerate(matches.values()):
        above = of.score >= threshold
        right, wrong = of.right(metrics.AT_50) & above, of.wrong(metrics.AT_50) & above
        counts[place, place] = right.sum()
        for image, box in zip(of.image[right], of.truth[right], strict=True):
            taken.setdefault(int(image), []).append(int(box))
        for at in np.flatnonzero(wrong):
            entry = (float(of.score[at]), place, int(of.rank[at]))
            rest.setdefault(int(of.image[at]), []).append(entry)
    for number, image in enumerate(images):
        free = ~image.truth.crowds & np.isin(image.truth.classes, names)
        free[taken.get(number, [])] = False
        left = list(np.flatnonzero(free))
        for _, place, rank in sorted(rest.get(number, []), key=lambda entry: -entry[0]):
            hit = _best_overlap(image, left, names[place], rank)
            there = len(names)
            if hit is not None:
                left.remove(hit)
                there = names.index(int(image.truth.classes[hit]))
            counts[there, place] += 1
        for box in left:
            counts[names.index(int(image.truth.classes[box])), -1] += 1
    return counts.tolist()


def _best_overlap(image: Image, left: list[int], class_: int, rank: int) -> int | None:
    """Of the boxes `left`, the one of another class that a detection overlaps most; or None."""
    left = [box for box in left if image.truth.classes[box] != class_]
    if not left:
        return None
    found = metrics.ranked(image, class_)[rank]
    overlap = metrics.iou(
        image.detections.xywh[[found]], image.truth.xywh[left], np.zeros(len(left), bool)
    )[0]
    best = int(overlap.argmax())
    return left[best] if overlap[best] >= metrics.IOU_THRESHOLDS[0] else None


def calibration(matches: metrics.Matches) -> dict:
    """How often detections of a score are right at IoU .5 (a reliability diagram).

    Of detections that score at least `LEAST_SCORE`, in `BINS` bins of equal width.

    Returns:
        bins: low, high, count, score (the mean), right (the share); and ece, the expected
        calibration error: the mean of |score - right|, weighted by count. Guo et al., "On
        Calibration of Modern Neural Networks", ICML 2017.
    """
    score = np.concatenate([of.score for of in matches.values()])
    right = np.concatenate([of.right(metrics.AT_50) for of in matches.values()])
    wrong = np.concatenate([of.wrong(metrics.AT_50) for of in matches.values()])
    keep = (right | wrong) & (score >= LEAST_SCORE)
    score, right = score[keep], right[keep]
    place = np.minimum((score * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        mine = place == number
        count = int(mine.sum())
        bins.append(
            {
                "low": number / BINS,
                "high": (number + 1) / BINS,
                "count": count,
                "score": float(score[mine].mean()) if count else None,
                "right": float(right[mine].mean()) if count else None,
            }
        )
    off = sum(row["count"] * abs(row["score"] - row["right"]) for row in bins if row["count"])
    return {"bins": bins, "ece": off / len(score) if len(score) else None, "least": LEAST_SCORE}
