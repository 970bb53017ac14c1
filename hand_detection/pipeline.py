"""A model's config: read, overridden from the command line, and checked against the disk.

A config is the API's TrainEvalPipelineConfig in protobuf text format. Its paths are relative to
the repository's root.
"""

from __future__ import annotations

import math
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor, text_format

from hand_detection import labelmap, models
from hand_detection.api import compat
from hand_detection.console import UserError, is_text
from hand_detection.paths import ROOT, shown


@dataclass
class Pipeline:
    """A config in memory. `proto` is a pipeline_pb2.TrainEvalPipelineConfig."""

    name: str
    path: Path
    proto: Any

    @property
    def batch_size(self) -> int:
        return self.proto.train_config.batch_size

    @property
    def steps(self) -> int:
        return self.proto.train_config.num_steps

    def text(self) -> str:
        """The config as it stands now, overrides included."""
        return text_format.MessageToString(self.proto)


def load(model: str, *, data: Path | None = None, settings: tuple[str, ...] = ()) -> Pipeline:
    """Read the config of `model` and apply overrides.

    Args:
        model: a model name, or the path of a config file.
        data: a prepared data set's folder, instead of the one that the config names.
        settings: "KEY=VALUE" texts; KEY is a dotted path, e.g. train_config.batch_size.

    Raises:
        UserError: no such config, or it does not parse (the text names file and line); or a
            number in it is none that it can be.
    """
    path = models.config_file(model)
    proto = parse(path)
    if data is not None:
        use_data(proto, data)
    for setting in settings:
        override(proto, setting)
    _make_paths_absolute(proto)
    _check_numbers(proto, path)
    _check_classes(proto, path)
    return Pipeline(path.stem, path, proto)


def parse(path: Path) -> Any:
    """The TrainEvalPipelineConfig in the text file `path`, as it stands there.

    Raises:
        UserError: it does not parse.
    """
    compat.make_importable()
    from object_detection.protos import pipeline_pb2

    proto = pipeline_pb2.TrainEvalPipelineConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8-sig"), proto)
    except text_format.ParseError as error:
        # "LINE:COLUMN : message"
        where, _, what = str(error).partition(" : ")
        raise UserError(f"{shown(path)}:{where}: {what}: mend this line of the config") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown(path)} is not UTF-8 text, or no config: {error}") from None
    if not proto.eval_input_reader:
        raise UserError(f"{shown(path)} has no eval_input_reader {{..}} block: add one")
    if proto.model.WhichOneof("model") is None:
        raise UserError(f"{shown(path)} has no model {{ ssd {{..}} }} or {{ faster_rcnn {{..}} }}")
    return proto


@contextmanager
def explain_refusal(config: Pipeline) -> Iterator[None]:
    """Turn the API's error on building what a config asks for into one that a user can act on.

    Raises:
        UserError: the API refuses the config.
    """
    try:
        yield
    except (ValueError, TypeError) as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        # AutoGraph's text is a traceback.
        reason = lines[-1 if lines[0] == "in user code:" else 0].strip()
        raise UserError(f"the API refuses {shown(config.path)}: {reason}") from None


def use_data(proto: Any, data: Path) -> None:
    """Point the config's readers to the TFRecords in the data set folder `data`."""
    # Unlike Path.resolve before Python 3.13, realpath raises nothing on links in a circle.
    records = Path(os.path.realpath(data)) / "tfrecords"
    for reader, split in ((proto.train_input_reader, "train"), (eval_reader(proto), "val")):
        reader.tf_record_input_reader.input_path[:] = [f"{records / split}.record-*"]


def override(proto: Any, setting: str) -> None:
    """Set one field: "train_config.batch_size=8"; `eval_input_reader` means its first one.

    Raises:
        UserError: no such field, or no such value for it.
    """
    key, equals, value = setting.partition("=")
    if not equals or not is_text(setting):
        raise UserError(f"{setting!r} is not KEY=VALUE, e.g. train_config.batch_size=8")
    message = proto
    *parents, last = key.strip().split(".")
    for name in parents:
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None or field.type != descriptor.FieldDescriptor.TYPE_MESSAGE:
            raise UserError(f"{key}: the config has no block {name!r}")
        message = getattr(message, name)
        if field.is_repeated:
            if not message:
                message.add()
            message = message[0]
    field = message.DESCRIPTOR.fields_by_name.get(last)
    if field is None:
        known = ", ".join(sorted(message.DESCRIPTOR.fields_by_name))
        raise UserError(f"{key}: no field {last!r}; there are {known}")
    text = field.type == descriptor.FieldDescriptor.TYPE_STRING and not re.match(r"['\"]", value)
    quoted = f"'{value}'" if text else value
    scalar = field.type != descriptor.FieldDescriptor.TYPE_MESSAGE
    try:
        message.ClearField(last)
        text_format.Merge(f"{last}: {quoted}" if scalar else f"{last} {{ {value} }}", message)
    except text_format.ParseError as error:
        raise UserError(f"{key}: {value!r} does not fit: {error}") from None


