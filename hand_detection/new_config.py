"""A config for a prepared data set of one's own, from one that stands in configs/.

The text of the other config is edited, so its comments stay. Changed are the number of
classes, the paths, the shuffle buffer, the most boxes a frame, and the count of evaluated
frames where one stands; everything else is left as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hand_detection import config_text, labelmap, pipeline, survey, tfrecords
from hand_detection.console import UserError, warn
from hand_detection.files import whole_file
from hand_detection.paths import CONFIGS, ROOT, shown

BUFFER_BYTES = 256 << 20  # for the shuffle buffer, at most a sixteenth of the memory


@dataclass(frozen=True, slots=True)
class Facts:
    """What a config must know of a data set."""

    data: Path
    label_map: Path
    classes: Mapping[str, int]
    train: int  # frames
    val: int
    record_bytes: int  # of a train frame, on average
    most_boxes: int  # on a frame


def facts(data: Path, label_map: Path | None, found: survey.Survey) -> Facts:
    """What a config must know of the prepared data set `data`, whose TFRecords are made.

    Raises:
        UserError: its TFRecords are not there, damaged, or made with another label map.
    """
    label_map = label_map or labelmap.of_data(data)
    classes = labelmap.read_label_map(label_map)
    manifest = tfrecords.verify(data / tfrecords.FOLDER)
    if manifest.settings.classes != classes:
        raise UserError(
            f"{shown(data / tfrecords.FOLDER)} was made with other classes than those of "
            f"{shown(label_map)}: name their label map with --label-map"
        )
    train, val = manifest.split("train"), manifest.split("val")
    total = sum(shard.bytes for shard in train.shards)
    return Facts(
        data,
        label_map,
        classes,
        len(train.frames),
        len(val.frames),
        max(1, total // max(1, len(train.frames))),
        int(found.per_frame().max(initial=0)),
    )


def buffer_size(of: Facts) -> int:
    """How many frames the shuffle buffer holds: all, or as many as memory is set apart for."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(of.train, min(BUFFER_BYTES, memory // 16) // of.record_bytes))


def edited(text: str, name: str, like: str, of: Facts) -> str:
    """The text of the config `like`, edited for a data set.

    Raises:
        UserError: what must be edited does not stand in it.
    """
    buffer = buffer_size(of)
    megabytes = buffer * of.record_bytes / 1e6
    try:
        detector = next(
            kind for kind in ("ssd", "faster_rcnn") if _has(text, f"model.{kind}.num_classes")
        )
    except StopIteration:
        raise UserError(f"{like} has no model.ssd or model.faster_rcnn with num_classes") from None
    values = {f"model.{detector}.num_classes": (str(max(of.classes.values())), "")}
    for reader, split in (("train_input_reader", "train"), ("eval_input_reader", "val")):
        pattern = of.data.resolve() / tfrecords.FOLDER / f"{split}.record-*"
        values[f"{reader}.tf_record_input_reader.input_path"] = (_path(pattern), "")
        values[f"{reader}.label_map_path"] = (_path(of.label_map.resolve()), "")
    values["train_input_reader.shuffle_buffer_size"] = (
        str(buffer),
        f"{megabytes:,.0f} MB of this data set",
    )
    for key, value, wanted in (
        ("eval_config.num_examples", str(of.val), True),
        ("train_input_reader.max_number_of_boxes", str(of.most_boxes), of.most_boxes > 100),
    ):
        if wanted and _has(text, key):
            values[key] = (value, "")
    try:
        for key, (value, note) in values.items():
            text = config_text.set_value(text, key, value, note)
    except KeyError as error:
        raise UserError(f"{like}: {error.args[0]}: mend it, or take another config") from None
    return (
        f"# {name}: made by tools/new_config.py from {like} for {shown(of.data)}\n"
        f"# ({of.train:,} train and {of.val:,} val frames).\n"
        "# What the comments below say of a data set is said of that config's own.\n#\n"
        f"{text}"
    )


def _has(text: str, key: str) -> bool:
    try:
        config_text.get_value(text, key)
    except KeyError:
        return False
    return True


def _path(path: Path) -> str:
    """A path as a config has it: relative to the repository where it is below it."""
    return config_text.quoted(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))


def target(name: str) -> Path:
    """The file of the new config `name`; a name that ends in .config is a path.

    Raises:
        UserError: it is no name for a model, or it is taken.
    """
    is_path = name.endswith(".config")
    path = Path(name) if is_path else CONFIGS / f"{name}.config"
    if not re.fullmatch(r"[\w-][\w.-]*", path.stem if is_path else name):
        raise UserError(f"{name!r} is no model's name: letters, digits, _, - and . only")
    if path.exists():
        raise UserError(f"{shown(path)} is there already: choose another name, or move it away")
    return path


def write(path: Path, text: str) -> None:
    """Write the config, once it is seen to parse.

    Raises:
        UserError: it does not parse.
    """
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        pipeline.parse(temporary)


def warn_of_sides(classes: Sequence[str], text: str) -> None:
    """Warn where a config flips pictures whose classes tell left from right."""
    sided = [name for name in classes if re.search(r"left|right", name, re.IGNORECASE)]
    if sided and "random_horizontal_flip" in text:
        warn(
            f"warning: a flipped {sided[0]!r} is none: take random_horizontal_flip out of the "
            "config if left and right matter"
        )
