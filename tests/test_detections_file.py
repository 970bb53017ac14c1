"""COCO's JSON in and out: detections of any detector can be scored on the same frames."""

from __future__ import annotations

import json

import pytest
from evaluated import boxes, random_images

from hand_detection import coco
from hand_detection.console import UserError

GOOD = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
IMAGES = random_images(1, images=3)


def read(tmp_path, content):
    path = tmp_path / "found.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return coco.read_detections(path, IMAGES, {"hand": 1})


def test_detections_replace_those_of_the_images(tmp_path):
    first, second, third = read(tmp_path, [GOOD, {**GOOD, "image_id": 3, "score": 1}])
    assert first.detections.xywh.tolist() == [[1, 2, 3, 4]]
    assert first.detections.boxes.tolist() == [[1, 2, 4, 6]]
    assert first.truth is IMAGES[0].truth
    assert not len(second.detections.boxes)
    assert third.detections.scores.tolist() == [1.0]


def test_no_detection_is_an_empty_list(tmp_path):
    nothing = [coco.Image("a.jpg", 9, 9, boxes([]), boxes([], scores=[]))]
    path = tmp_path / "found.json"
    coco.write_detections(path, nothing)
    assert json.loads(path.read_text()) == []
    assert not any(len(image.detections.boxes) for image in read(tmp_path, []))


def test_ground_truth_is_in_cocos_instances_format():
    truth = coco.ground_truth_json(IMAGES, {"hand": 1, "foot": 2})
    assert [image["id"] for image in truth["images"]] == [1, 2, 3]
    assert [row["name"] for row in truth["categories"]] == ["hand", "foot"]
    ids = [annotation["id"] for annotation in truth["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) == sum(len(image.truth.boxes) for image in IMAGES)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "found.json"),
        ({"annotations": []}, "a list of"),
        ([GOOD, 5], "entry 1: 5 is not an object"),
        ([{"image_id": 1}], "no category_id, bbox, score"),
        ([{**GOOD, "image_id": 4}], "the 3 images have the ids 1 to 3"),
        ([{**GOOD, "image_id": True}], "unknown image_id True"),
        ([{**GOOD, "category_id": 7}], "unknown category_id 7: the label map has 1"),
        ([{**GOOD, "bbox": [1, 2, 3]}], "not four finite numbers"),
        ([{**GOOD, "bbox": [1, 2, 3, "4"]}], "not four finite numbers"),
        ([{**GOOD, "bbox": [1, 2, -3, 4]}], "below 0"),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": NaN}]', "score is nan"),
    ],
)
def test_a_malformed_file_is_told_by_its_entry(tmp_path, content, said):
    with pytest.raises(UserError, match=r"found\.json") as caught:
        read(tmp_path, content)
    assert said in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="there is no detections file"):
        coco.read_detections(tmp_path / "no.json", IMAGES, {"hand": 1})
