"""Which frames train and which validate: every split is decided by the names and a seed.

    random      shuffled frames; neighbouring frames of a video stand on both sides
    stratified  shuffled frames, each class in the same share on both sides
    video       whole videos apart, by EgoHands' names
    group       whole groups apart: by a regular expression, or the folder a frame came from
    official    EgoHands' own train, val and test

All but the official one can be dealt into K folds, of which one validates.
"""

from __future__ import annotations

import csv
import random
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from hand_detection import egohands
from hand_detection.console import UserError
from hand_detection.paths import shown

SPLITS = ("random", "stratified", "video", "group", "official")
GROUPED = ("video", "group", "official")  # whose frames of one group stay together
FOLDER = "folder"  # the group that is no regular expression
SOURCES = "sources.csv"  # written by prepare_dataset: which file each frame was made from
VAL_MOST, VAL_SHARE = 500, 5  # the tutorial's 500 of 4,800; of a small set a fifth


@dataclass(frozen=True, slots=True)
class Rule:
    """How frames are dealt.

    Attributes:
        split: one of `SPLITS`.
        seed: of the shuffle.
        val_size: frames held out, at least; None with folds and for the official split.
        group: a regular expression whose first capture group is the frame's group, or
            `FOLDER`; for the split "group" only.
        folds, fold: how many folds, and which of them (1, 2, ...) validates; None for none.
    """

    split: str
    seed: int
    val_size: int | None
    group: str | None = None
    folds: int | None = None
    fold: int | None = None


