"""Step 4: from a data set in the KITTI layout to shuffled TFRecord shards.

    DATA/tfrecords/{train,val}.record-00000-of-000NN   (and test with the official split)
    DATA/tfrecords/manifest.json                       counts, sizes and SHA-256 of them

The folder is made under another name and renamed when it is whole. A TFRecord file that
is cut between two records reads as a shorter one, without an error: whoever reads the
shards takes them from the manifest and checks them against it (`verify`).
"""

from __future__ import annotations

import hashlib
import json
import platform
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from hand_detection import examples, images, kitti, polygons, records, splits, twins
from hand_detection.console import Progress, UserError, say
from hand_detection.files import (
    mend_folder,
    read_json,
    sha256,
    sole_writer,
    whole_folder,
    write_json,
)
from hand_detection.parallel import in_order
from hand_detection.paths import shown

FOLDER = "tfrecords"
MANIFEST = "manifest.json"
SHARD_BYTES = 100 << 20  # big enough to read in one sweep, small enough to mix shards
SEED = 2018
LEAK = 0.1  # of the frames held out: above it, their near twins in train are worth a warning


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the records, beside the data itself."""

    split: str  # this and what decides it further: see `splits.Rule`
    seed: int
    val_size: int | None
    max_side: int  # pixels; 0 keeps the original bytes
    shards: int  # of each split; 0 for about `SHARD_BYTES` each
    classes: dict[str, int]  # ids by class name
    group: str | None = None
    folds: int | None = None
    fold: int | None = None
    masks: bool = False  # whether each object's mask is stored, as a PNG

    def rule(self) -> splits.Rule:
        """How the frames are dealt to the splits."""
        return splits.Rule(self.split, self.seed, self.val_size, self.group, self.folds, self.fold)


@dataclass(frozen=True, slots=True)
class Shard:
    """A TFRecord file of the folder."""

    name: str
    examples: int
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if Path(self.name).name != self.name or not self.examples >= 0 <= self.bytes:
            raise TypeError("no shard of this folder")


@dataclass(frozen=True, slots=True)
class Split:
    """The shards of a split, the names of its frames in their order, and its boxes."""

    shards: tuple[Shard, ...]
    boxes: int
    frames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder of TFRecords holds."""

    folder: Path
    settings: Settings
    inputs: str  # a SHA-256 over the labels and the names and sizes of the images
    splits: dict[str, Split]
    near_twins: dict[str, int]  # frames of val (and test) that have one in train, see `twins`

    def split(self, name: str) -> Split:
        """The split `name`.

        Raises:
            UserError: the folder has no such split.
        """
        if name not in self.splits:
            raise UserError(
                f"{shown(self.folder)} has no split {name!r}: it has {', '.join(self.splits)}"
            )
        return self.splits[name]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of TFRecords.

    Raises:
        UserError: the folder was not finished, or the manifest is damaged.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{shown(folder)} has no finished TFRecords: run ./create_tfrecords.sh")
    value = read_json(path)
    try:
        found = {
            name: Split(
                tuple(Shard(**shard) for shard in split["shards"]),
                split["boxes"],
                tuple(split["frames"]),
            )
            for name, split in value["splits"].items()
        }
        twins_ = {split: int(count) for split, count in value.get("near_twins", {}).items()}
        if not all(found[split].frames for split in twins_):
            raise TypeError("near twins of no frames")
        settings = Settings(**value["settings"])
        return Manifest(folder, settings, value["inputs"], found, twins_)
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
        raise UserError(
            f"{shown(path)} is not a manifest that this project wrote: "
            "run ./create_tfrecords.sh --overwrite"
        ) from None


def verify(folder: Path, *, full: bool = False) -> Manifest:
    """Check that the shards are those that the manifest names: sizes, and `full` their hashes.

    Raises:
        UserError: a shard is missing, cut or changed; names it.
    """
    manifest = read_manifest(folder)
    for split in manifest.splits.values():
        for shard in split.shards:
            path, again = folder / shard.name, "run ./create_tfrecords.sh --overwrite"
            if not path.is_file():
                raise UserError(f"{shown(path)} is missing: {again}")
            size = path.stat().st_size
            if size < shard.bytes:
                raise UserError(f"{shown(path)} is cut: {size} of {shard.bytes} bytes: {again}")
            if size > shard.bytes or (full and sha256(path) != shard.sha256):
                raise UserError(f"{shown(path)} was changed after it was written: {again}")
    return manifest


