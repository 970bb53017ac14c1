"""Masks: drawn from outlines, kept as run lengths and PNG, stretched from boxes onto images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hand_detection import coco, drawing, masks
from hand_detection.detection import loop
from hand_detection.detection.sources import Frame
from hand_detection.detector import Detector

SIZE = (40, 30)  # width, height


def square(low, high):
    return ((low, low, high, low, high, high, low, high),)


@pytest.mark.parametrize(
    ("outline", "area"),
    [
        (square(10, 20), 100),
        (square(9.5, 19.5), 100),
        (((4.5, 4.5, 34.5, 4.5, 4.5, 24.5),), 300),
        ((*square(2, 6), *square(10, 12)), 16 + 4),
        # Rings that overlap count once, as COCO has it.
        ((*square(2, 6), *square(4, 8)), 16 + 16 - 4),
        # Out of the image on two sides, and all around.
        (square(-5.5, 7.5), 64),
        (square(-50, 50), 40 * 30),
    ],
)
def test_the_area_of_a_known_shape(outline, area):
    found = masks.rasterise(outline, SIZE)
    assert (found.shape, found.dtype) == ((30, 40), bool)
    assert found.sum() == pytest.approx(area, rel=0.03)


@pytest.mark.parametrize(
    ("outline", "pixels"),
    [
        (((7.2, 3.4),), [(3, 7)]),
        (((7, 3, 7.1, 3, 7, 3.1),), [(3, 7)]),
        (((3, 5, 9, 5),), [(5, 3), (5, 9)]),
        (((-9, -9, -5, -9, -5, -4),), [(0, 0)]),
        (((90, 90),), [(29, 39)]),
    ],
)
def test_no_mask_is_empty(outline, pixels):
    assert [tuple(at) for at in np.argwhere(masks.rasterise(outline, SIZE))] == pixels


def test_a_mask_is_what_pycocotools_makes_of_the_same_outline_in_cocos_coordinates():
    from pycocotools import mask

    rng = np.random.default_rng(1)
    for _ in range(50):
        ring = rng.uniform(-10, 50, 2 * rng.integers(3, 12))
        theirs = mask.decode(mask.merge(mask.frPyObjects([(ring + 0.5).tolist()], 30, 40)))
        if theirs.any():
            assert (masks.rasterise((tuple(ring),), SIZE) == theirs.astype(bool)).all()


def test_in_a_reduced_image_the_outline_shrinks_with_it():
    large = masks.rasterise(square(7.5, 23.5), SIZE)
    small = masks.rasterise(square(7.5, 23.5), SIZE, (20, 15))
    assert (large.sum(), small.sum()) == (256, 64)
    assert (small == large[::2, ::2]).all()


def test_a_mask_comes_back_from_png_and_from_run_lengths():
    mask = np.random.default_rng(0).random((30, 40)) > 0.5
    assert (masks.from_png(masks.to_png(mask)) == mask).all()
    assert Image.open(io.BytesIO(masks.to_png(mask))).mode == "1"
    assert (masks.decode(masks.encode(mask)) == mask).all()
    # As other tools write them.
    for values in (mask.astype(np.uint8), mask.astype(np.uint8) * 255):
        out = io.BytesIO()
        Image.fromarray(values).save(out, "PNG")
        assert (masks.from_png(out.getvalue()) == mask).all()


def random_boxes(rng, count):
    corners = rng.uniform(-0.1, 1.1, (count, 2, 2)).astype(np.float32)
    boxes = np.sort(corners, axis=1).clip(0, 1).reshape(count, 4)
    boxes[0] = 0, 0, 1, 1
    boxes[1] = 0.5, 0.5, 0.505, 0.505
    return boxes


def test_masks_of_boxes_lie_on_the_image_as_the_api_has_it():
    from hand_detection.api import compat

    tf = compat.activate()
    from object_detection.utils import ops

    rng = np.random.default_rng(2)
    boxes = random_boxes(rng, 60)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
    with tf.Graph().as_default(), tf.Session() as session:
        for (height, width), places in (((72, 128), 15), ((61, 47), 33), ((30, 1), 2)):
            values = rng.random((len(boxes), places, places)).astype(np.float32)
            image_masks = ops.reframe_box_masks_to_image_masks(
                tf.constant(values), tf.constant(boxes), height, width
            )
            theirs = session.run(tf.greater(image_masks, 0.5))
            ours = [masks.decode(rle) for rle in masks.paste(values, boxes, width, height)]
            assert theirs.any()
            assert (np.stack(ours) == theirs).all()


def test_a_box_of_no_area_has_an_empty_mask():
    found = masks.paste(np.ones((2, 15, 15)), np.array([[0.5, 0.1, 0.5, 0.9], [1, 1, 1, 1]]), 9, 9)
    assert not any(masks.decode(rle).any() for rle in found)
    assert masks.paste(np.zeros((0, 15, 15)), np.zeros((0, 4)), 9, 9) == []


def test_drawn_masks_tint_what_is_inside_and_nothing_else():
    grey = Image.new("RGB", (200, 100), (100, 100, 100))
    inside = np.zeros((100, 200), bool)
    inside[60:90, 20:60] = True
    box = np.array([[120.0, 60, 180, 90]])
    plain = np.asarray(drawing.draw_boxes(grey, box, np.array([1]), {1: "hand"}))
    drawn = np.asarray(
        drawing.draw_boxes(grey, box, np.array([1]), {1: "hand"}, masks=[masks.encode(inside)])
    )
    assert (drawn[~inside] == plain[~inside]).all()
    assert (drawn[inside] != plain[inside]).any(axis=1).all()
    middle, corner = drawn[75, 40].astype(int), drawn[60, 20]
    assert tuple(corner) == drawing.COLOURS[0]
    assert middle.tolist() == [169, 134, 55]  # 0.55 of the picture, 0.45 of the colour


def test_a_score_threshold_drops_masks_with_their_boxes():
    inside = np.zeros(SIZE[::-1], bool)
    inside[5:15, 5:15] = True
    found = coco.Boxes(
        np.array([[5.0, 5, 15, 15], [20.0, 20, 30, 28]]),
        np.array([1, 1]),
        scores=np.array([0.9, 0.1]),
        masks=[masks.encode(inside), masks.encode(~inside)],
    )
    detector = Detector()
    detector.detect_batch = lambda images: [found]
    frame = Frame("a.png", "a", np.zeros((*SIZE[::-1], 3), np.uint8))
    results = []
    loop.detect([frame], detector, {1: "hand"}, [results.append], total=0, threshold=0.5)
    [result] = results
    assert len(result.found.boxes) == len(result.found.masks) == 1
    tinted = np.asarray(result.drawn).any(-1)
    assert tinted[10, 10]
    assert not tinted[29, 0]