def default_val_size(frames: int) -> int:
    """How many of `frames` are held out if nobody says: a fifth, at most 500."""
    return min(VAL_MOST, max(1, frames // VAL_SHARE))


def deal(
    names: Sequence[str],
    rule: Rule,
    *,
    data: Path,
    classes: Mapping[str, Collection[str]],
) -> dict[str, list[str]]:
    """Deal the frames to the splits, each in a shuffled order that the seed decides.

    Args:
        names: of the frames, sorted.
        rule: how.
        data: the data set's folder, where its `SOURCES` are.
        classes: of the objects on each frame, by its name; for the stratified split.

    Returns:
        The names in "train", "val" and, with the official split, "test".

    Raises:
        UserError: a split would be empty, or a frame's group is not known.
    """
    if (rule.folds or 0) > len(names):
        raise UserError(f"--folds {rule.folds} of {len(names)} frames leaves a fold empty")
    order = list(names)
    random.Random(rule.seed).shuffle(order)
    if rule.split == "official":
        return _official(order)
    if rule.split in GROUPED:
        group_of = _grouping(rule, data)
        groups = {name: group_of(name) for name in order}
        parts = _by_group(order, groups, rule)
    elif rule.split == "stratified":
        parts = stratified(order, classes, _sizes(len(order), rule))
    else:
        sizes = _sizes(len(order), rule)
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        parts = [order[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    held_out = set(parts[(rule.fold or 1) - 1])
    val = [name for name in order if name in held_out]
    train = [name for name in order if name not in held_out]
    if not val or not train:
        of = f"{len(set(groups.values()))} groups with " if rule.split in GROUPED else ""
        raise UserError(
            f"--val-size {rule.val_size} of {of}{len(order)} frames leaves nothing to train on"
        )
    return {"train": train, "val": val}


def _official(order: Sequence[str]) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for name in order:
        splits[egohands.split_of(_video_of(name))].append(name)
    for split in ("train", "val"):
        if not splits[split]:
            raise UserError(
                f"no video of this data set is in the official {split} split: use --split random"
            )
    return {split: frames for split, frames in splits.items() if frames}


def _sizes(frames: int, rule: Rule) -> list[int]:
    """The sizes of the parts: the folds, or what is held out and the rest."""
    if not rule.folds:
        held_out = min(rule.val_size, frames)
        return [held_out, frames - held_out]
    ends = [i * frames // rule.folds for i in range(rule.folds + 1)]
    return [end - start for start, end in pairwise(ends)]


def _by_group(order: Sequence[str], groups: Mapping[str, str], rule: Rule) -> list[Collection[str]]:
    """Parts of whole groups: those held out first, drawn by the seed; or folds of like size."""
    frames: dict[str, list[str]] = {}
    for name in order:
        frames.setdefault(groups[name], []).append(name)
    drawn = sorted(frames)
    random.Random(rule.seed).shuffle(drawn)
    if not rule.folds:
        held_out: list[str] = []
        while drawn and len(held_out) < rule.val_size:
            held_out += frames[drawn.pop(0)]
        return [held_out]
    if rule.folds > len(frames):
        raise UserError(f"--folds {rule.folds} of {len(frames)} groups leaves a fold empty")
    parts: list[list[str]] = [[] for _ in range(rule.folds)]
    for group in sorted(drawn, key=lambda group: -len(frames[group])):
        min(parts, key=len).extend(frames[group])
    return parts


def stratified(
    order: Sequence[str], classes: Mapping[str, Collection[str]], sizes: Sequence[int]
) -> list[list[str]]:
    """Parts of the given sizes that each have their share of every class.

    The frames of the rarest class are dealt first, each to the part that lacks most of that
    class (iterative stratification: Sechidis, Tsoumakas and Vlahavas, "On the Stratification
    of Multi-Label Data", 2011). Frames without an object are a class of their own.
    """
    kinds = {name: set(classes[name]) or {""} for name in order}
    counts = Counter(kind for name in order for kind in kinds[name])
    room = list(sizes)
    lacking = [
        {kind: count * size / len(order) for kind, count in counts.items()} for size in sizes
    ]
    parts: list[list[str]] = [[] for _ in sizes]
    left = dict.fromkeys(order)
    while left:
        # Ties by name, so that the outcome depends on the seed alone.
        rarest = min((count, kind) for kind, count in counts.items() if count)[1]
        for name in [name for name in left if rarest in kinds[name]]:
            open_parts = [part for part in range(len(sizes)) if room[part]]
            best = max(open_parts, key=lambda part: (lacking[part][rarest], room[part]))
            parts[best].append(name)
            room[best] -= 1
            for kind in kinds[name]:
                lacking[best][kind] -= 1
                counts[kind] -= 1
            del left[name]
    return parts


def _grouping(rule: Rule, data: Path) -> Callable[[str], str]:
    """What tells a frame's group from its name."""
    if rule.split == "video":
        return _video_of
    if rule.group == FOLDER:
        return _folders(data)
    pattern = re.compile(rule.group)

    def first_group(name: str) -> str:
        match = pattern.search(name)
        if not match or match[1] is None:
            raise UserError(f"--group {rule.group!r} does not fit the frame {name}")
        return match[1]

    return first_group


def _folders(data: Path) -> Callable[[str], str]:
    path = data / SOURCES
    if not path.exists():
        raise UserError(
            f"{shown(data)} has no {SOURCES} that tells its frames' folders "
            "(tools/prepare_dataset.py writes it): use --group with a regular expression"
        )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        folders = {row["frame"]: str(PurePosixPath(row["source"]).parent) for row in rows}
    except (KeyError, TypeError):
        raise UserError(f"{shown(path)} has no columns frame and source") from None
    except (csv.Error, ValueError) as error:
        raise UserError(f"{shown(path)} is not a CSV table in UTF-8: {error}") from None

    def folder(name: str) -> str:
        if name not in folders:
            raise UserError(f"{shown(path)} does not tell the folder of the frame {name}")
        return folders[name]

    return folder


def _video_of(name: str) -> str:
    video = egohands.video_of(name)
    if video is None:
        raise UserError(
            f"{name} is not named <VIDEO>_frame_NNNN, so its video is not known: use --split random"
        )
    return video
