"""How sure the AP is: intervals by resampling videos, and whether two detectors differ.

Frames of one video resemble each other, so resampling frames would promise far too much: whole
videos are drawn with replacement (a cluster bootstrap). The matching of `metrics` does not change
with the draw, so a resample only counts each video's detections as often as it was drawn.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993. For few videos the percentiles are
moved outwards as in Hesterberg, "What Teachers Should Know About the Bootstrap", 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hand_detection import metrics
from hand_detection.coco import Image
from hand_detection.insight.groups import videos_of

RESAMPLES = 1000
SEED = 2018
LEVEL = 0.95
FEW = 8  # clusters, below which an interval is told to be rough
MOST_GROUPS = 200  # of frames whose video is not known


@dataclass(frozen=True)
class Clusters:
    """What is drawn as a whole.

    Attributes:
        count: how many there are.
        of: int (N,), each image's.
        videos: whether they are videos, known by name.
    """

    count: int
    of: np.ndarray
    videos: bool


def clusters(images: Sequence[Image]) -> Clusters:
    """The videos of the images; of other names, groups of frames dealt at random."""
    videos = videos_of(images)
    if None not in videos:
        names, of = np.unique(videos, return_inverse=True)
        return Clusters(len(names), of, True)
    count = min(len(images), MOST_GROUPS)
    deal = np.random.default_rng(SEED).permutation(len(images)) % max(count, 1)
    return Clusters(count, deal, False)


def draw(count: int, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """How often each of `count` clusters is in each resample, float64 (resamples, count)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), resamples).astype(np.float64)


def resampled(matches: metrics.Matches, groups: Clusters, draws: np.ndarray) -> np.ndarray:
    """AP at each IoU threshold for each resample, float64 (resamples, 10).

    Args:
        matches: over all areas.
        groups: the clusters.
        draws: as `draw` has them; a row of ones gives the AP itself.

    Returns:
        The mean over classes; NaN where a resample has no ground truth at all.
    """
    values = np.full((len(matches), len(draws), len(metrics.IOU_THRESHOLDS)), np.nan)
    for number, of in enumerate(matches.values()):
        positives = np.bincount(groups.of, of.positives[0], groups.count)
        total = draws @ positives
        for t in range(values.shape[2]):
            right, wrong = _between(of, groups, t)
            for b, weights in enumerate(draws):
                if total[b]:
                    points = metrics.interpolate(
                        np.cumsum(weights[right]), np.cumsum(weights @ wrong), total[b]
                    )
                    values[number, b, t] = points.mean()
    there = ~np.isnan(values)
    return np.where(there, values, 0).sum(axis=0) / np.where(
        there.any(axis=0), there.sum(0), np.nan
    )


def _between(
    of: metrics.ClassMatches, groups: Clusters, threshold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each true positive's cluster (n,); each cluster's false positives just above it (C, n)."""
    cluster = groups.of[of.image]
    at = np.flatnonzero(of.right(threshold))
    false = np.flatnonzero(of.wrong(threshold))
    gap = np.searchsorted(at, false)
    before = gap < len(at)  # those after the last true positive change nothing
    counts = np.zeros((groups.count, len(at)), np.float32)
    np.add.at(counts, (cluster[false[before]], gap[before]), 1)
    return cluster[at], counts


def interval(values: np.ndarray, count: int, level: float = LEVEL) -> tuple[float, float] | None:
    """The interval of resampled values; None of fewer than two clusters.

    Args:
        values: float (resamples,); NaN is left out.
        count: the clusters that were drawn from.
        level: the probability that the interval is to have.
    """
    from scipy import stats

    values = values[~np.isnan(values)]
    if count < 2 or not len(values):
        return None
    # As wide as Student's t would have it, in the terms of the normal distribution.
    reach = np.sqrt(count / (count - 1)) * stats.t.ppf((1 + level) / 2, count - 1)
    tail = stats.norm.cdf(-reach)
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def summary(ap: np.ndarray) -> dict[str, np.ndarray]:
    """AP, AP50 and AP75 of `resampled` values, each (resamples,)."""
    return {"AP": ap.mean(axis=1), "AP50": ap[:, metrics.AT_50], "AP75": ap[:, metrics.AT_75]}


def intervals(matches: metrics.Matches, groups: Clusters) -> dict[str, dict]:
    """AP, AP50 and AP75 with their intervals."""
    value = summary(resampled(matches, groups, np.ones((1, groups.count))))
    drawn = summary(resampled(matches, groups, draw(groups.count)))
    return {
        name: {"value": _number(value[name][0]), "interval": interval(drawn[name], groups.count)}
        for name in value
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def difference(
    first: metrics.Matches, second: metrics.Matches, groups: Clusters
) -> dict[str, dict]:
    """By how much the second detector is better on the same images, and whether that is real.

    Both are resampled with the same draws, so what makes a video hard for both falls out.

    Returns:
        For AP, AP50 and AP75: value, interval, p (two-sided; the share of resamples that say the
        opposite), real (whether the interval is clear of 0).
    """
    ones, draws = np.ones((1, groups.count)), draw(groups.count)
    a, b = ([summary(resampled(of, groups, w)) for w in (ones, draws)] for of in (first, second))
    result = {}
    for name in a[0]:
        drawn = b[1][name] - a[1][name]
        found = interval(drawn, groups.count)
        drawn = drawn[~np.isnan(drawn)]
        least = min((drawn <= 0).sum(), (drawn >= 0).sum())
        result[name] = {
            "value": float(b[0][name][0] - a[0][name][0]),
            "interval": found,
            "p": min(1.0, 2 * (least + 1) / (len(drawn) + 1)),
            "real": found is not None and not found[0] <= 0 <= found[1],
        }
    return result
