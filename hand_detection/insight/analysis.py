"""Everything that the report shows, as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hand_detection import metrics
from hand_detection.coco import Image
from hand_detection.insight import bootstrap, groups, operating, tide

WORST = 50


def analyse(images: Sequence[Image], classes: dict[str, int]) -> dict:
    """The figures of the report: what can be written as JSON.

    Args:
        images: with ground truth and detections.
        classes: ids by name.
    """
    matches = metrics.match(images, classes.values())
    names = {id_: name for name, id_ in classes.items()}
    resampling = bootstrap.clusters(images)
    operation = operating.best_threshold(matches)
    threshold = operation["threshold"]
    errors = tide.find(images, matches)
    return {
        "images": len(images),
        "objects": {names[class_]: int(of.positives[0].sum()) for class_, of in matches.items()},
        "detections": int(sum(len(of.score) for of in matches.values())),
        "metrics": metrics.twelve(matches),
        "intervals": {
            "level": bootstrap.LEVEL,
            "clusters": resampling.count,
            "videos": resampling.videos,
            "resamples": bootstrap.RESAMPLES,
            **bootstrap.intervals(matches, resampling),
        },
        "precision_recall": {
            names[class_]: {
                "0.50": _listed(metrics.curve(of, metrics.AT_50)),
                "0.75": _listed(metrics.curve(of, metrics.AT_75)),
            }
            for class_, of in matches.items()
        },
        "operating_point": operation,
        "confusion": {
            "classes": [names[class_] for class_ in matches],
            "counts": operating.confusion(images, matches, threshold),
        },
        "errors": {
            "dAP": tide.cost(errors),
            "count": _counts(errors, -np.inf),
            "count_at_threshold": _counts(errors, threshold),
        },
        "groups": {**groups.by_name(images, matches), "size": groups.by_size(images, list(names))},
        "calibration": operating.calibration(matches),
        "worst": worst(images, errors, threshold),
    }


def worst(images: Sequence[Image], errors: tide.Errors, threshold: float) -> list[dict]:
    """The frames with the most errors at a score threshold, at most `WORST`, worst first.

    Of equals, the one whose false positives score more comes first.

    Returns:
        Rows of index, name, false_positives, false_negatives.
    """
    wrong = (errors.type >= 0) & (errors.score >= threshold)
    false = np.bincount(errors.image[wrong], minlength=len(images))
    weight = np.bincount(errors.image[wrong], errors.score[wrong], minlength=len(images))
    lost = np.bincount(errors.object_image[_lost_at(errors, threshold)], minlength=len(images))
    order = np.lexsort((-weight, -(false + lost)))[:WORST]
    return [
        {
            "index": int(at),
            "name": images[at].name,
            "false_positives": int(false[at]),
            "false_negatives": int(lost[at]),
        }
        for at in order
        if false[at] + lost[at]
    ]


def _lost_at(errors: tide.Errors, threshold: float) -> np.ndarray:
    """bool (O,): the objects without a right detection above the threshold."""
    lost = np.ones(len(errors.object_class), bool)
    lost[errors.object[(errors.type == -1) & (errors.score >= threshold)]] = False
    return lost


def _counts(errors: tide.Errors, threshold: float) -> dict[str, int]:
    """The errors of each type among the detections above the threshold."""
    above = errors.score >= threshold
    counts = np.bincount(errors.type[above & (errors.type >= 0)], minlength=len(tide.TYPES) - 1)
    missed = np.ones(len(errors.object_class), bool)
    about = errors.object[above]
    missed[about[about >= 0]] = False
    return dict(zip(tide.TYPES, [*counts.tolist(), int(missed.sum())], strict=True))


def _listed(points: np.ndarray | None) -> list[float] | None:
    return None if points is None else points.tolist()
