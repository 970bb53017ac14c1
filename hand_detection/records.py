"""TFRecord files and the tf.train.Example in them, written without TensorFlow.

TensorFlow takes seconds and 500 MB to import. What is written here is byte for byte what it
writes, reads and checks: the framing is that of tensorflow/core/lib/io/record_writer.h, the
message that of tensorflow/core/example/example.proto.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import google_crc32c
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from hand_detection.console import UserError
from hand_detection.paths import shown

Feature = Sequence[bytes] | np.ndarray
"""The values of a feature: a list of bytes, or an array of integers or of floats."""


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """A serialized tf.train.Example, its features in the order of their names.

    An array of integers becomes an Int64List, of floats a FloatList (float32).
    """
    example = _example_class()()
    for name, values in features.items():
        feature = example.features.feature[name]
        if not isinstance(values, np.ndarray):
            feature.bytes_list.value.extend(values)
        elif np.issubdtype(values.dtype, np.integer):
            feature.int64_list.value.extend(values.tolist())
        else:
            feature.float_list.value.extend(values.tolist())
    return example.SerializeToString(deterministic=True)


def frame_record(data: bytes) -> bytes:
    """`data` as a record of a TFRecord file: length, CRC of it, data, CRC of it."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, struct.pack("<I", masked_crc(length)), data, struct.pack("<I", masked_crc(data)))
    )


def read_records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, each checked.

    Raises:
        UserError: the file is cut or damaged.
    """
    end = path.stat().st_size
    with path.open("rb") as file:
        number = 0
        while header := file.read(12):
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else 0
            whole = len(header) == 12 and struct.pack("<I", masked_crc(header[:8])) == header[8:]
            if whole and length <= end:
                data, crc = file.read(length), file.read(4)
                whole = len(data) == length and struct.pack("<I", masked_crc(data)) == crc
            if not whole or length > end:
                raise UserError(f"{shown(path)} is cut or damaged at record {number}")
            yield data
            number += 1


def count(path: Path) -> int:
    """The number of records in a TFRecord file, by their lengths alone: their data is not read.

    Raises:
        UserError: the file is missing, or cut or damaged.
    """
    try:
        end, at, number = path.stat().st_size, 0, 0
    except FileNotFoundError:
        raise UserError(f"{shown(path)} is missing") from None
    with path.open("rb") as file:
        while at < end:
            file.seek(at)
            header = file.read(12)
            length = struct.unpack("<Q", header[:8])[0] if len(header) == 12 else end
            at += 12 + length + 4
            if at > end or struct.pack("<I", masked_crc(header[:8])) != header[8:]:
                raise UserError(f"{shown(path)} is cut or damaged at record {number}")
            number += 1
    return number


def masked_crc(data: bytes) -> int:
    """The CRC-32C of `data`, rotated and shifted as TFRecord files have it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.cache
def _example_class() -> type[Message]:
    """The class of tf.train.Example, from a description of its own beside TensorFlow's."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", syntax="proto3")

    def message(
        name: str, within=file.message_type, **fields: tuple
    ) -> descriptor_pb2.DescriptorProto:
        described = within.add(name=name)
        for number, (field, (label, type_)) in enumerate(fields.items(), start=1):
            added = described.field.add(name=field, number=number, label=label)
            if isinstance(type_, str):
                added.type, added.type_name = kind.TYPE_MESSAGE, f".{type_}"
            else:
                added.type = type_
        return described

    one, many = kind.LABEL_OPTIONAL, kind.LABEL_REPEATED
    message("BytesList", value=(many, kind.TYPE_BYTES))
    message("FloatList", value=(many, kind.TYPE_FLOAT))
    message("Int64List", value=(many, kind.TYPE_INT64))
    feature = message(
        "Feature",
        bytes_list=(one, "BytesList"),
        float_list=(one, "FloatList"),
        int64_list=(one, "Int64List"),
    )
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    features = message("Features", feature=(many, "Features.FeatureEntry"))
    entry = message(
        "FeatureEntry", features.nested_type, key=(one, kind.TYPE_STRING), value=(one, "Feature")
    )
    entry.options.map_entry = True
    message("Example", features=(one, "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Example"))
