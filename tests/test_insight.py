"""The figures of the evaluation report, held to definitions and to brute force."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from evaluated import VIDEOS, boxes, random_images

from hand_detection import coco, metrics
from hand_detection.insight import analysis, bootstrap, groups, operating, report, tide

TWO = {"left": 1, "right": 2}


def image(truth: coco.Boxes, found: coco.Boxes, name: str = "a.jpg") -> coco.Image:
    return coco.Image(name, 640, 480, truth, found)


def without_ties(seed: int, images: int = 40) -> list[coco.Image]:
    rng = np.random.default_rng(seed)
    made = random_images(seed, images)
    return [
        replace(one, detections=replace(one.detections, scores=rng.random(len(found))))
        for one in made
        for found in [one.detections.boxes]
    ]


def test_a_resample_is_the_evaluation_of_the_videos_as_often_as_they_were_drawn():
    images = without_ties(1)
    matches = metrics.match(images, TWO.values())
    clusters = bootstrap.clusters(images)
    assert (clusters.count, clusters.videos) == (4, True)
    draws = bootstrap.draw(4, resamples=6, seed=3)
    values = bootstrap.resampled(matches, clusters, draws)
    for weights, found in zip(draws, values, strict=True):
        drawn = [
            one
            for one, of in zip(images, clusters.of, strict=True)
            for _ in range(int(weights[of]))
        ]
        numbers = metrics.twelve(metrics.match(drawn, TWO.values()))
        assert found.mean() == pytest.approx(numbers[coco.AP], abs=1e-9)
        assert found[metrics.AT_50] == pytest.approx(numbers[coco.AP50], abs=1e-9)


def test_intervals_hold_the_value_and_repeat():
    images = random_images(2, images=60)
    matches = metrics.match(images, TWO.values())
    clusters = bootstrap.clusters(images)
    found = bootstrap.intervals(matches, clusters)
    assert found == bootstrap.intervals(matches, clusters)
    assert found["AP"]["value"] == pytest.approx(metrics.twelve(matches)[coco.AP])
    for row in found.values():
        low, high = row["interval"]
        assert low < row["value"] < high


def test_an_interval_covers_the_mean_about_as_often_as_it_says():
    """Of clusters drawn anew each time, as videos would be."""
    rng = np.random.default_rng(0)
    covered, tries, count = 0, 400, 8
    for _ in range(tries):
        of_cluster = rng.normal(0.6, 0.1, count)
        draws = bootstrap.draw(count, 400, seed=int(rng.integers(2**31)))
        low, high = bootstrap.interval(draws @ of_cluster / count, count)
        covered += low <= 0.6 <= high
    assert 0.91 < covered / tries < 0.98


def test_one_video_has_no_interval():
    images = [replace(one, name=f"{VIDEOS[0]}_frame_0001.jpg") for one in random_images(3)]
    clusters = bootstrap.clusters(images)
    assert clusters.count == 1
    found = bootstrap.intervals(metrics.match(images, [1, 2]), clusters)
    assert found["AP"]["interval"] is None


def test_a_detector_differs_from_a_worse_one_and_not_from_itself():
    images = random_images(4, images=80)
    rng = np.random.default_rng(0)
    worse = [
        replace(one, detections=replace(one.detections, boxes=one.detections.boxes + noise))
        for one in images
        for noise in [rng.normal(0, 12, (len(one.detections.boxes), 4))]
    ]
    good, bad = (metrics.match(some, TWO.values()) for some in (images, worse))
    clusters = bootstrap.clusters(images)
    same = bootstrap.difference(good, good, clusters)["AP"]
    assert (same["value"], same["real"], same["p"]) == (0.0, False, 1.0)
    found = bootstrap.difference(bad, good, clusters)["AP"]
    assert found["value"] > 0.05
    assert found["real"]
    assert found["p"] < 0.01


def test_the_threshold_of_the_best_f1_by_brute_force():
    images = random_images(5)
    matches = metrics.match(images, TWO.values())
    found = operating.best_threshold(matches)
    best = 0.0
    for threshold in {score for of in matches.values() for score in of.score}:
        right = sum((of.right(0) & (of.score >= threshold)).sum() for of in matches.values())
        wrong = sum((of.wrong(0) & (of.score >= threshold)).sum() for of in matches.values())
        objects = sum(of.positives[0].sum() for of in matches.values())
        best = max(best, 2 * right / (objects + right + wrong))
    assert found["f1"] == pytest.approx(best)
    assert found["threshold"] in np.concatenate([of.score for of in matches.values()])


def test_confusion_counts_every_object_and_every_detection_above_the_threshold():
    one = image(
        boxes([[0, 0, 99, 99], [200, 0, 299, 99], [400, 0, 499, 99]], [1, 2, 2]),
        boxes(
            [[0, 0, 99, 99], [200, 0, 299, 95], [0, 300, 99, 399], [400, 0, 499, 99]],
            [1, 1, 2, 2],
            [0.9, 0.8, 0.7, 0.1],
        ),
    )
    matches = metrics.match([one], TWO.values())
    assert operating.confusion([one], matches, 0.5) == [
        [1, 0, 0],  # left: found
        [1, 0, 1],  # right: one taken for left, one not found
        [0, 1, 0],  # nothing there: a right hand seen
    ]


def test_scores_that_can_be_believed():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.1, 1, 3000)
    truth, found = boxes([[0, 0, 99, 99]]), [[0, 0, 99, 99], [300, 300, 399, 399]]
    right = rng.random(3000) < scores
    images = [
        image(truth, boxes([found[0 if hit else 1]], scores=[score]))
        for hit, score in zip(right, scores, strict=True)
    ]
    honest = operating.calibration(metrics.match(images, [1]))
    assert honest["ece"] < 0.05
    assert sum(row["count"] for row in honest["bins"]) == 3000
    boastful = [
        replace(one, detections=replace(one.detections, scores=one.detections.scores**0.2))
        for one in images
    ]
    assert operating.calibration(metrics.match(boastful, [1]))["ece"] > 0.2


HAND = [100, 100, 200, 200]


@pytest.mark.parametrize(
    ("truth", "truth_class", "found", "found_class", "type_"),
    [
        ([HAND], [1], [HAND], [2], "classification"),
        ([HAND], [1], [[100, 100, 200, 140]], [1], "localization"),
        ([HAND], [1], [[100, 100, 200, 140]], [2], "both"),
        ([HAND], [1], [HAND, [100, 100, 200, 190]], [1, 1], "duplicate"),
        ([HAND], [1], [[400, 400, 440, 440]], [1], "background"),
    ],
)
def test_each_type_of_error_by_its_definition(truth, truth_class, found, found_class, type_):
    scores = np.linspace(0.9, 0.8, len(found))
    # A second object of each class, found, so that mending has an AP to raise.
    extra = [[400, 100, 500, 200], [520, 100, 620, 200]]
    one = image(
        boxes(truth + extra, [*truth_class, 1, 2]),
        boxes(found + extra, [*found_class, 1, 2], [*scores, 0.5, 0.5]),
    )
    errors = tide.find([one], metrics.match([one], TWO.values()))
    kinds = [list(tide.TYPES)[kind] for kind in errors.type if kind >= 0]
    assert kinds == [type_]
    costs = tide.cost(errors)
    assert costs[type_] > 0
    # A detection that is about no object leaves its object missed.
    assert errors.missed.tolist()[0] == (type_ in ("background", "both"))


def test_an_object_without_any_detection_is_missed():
    one = image(boxes([HAND, [400, 100, 500, 200]]), boxes([[400, 100, 500, 200]], scores=[0.9]))
    errors = tide.find([one], metrics.match([one], [1]))
    assert errors.missed.tolist() == [True, False]
    assert tide.cost(errors)["missed"] == pytest.approx(
        1 - metrics.interpolate(np.ones(1), np.zeros(1), 2).mean()
    )


def test_groups_are_the_evaluations_of_their_frames():
    images = random_images(6, images=40)
    matches = metrics.match(images, TWO.values())
    found = groups.by_name(images, matches)
    assert {row["name"] for row in found["video"]} == set(VIDEOS)
    assert {row["name"] for row in found["activity"]} == {"CARDS", "CHESS", "JENGA", "PUZZLE"}
    for row in found["location"]:
        part = [one for one in images if one.name.split("_")[1] == row["name"]]
        numbers = metrics.twelve(metrics.match(part, TWO.values()))
        assert (row["AP"], row["images"]) == (numbers[coco.AP], len(part))
    assert [row["AP50"] for row in found["video"]] == sorted(row["AP50"] for row in found["video"])
    assert groups.by_name([replace(images[0], name="photo.jpg")], matches) == {}


def test_sizes_hold_every_object_once():
    images = random_images(7, images=40)
    rows = groups.by_size(images, [1, 2])
    real = sum((~one.truth.crowds).sum() for one in images)
    assert sum(row["objects"] for row in rows) == real
    assert len(rows) == 4


def test_the_worst_frames_come_first_and_right_ones_do_not():
    perfect = image(boxes([HAND]), boxes([HAND], scores=[0.9]), "perfect.jpg")
    missed = image(boxes([HAND]), boxes([], scores=[]), "missed.jpg")
    both = image(boxes([HAND]), boxes([[400, 400, 440, 440]], scores=[0.95]), "both.jpg")
    images = [perfect, missed, both]
    errors = tide.find(images, metrics.match(images, [1]))
    rows = analysis.worst(images, errors, 0.5)
    assert [row["name"] for row in rows] == ["both.jpg", "missed.jpg"]
    assert (rows[0]["false_positives"], rows[0]["false_negatives"]) == (1, 1)


@pytest.mark.parametrize(
    "images",
    [
        random_images(8),
        [image(boxes([]), boxes([], scores=[]))],
        [image(boxes([HAND]), boxes([], scores=[]))],
        [image(boxes([]), boxes([HAND], scores=[0.5]))],
    ],
)
def test_a_page_stands_alone_and_its_figures_are_json(images):
    found = analysis.analyse(images, TWO)
    assert json.loads(json.dumps(found, allow_nan=False)).keys() == found.keys()
    record = {
        "model": "m<b>",
        "checkpoint": "c",
        "split": "val",
        "records": "r",
        "trained_on": "unknown",
    }
    page = report.html(record, found, {})
    assert "m&lt;b&gt;" in page
    assert not re.findall(r"(?:src|href)=[\"']?(?!data:)", page)
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "What to do next" in page