def examples_in(shards: Sequence[Path]) -> int:
    """How many examples TFRecord files hold, checked: a cut file reads as a shorter one.

    Where a manifest stands beside a file, the file must be as the manifest has it, and so
    must all its fellows be; any other TFRecord file is counted record by record.

    Raises:
        UserError: a file is missing, cut or changed; names it.
    """
    known: dict[Path, int] = {}
    for folder in {path.parent for path in shards}:
        if (folder / MANIFEST).exists():
            for split in verify(folder).splits.values():
                known |= {folder / shard.name: shard.examples for shard in split.shards}
    return sum(known[path] if path in known else records.count(path) for path in shards)


def create(
    data: Path,
    settings: Settings,
    *,
    workers: int,
    overwrite: bool = False,
) -> Manifest:
    """Write the TFRecords of the data set `data`, or see that they are done.

    The bytes do not depend on `workers` or on the order of the folder.

    Raises:
        UserError: a label or an image is not correct (names it), or there are TFRecords of
            other settings or inputs and `overwrite` is not given.
    """
    folder = data / FOLDER
    if not data.is_dir():
        raise UserError(f"there is no data set {shown(data)}: run ./prepare_egohands.py")
    with sole_writer(data):
        mend_folder(folder)
        frames = kitti.list_frames(data)
        if settings.masks and not (data / polygons.FOLDER).is_dir():
            raise UserError(
                f"{shown(data)} has no {polygons.FOLDER}/ to make masks from: for EgoHands run "
                "./prepare_egohands.py again, which adds it; or leave out --masks"
            )
        inputs, classes = _fingerprint(frames, settings)
        if settings.split != "official" and not settings.folds and settings.val_size is None:
            settings = replace(settings, val_size=splits.default_val_size(len(frames)))
        if folder.exists() and not overwrite:
            done = verify(folder)
            _refuse_other(done, settings, inputs)
            say(f"{shown(folder)} is already done")
            return done
        if folder.exists():
            _refuse_strangers(folder)
        by_name = {frame.name: frame for frame in frames}
        dealt = splits.deal(list(by_name), settings.rule(), data=data, classes=classes)
        with whole_folder(folder, replace=overwrite) as building:
            _write_splits(building, dealt, by_name, settings, inputs, workers)
        return read_manifest(folder)


def _fingerprint(
    frames: Sequence[kitti.Frame], settings: Settings
) -> tuple[str, dict[str, frozenset[str]]]:
    """Read every label file; sum up all inputs in one SHA-256, and tell each frame's classes."""
    digest = hashlib.sha256()
    # One set for all frames of the same classes: a hundred thousand of them would fill memory.
    classes: dict[str, frozenset[str]] = {}
    known: dict[frozenset[str], frozenset[str]] = {}
    for frame in frames:
        text = frame.label.read_bytes()
        labels = kitti.parse_labels(text, frame.label, classes=settings.classes)
        kinds = frozenset(label.type for label in labels if not label.dont_care)
        classes[frame.name] = known.setdefault(kinds, kinds)
        size = frame.image.stat().st_size
        digest.update(json.dumps([frame.image.name, size, len(text)]).encode() + text)
        if settings.masks:
            outlines = polygons.file_of(frame.label)
            digest.update(outlines.read_bytes() if outlines.exists() else b"")
    return digest.hexdigest(), classes


def _refuse_other(done: Manifest, settings: Settings, inputs: str) -> None:
    old, new = asdict(done.settings), asdict(settings)
    changed = [f"{name} {old[name]} -> {new[name]}" for name in old if old[name] != new[name]]
    # With masks the outlines are inputs too.
    if done.inputs != inputs and old["masks"] == new["masks"]:
        changed.append("the images or labels have changed")
    if changed:
        raise UserError(
            f"{shown(done.folder)} was made otherwise ({'; '.join(changed)}): "
            "add --overwrite to replace it"
        )


