"""COCO's numbers of masks are pycocotools' own to the last digit, and so are the files'."""

from __future__ import annotations

import json

import numpy as np
import pytest
from evaluated import boxes

from hand_detection import coco, masks, metrics
from hand_detection.console import UserError
from hand_detection.evaluator import score

CLASSES = {"left": 1, "right": 2}
HEIGHT, WIDTH = 60, 90


def blob(rng, centre=None, radius=None):
    """A noisy ellipse, perhaps cut at the image's edge."""
    centre = rng.uniform(0, (HEIGHT, WIDTH)) if centre is None else centre
    radius = rng.uniform(2, 30, 2) if radius is None else radius
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = ((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2
    return distance + rng.normal(0, 0.05, (HEIGHT, WIDTH)) < 1


def box_of(mask):
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return [3, 3, 3, 3]
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def with_masks(found, classes, scores=None, crowd=None):
    made = boxes([box_of(mask) for mask in found], classes, scores, crowd)
    return coco.Boxes(
        made.boxes, made.classes, made.scores, made.crowd, masks=[masks.encode(m) for m in found]
    )


def random_images(seed, images=25, copies=3):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        shapes = [
            (rng.uniform(0, (HEIGHT, WIDTH)), rng.uniform(2, 30, 2)) for _ in range(rng.integers(4))
        ]
        truth = [blob(rng, *shape) for shape in shapes]
        kinds = rng.integers(1, 3, len(truth))
        found = [
            blob(rng, centre + rng.normal(0, 2, 2), np.maximum(1, radius + rng.normal(0, 2, 2)))
            for centre, radius in shapes
            for _ in range(copies)
        ]
        said = np.where(rng.random(len(found)) < 0.1, 1, np.repeat(kinds, copies))
        scores = rng.choice([0.1, 0.5, 0.5, *rng.random(3)], len(found))
        made.append(
            coco.Image(
                f"{number:03d}.jpg",
                WIDTH,
                HEIGHT,
                with_masks(truth, kinds, crowd=rng.random(len(truth)) < 0.1),
                with_masks(found, said, scores),
            )
        )
    return made


def both(images):
    ours = metrics.twelve(metrics.match(images, CLASSES.values(), masks=True), masks=True)
    truth = json.loads(json.dumps(coco.ground_truth_json(images, CLASSES)))
    detections = json.loads(json.dumps(coco.detections_json(images)))
    theirs, table = coco.evaluate(truth, detections, masks=True)
    assert metrics.table(ours) == table
    return ours, theirs


@pytest.mark.parametrize("seed", range(8))
def test_random_masks(seed):
    images = random_images(seed)
    ours, theirs = both(images)
    assert ours == theirs
    assert list(ours) == list(coco.MASK_TAGS)
    assert 0 < ours[coco.MASK_AP] < 1
    # And they are not those of the boxes.
    assert list(ours.values()) != list(metrics.twelve(metrics.match(images, (1, 2))).values())


DISC = blob(np.random.default_rng(0), (30, 40), (20, 20))
HALF = DISC & (np.arange(WIDTH) < 40)
RING = DISC & ~blob(np.random.default_rng(0), (30, 40), (15, 15))
EMPTY = np.zeros_like(DISC)
FULL = np.ones_like(DISC)


@pytest.mark.parametrize(
    ("truth", "found", "scores", "crowd"),
    [
        ([DISC], [DISC], [0.5], None),
        ([DISC], [], [], None),
        ([], [DISC], [0.5], None),
        ([], [], [], None),
        # The same box, another shape in it.
        ([DISC], [RING, HALF], [0.9, 0.8], None),
        ([RING, DISC], [DISC, RING], [0.9, 0.9], None),
        # Ties, and more detections than objects.
        ([DISC, DISC], [DISC] * 4, [0.5] * 4, None),
        # Of no pixel, and of all.
        ([EMPTY, FULL], [EMPTY, FULL, DISC], [0.9, 0.8, 0.7], None),
        ([EMPTY], [EMPTY], [0.9], None),
        # A crowd takes any number of detections, by their share in it.
        ([FULL, DISC], [DISC, HALF, RING], [0.9, 0.8, 0.7], [True, False]),
        ([RING], [DISC, HALF], [0.9, 0.8], [True]),
        # Beyond the hundredth nothing counts.
        ([DISC], [HALF] * 100 + [DISC], [0.9] * 100 + [0.1], None),
    ],
)
def test_adversarial_masks(truth, found, scores, crowd):
    one = coco.Image(
        "a.jpg",
        WIDTH,
        HEIGHT,
        with_masks(truth, [1] * len(truth), crowd=crowd),
        with_masks(found, [1] * len(found), scores),
    )
    other = coco.Image(
        "b.jpg", WIDTH, HEIGHT, with_masks([RING], [2]), with_masks([HALF], [2], [0.4])
    )
    for images in ([one], [one, other], [other, one, one]):
        ours, theirs = both(images)
        assert ours == theirs


def test_the_apis_own_evaluator_has_the_same_ap():
    from hand_detection.api import compat

    compat.activate()
    from object_detection.metrics import coco_evaluation

    images = random_images(3)
    categories = [{"id": id_, "name": name} for name, id_ in CLASSES.items()]
    evaluator = coco_evaluation.CocoMaskEvaluator(categories)
    for image in images:
        size = (0, HEIGHT, WIDTH)
        image.truth.crowd[:] = False  # of masks that one knows no crowds
        truth, found = image.truth, image.detections
        stacks = [
            np.array([masks.decode(rle) for rle in of.masks], np.uint8).reshape(-1, *size[1:])
            for of in (truth, found)
        ]
        evaluator.add_single_ground_truth_image_info(
            image.name,
            {
                "groundtruth_boxes": truth.boxes[:, [1, 0, 3, 2]],
                "groundtruth_classes": truth.classes,
                "groundtruth_instance_masks": stacks[0],
            },
        )
        evaluator.add_single_detected_image_info(
            image.name,
            {
                "detection_scores": found.scores,
                "detection_classes": found.classes,
                "detection_masks": stacks[1],
            },
        )
    theirs = evaluator.evaluate()
    ours = score(images, CLASSES, None).numbers
    assert set(coco.MASK_TAGS) <= set(theirs)
    for tag in (coco.MASK_AP, coco.MASK_AP50, coco.MASK_AP75, coco.MASK_TAGS[8]):
        assert ours[tag] == theirs[tag]


def test_a_score_has_both_and_without_masks_the_boxes_alone():
    images = random_images(1)
    result = score(images, CLASSES, None)
    assert list(result.numbers) == [*coco.TAGS, *coco.MASK_TAGS]
    assert result.table.count("(AP) @[ IoU=0.50:0.95 | area=   all") == 2
    plain = [
        coco.Image(image.name, WIDTH, HEIGHT, image.truth, boxes([], scores=[])) for image in images
    ]
    assert list(score(plain, CLASSES, None).numbers) == list(coco.TAGS)


def test_detections_come_back_from_their_file(tmp_path):
    images = random_images(2)
    path = tmp_path / "found.json"
    coco.write_detections(path, images)
    back = coco.read_detections(path, images, CLASSES)
    assert score(back, CLASSES, None).numbers == score(images, CLASSES, None).numbers
    assert [image.detections.masks for image in back] == [
        image.detections.masks for image in images
    ]


RLE = {"size": [HEIGHT, WIDTH], "counts": masks.encode(DISC)["counts"].decode()}


def read(tmp_path, *entries):
    image = coco.Image("a.jpg", WIDTH, HEIGHT, with_masks([DISC], [1]), boxes([], scores=[]))
    common = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    path = tmp_path / "found.json"
    path.write_text(json.dumps([common | entry for entry in entries]))
    return coco.read_detections(path, [image], CLASSES)[0].detections


def test_every_kind_of_segmentation_that_coco_has_is_read(tmp_path):
    lengths = {"size": [HEIGHT, WIDTH], "counts": [0, 60, 60 * 89]}
    outline = [[10, 10, 20, 10, 20, 20, 10, 20]]
    kinds = [{"segmentation": kind} for kind in (RLE, lengths, outline)]
    found = [masks.decode(rle) for rle in read(tmp_path, *kinds).masks]
    assert (found[0] == DISC).all()
    assert found[1][:, 0].all()
    assert [mask.sum() for mask in found[1:]] == [60, 100]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": [WIDTH, HEIGHT], "counts": "1"}, "has the size [90, 60], its image [60, 90]"),
        ({"counts": "1"}, "has the size None"),
        ({"size": [HEIGHT, WIDTH]}, "not in COCO's format"),
        ({"size": [HEIGHT, WIDTH], "counts": 5}, "not in COCO's format"),
        ({**RLE, "counts": RLE["counts"] * 9}, "not in COCO's format"),
        # pycocotools compares too few run lengths for ever.
        ({**RLE, "counts": RLE["counts"][:-1]}, "counts are cut"),
        ({**RLE, "counts": "0d0"}, "run lengths make 20 pixels"),
        ({**RLE, "counts": "0o"}, "counts are cut"),
        ({**RLE, "counts": "~"}, "'~' in its counts"),
        ({**RLE, "counts": [0, 20]}, "run lengths make 20 pixels"),
        ({**RLE, "counts": [-20, 20 + WIDTH * HEIGHT]}, "run lengths make"),
        ({**RLE, "counts": []}, "not in COCO's format"),
        ([[1, 2, "a", 4, 5, 6]], "not in COCO's format"),
        ("abc", "not in COCO's format"),
    ],
)
def test_a_wrong_segmentation_is_told_by_its_entry(tmp_path, wrong, said):
    with pytest.raises(UserError, match=r"found\.json, entry 1: ") as caught:
        read(tmp_path, {"segmentation": RLE}, {"segmentation": wrong})
    assert said in str(caught.value)


def test_masks_for_some_detections_only_are_refused(tmp_path):
    for entries in ([{}, {"segmentation": RLE}], [{"segmentation": RLE}, {}]):
        with pytest.raises(UserError, match="entry 1: some entries have a segmentation"):
            read(tmp_path, *entries)
