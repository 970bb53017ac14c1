"""Splits: every frame once, groups together, classes in their shares, and the seed decides."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from hand_detection import splits, twins
from hand_detection.console import UserError
from hand_detection.splits import Rule

NAMES = [f"V{video}_frame_{frame:04d}" for video in range(5) for frame in range(10)]
NONE = Path("none")
RANDOM = Rule("random", seed=1, val_size=15)


def deal(rule, names=NAMES, data=NONE, classes=None):
    return splits.deal(names, rule, data=data, classes=classes or {})


def video(name):
    return name[:2]


def test_the_full_set_holds_out_500_and_a_small_one_a_fifth():
    assert [splits.default_val_size(n) for n in (4800, 300, 10, 2)] == [500, 60, 2, 1]


def test_another_seed_deals_otherwise():
    one, same, other = (deal(replace(RANDOM, seed=seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert sorted(one["train"] + one["val"]) == NAMES
    assert len(one["val"]) == 15


@pytest.mark.parametrize(
    "rule",
    [
        Rule("video", seed=1, val_size=15),
        Rule("group", seed=1, val_size=15, group=r"^(V\d)_"),
    ],
)
def test_whole_groups_are_kept_apart(rule):
    dealt = deal(rule)
    assert len(dealt["val"]) == 20  # the two groups that it takes for 15 frames
    assert not {video(name) for name in dealt["train"]} & {video(name) for name in dealt["val"]}
    assert sorted(dealt["train"] + dealt["val"]) == NAMES
    assert deal(rule) == dealt


def test_the_folders_of_the_sources_can_be_the_groups(tmp_path):
    rows = "".join(f"{name},shots/{video(name)}/{name}.jpg\n" for name in NAMES)
    (tmp_path / splits.SOURCES).write_text("frame,source\n" + rows)
    rule = Rule("group", seed=1, val_size=5, group="folder")
    dealt = deal(rule, data=tmp_path)
    assert len({video(name) for name in dealt["val"]}) == 1 and len(dealt["val"]) == 10
    with pytest.raises(UserError, match=r"does not tell the folder of the frame x"):
        deal(rule, [*NAMES, "x"], tmp_path)
    (tmp_path / splits.SOURCES).unlink()
    with pytest.raises(UserError, match="use --group with a regular expression"):
        deal(rule, data=tmp_path)


@pytest.mark.parametrize("split", ["random", "stratified", "video", "group"])
def test_the_folds_together_validate_every_frame_once(split):
    classes = {name: {str(i % 3)} for i, name in enumerate(NAMES)}
    rule = Rule(split, 1, None, r"(V\d)" if split == "group" else None, folds=5)
    dealt = [deal(replace(rule, fold=fold), classes=classes) for fold in range(1, 6)]
    assert sorted(name for fold in dealt for name in fold["val"]) == NAMES
    for fold in dealt:
        assert sorted(fold["train"] + fold["val"]) == NAMES
        assert len(fold["val"]) == 10


def test_a_stratified_split_keeps_rare_classes_on_both_sides():
    """1,000 frames: most have cats, 20 a dog beside, 10 a bird alone, 100 nothing."""
    names = [f"{i:04d}" for i in range(1000)]
    classes = {name: {"cat"} for name in names}
    classes |= {name: {"cat", "dog"} for name in names[:20]}
    classes |= {name: {"bird"} for name in names[20:30]}
    classes |= {name: set() for name in names[30:130]}
    for seed in range(5):
        dealt = deal(Rule("stratified", seed, 200), names, classes=classes)
        assert len(dealt["val"]) == 200
        found = Counter(kind for name in dealt["val"] for kind in classes[name] or {"none"})
        assert found == {"cat": 178, "dog": 4, "bird": 2, "none": 20}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (replace(RANDOM, val_size=50), "--val-size 50 of 50 frames leaves nothing to train on"),
        (Rule("video", 1, 45), "--val-size 45 of 5 groups with 50 frames leaves nothing"),
        (Rule("random", 1, None, folds=51, fold=1), "--folds 51 of 50 frames leaves a fold empty"),
        # At once: they are not made first.
        (Rule("random", 1, None, folds=10**12, fold=3), "leaves a fold empty"),
        (Rule("video", 1, None, folds=6, fold=1), "--folds 6 of 5 groups leaves a fold empty"),
        (Rule("group", 1, 5, "(W)"), r"--group '\(W\)' does not fit the frame V"),
    ],
)
def test_what_leaves_a_split_empty_or_a_group_unknown_is_refused(rule, message):
    with pytest.raises(UserError, match=message):
        deal(rule)


def picture(seed):
    """A smooth random picture: noise of 16 x 9 enlarged, as photos have no pixel noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return Image.fromarray(noise).resize((640, 360), Image.Resampling.BICUBIC)


def recompressed(image, quality):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(out)


def distance(one, other):
    return (twins.difference_hash(one) ^ twins.difference_hash(other)).bit_count()


def test_copies_of_a_picture_are_near_twins_and_other_pictures_are_not():
    for seed in range(20):
        image = picture(seed)
        for copy in (
            recompressed(image, 40),
            image.resize((320, 180)),
            image.convert("L"),
            ImageEnhance.Brightness(image).enhance(0.8),
        ):
            assert distance(image, copy) <= twins.BITS
        assert distance(image, picture(seed + 1)) > twins.BITS
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        assert distance(image, mirrored) > twins.BITS


def test_near_twins_are_counted_by_their_bits():
    assert twins.count([0, 0b111111, 0b1111111], [1 << 63 | 1 << 40, 0]) == 2
    assert twins.count([0], []) == 0
    assert twins.count([], [0]) == 0