def _refuse_strangers(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if ".record" not in path.name and path.name != MANIFEST:
            raise UserError(f"{shown(path)} is not part of the TFRecords: move it away first")


def _write_splits(
    folder: Path,
    dealt: dict[str, list[str]],
    by_name: dict[str, kitti.Frame],
    settings: Settings,
    inputs: str,
    workers: int,
) -> None:
    plan = []  # (split, shard's name, its frames), in the order of writing
    for split, names in dealt.items():
        frames = [by_name[name] for name in names]
        count = min(len(frames), settings.shards or _shard_count(frames, settings.max_side))
        for i in range(count):
            part = frames[i * len(frames) // count : (i + 1) * len(frames) // count]
            plan.append((split, f"{split}.record-{i:05d}-of-{count:05d}", part))
    make = partial(examples.make_record, settings.classes, settings.max_side, settings.masks)
    work = (frame for _, _, part in plan for frame in part)
    shards: dict[str, list[Shard]] = {split: [] for split in dealt}
    boxes = dict.fromkeys(dealt, 0)
    hashes = {split: array("Q") for split in dealt}
    with (
        closing(in_order(make, work, workers, threads=True)) as made,
        Progress(len(by_name), "TFRecords", "frames") as bar,
    ):
        for split, name, part in plan:
            digest, size = hashlib.sha256(), 0
            with (folder / name).open("wb") as file:
                for _ in part:
                    record, count, picture = next(made)
                    hashes[split].append(picture)
                    file.write(record)
                    digest.update(record)
                    size += len(record)
                    boxes[split] += count
                    bar.update()
            shards[split].append(Shard(name, len(part), size, digest.hexdigest()))
    write_json(
        folder / MANIFEST,
        {
            "format": 1,
            "settings": asdict(settings),
            "inputs": inputs,
            "splits": {
                split: {
                    "shards": [asdict(shard) for shard in shards[split]],
                    "boxes": boxes[split],
                    "frames": names,
                }
                for split, names in dealt.items()
            },
            "near_twins": {
                split: twins.count(hashes[split], hashes["train"])
                for split in dealt
                if split != "train"
            },
            "written_by": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "pillow")},
            },
        },
    )


def _shard_count(frames: Sequence[kitti.Frame], max_side: int) -> int:
    size = sum(frame.image.stat().st_size for frame in frames)
    if max_side:  # the bytes shrink about as the pixels do
        first = frames[0].image
        width, height = images.open_image(first.read_bytes(), shown(first)).size
        size *= min(1.0, max_side / max(width, height)) ** 2
    return max(1, round(size / SHARD_BYTES))


def counts_table(manifest: Manifest) -> str:
    """Frames, boxes, shards and bytes by split, for the terminal."""
    rows = [f"{'split':>6} {'frames':>8} {'boxes':>8} {'shards':>7} {'MB':>8}"]
    for name, split in manifest.splits.items():
        megabytes = sum(shard.bytes for shard in split.shards) / 1e6
        rows.append(
            f"{name:>6} {len(split.frames):>8,} {split.boxes:>8,} {len(split.shards):>7} "
            f"{megabytes:>8,.1f}"
        )
    return "\n".join(rows)


def twins_in_words(manifest: Manifest) -> list[str]:
    """A line for each split that is held out: how much of it training has nearly seen."""
    lines = []
    for split, count in manifest.near_twins.items():
        frames = len(manifest.splits[split].frames)
        lines.append(
            f"near twins: {count:,} of {frames:,} {split} frames ({count / frames:.0%}) look "
            "nearly like a frame of train"
        )
    return lines


def leaks(manifest: Manifest) -> bool:
    """Whether training has nearly seen so much of what is held out that figures flatter."""
    return any(
        count > LEAK * len(manifest.splits[split].frames)
        for split, count in manifest.near_twins.items()
    )
