"""Evaluated images made from random numbers, for the tests of what is computed from them."""

from __future__ import annotations

import numpy as np

from hand_detection import coco

VIDEOS = ("CARDS_OFFICE_S_B", "CHESS_COURTYARD_B_T", "JENGA_OFFICE_H_T", "PUZZLE_LIVINGROOM_T_B")


def boxes(rows, classes=None, scores=None, crowd=None) -> coco.Boxes:
    """Boxes of xmin, ymin, xmax, ymax rows; class 1 unless told otherwise."""
    array = np.asarray(rows, np.float64).reshape(-1, 4)
    return coco.Boxes(
        array,
        np.ones(len(array), np.int64) if classes is None else np.asarray(classes, np.int64),
        None if scores is None else np.asarray(scores, np.float64),
        None if crowd is None else np.asarray(crowd, bool),
    )


def random_images(
    seed: int, images: int = 20, classes: int = 2, *, most: int = 5, copies: int = 3
) -> list[coco.Image]:
    """Images of some EgoHands videos: up to `most` objects, `copies` noisy detections of each.

    With tied scores, detections of other classes, crowds, and images with neither.
    """
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        corners = rng.uniform(0, 400, (rng.integers(0, most), 2))
        truth = np.hstack([corners, corners + rng.uniform(5, 200, corners.shape)])
        labels = rng.integers(1, classes + 1, len(truth))
        noisy = np.repeat(truth, copies, axis=0)
        noisy = noisy + rng.normal(0, 8, noisy.shape)
        noisy[:, 2:] = np.maximum(noisy[:, 2:], noisy[:, :2])
        said = np.where(
            rng.random(len(noisy)) < 0.1, rng.integers(1, classes + 1), np.repeat(labels, copies)
        )
        scores = rng.choice([0.1, 0.5, 0.5, 0.9, *rng.random(4)], len(noisy))
        made.append(
            coco.Image(
                f"{VIDEOS[number % len(VIDEOS)]}_frame_{number:04d}.jpg",
                640,
                480,
                boxes(truth, labels, crowd=rng.random(len(truth)) < 0.1),
                boxes(noisy, said, scores),
            )
        )
    return made