def _make_paths_absolute(proto: Any) -> None:
    train = proto.train_config
    if train.fine_tune_checkpoint:
        train.fine_tune_checkpoint = str(ROOT / train.fine_tune_checkpoint)
    for reader in (proto.train_input_reader, eval_reader(proto)):
        if reader.label_map_path:
            reader.label_map_path = str(ROOT / reader.label_map_path)
        paths = reader.tf_record_input_reader.input_path
        paths[:] = [str(ROOT / path) for path in paths]


def _check_numbers(proto: Any, path: Path) -> None:
    """Refuse what would end in weights that are no numbers, or in the middle of a training."""
    text = text_format.MessageToString(proto)
    for name, value in re.findall(r"^ *(\w+): (-?(?:\d.*|nan|inf))$", text, re.MULTILINE):
        if not math.isfinite(float(value)):
            wrong = "no finite number"
        elif name == "aspect_ratios" and float(value) <= 0:
            wrong = "not above 0"
        elif name == "gradient_clipping_by_norm" and float(value) < 0:
            wrong = "below 0"
        else:
            continue
        raise UserError(f"{shown(path)}: {name} is {value}, {wrong}: mend it, or your --set of it")


def _check_classes(proto: Any, path: Path) -> None:
    """Refuse a model with fewer classes than the label map, or with more than one can have."""
    label_map, classes = Path(proto.train_input_reader.label_map_path), num_classes(proto)
    least = max(labelmap.read_label_map(label_map).values()) if label_map.is_file() else 1
    if not least <= classes <= labelmap.LARGEST_ID:
        raise UserError(
            f"{shown(path)}: num_classes is {classes}, and for {shown(label_map)} it must be "
            f"{least} to {labelmap.LARGEST_ID}: mend it, or your --set of it"
        )


def digest(proto: Any) -> int:
    """A number that machines agree on if they train alike: their paths may differ."""
    copy = type(proto)()
    copy.CopyFrom(proto)
    copy.train_config.ClearField("fine_tune_checkpoint")
    for reader in (copy.train_input_reader, eval_reader(copy)):
        reader.ClearField("label_map_path")
        reader.ClearField("tf_record_input_reader")
    return zlib.crc32(copy.SerializeToString(deterministic=True))


def eval_reader(proto: Any) -> Any:
    """The (first) evaluation reader; the field is repeated in the API's later tree only."""
    reader = proto.eval_input_reader
    return reader if hasattr(reader, "label_map_path") else reader[0]


def record_files(reader: Any, split: str | None = None) -> list[Path]:
    """The TFRecord shards of an input reader, sorted.

    Args:
        reader: an input_reader_pb2.InputReader.
        split: another split in the same folder (train, val, test) than the reader's own.

    Raises:
        UserError: there are none, or `split` is no name.
    """
    if split is not None and not re.fullmatch(r"[\w-]+", split):
        raise UserError(f"{split!r} is no name of a split (letters, digits, - and _): e.g. test")
    patterns = list(reader.tf_record_input_reader.input_path)
    if split is not None:
        patterns = [str(Path(pattern).parent / f"{split}.record-*") for pattern in patterns]
    # A pattern as TensorFlow takes it: a whole path, with wildcards in the name only.
    found = sorted({file for path in map(Path, patterns) for file in path.parent.glob(path.name)})
    if not found:
        where = ", ".join(shown(pattern) for pattern in patterns) or "no input_path in the config"
        raise UserError(f"no TFRecords at {where}: run ./create_tfrecords.sh first, or pass --data")
    return found


def check_masks(config: Pipeline) -> None:
    """Refuse to train a model on masks that the config does not have read.

    Raises:
        UserError: says which reader, and what belongs into it.
    """
    network = config.proto.model.faster_rcnn
    head = network.second_stage_box_predictor.mask_rcnn_box_predictor
    if network.number_of_stages != 3 or not head.predict_instance_masks:
        return
    readers = {
        "train_input_reader": config.proto.train_input_reader,
        "eval_input_reader": eval_reader(config.proto),
    }
    for name, reader in readers.items():
        if not reader.load_instance_masks:
            raise UserError(
                f"{shown(config.path)}: the model learns masks, and {name} does not read them: "
                "add load_instance_masks: true and mask_type: PNG_MASKS"
            )


def check_proposals(config: Pipeline) -> None:
    """Refuse to train the second stage on more boxes than the first one proposes.

    Raises:
        UserError: says both numbers, and which settings change them.
    """
    if config.proto.model.WhichOneof("model") != "faster_rcnn":
        return
    network = config.proto.model.faster_rcnn
    most, wanted = network.first_stage_max_proposals, network.second_stage_batch_size
    if network.number_of_stages > 1 and wanted > most:
        raise UserError(
            f"{shown(config.path)}: the second stage is to learn from {wanted} boxes an image "
            f"(second_stage_batch_size), and the first one proposes {most} at most "
            "(first_stage_max_proposals): lower the one, or raise the other"
        )


def num_classes(proto: Any) -> int:
    """The number of classes that the config's model tells apart."""
    return getattr(proto.model, proto.model.WhichOneof("model")).num_classes
