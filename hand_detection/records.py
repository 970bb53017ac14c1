"""TFRecord files and the tf.train.Example in them, written without TensorFlow.

TensorFlow takes seconds and 500 MB to import, in every process: here a worker needs
NumPy alone. What is written is byte for byte what TensorFlow reads and checks.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hand_detection.console import UserError
from hand_detection.paths import shown

Feature = Sequence[bytes] | np.ndarray
"""The values of a feature: a list of bytes, or an array of integers or of floats."""


def encode_example(features: Mapping[str, Feature]) -> bytes:
    """A serialized tf.train.Example, its features in the order of their names.

    An array of integers becomes an Int64List, of floats a FloatList (float32).
    """
    entries = []
    for name in sorted(features):
        entry = _field(1, name.encode()) + _field(2, _encode_feature(features[name]))
        entries.append(_field(1, entry))
    return _field(1, b"".join(entries))


def frame_record(data: bytes) -> bytes:
    """`data` as a record of a TFRecord file: length, CRC of it, data, CRC of it."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (length, struct.pack("<I", _masked_crc(length)), data, struct.pack("<I", _masked_crc(data)))
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
            whole = len(header) == 12 and struct.pack("<I", _masked_crc(header[:8])) == header[8:]
            if whole and length <= end:
                data, crc = file.read(length), file.read(4)
                whole = len(data) == length and struct.pack("<I", _masked_crc(data)) == crc
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
            if at > end or struct.pack("<I", _masked_crc(header[:8])) != header[8:]:
                raise UserError(f"{shown(path)} is cut or damaged at record {number}")
            number += 1
    return number


def _encode_feature(values: Feature) -> bytes:
    if not isinstance(values, np.ndarray):
        return _field(1, b"".join(_field(1, value) for value in values))
    if np.issubdtype(values.dtype, np.integer):
        packed = b"".join(_varint(int(value) & (1 << 64) - 1) for value in values)
        return _field(3, _field(1, packed) if len(values) else b"")
    packed = values.astype("<f4").tobytes()
    return _field(2, _field(1, packed) if len(values) else b"")


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return b"".join((_varint(number << 3 | 2), _varint(len(data)), data))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# CRC-32C of long data in NumPy. The CRC without its first and last inversion is linear:
# the data is cut into blocks whose CRCs are found side by side, two bytes a step; then
# neighbours are joined, crc(a + b) = shift(crc(a), len(b)) ^ crc(b), until one is left.

_BLOCK = 64  # bytes; even


def _masked_crc(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of `data`."""
    table, pairs = _tables()
    if len(data) < _BLOCK:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = int(table[(crc ^ byte) & 0xFF]) ^ crc >> 8
        return crc ^ 0xFFFFFFFF
    # Zeros in front do not change a CRC that starts from 0; starting from all ones is the
    # same as inverting the first four bytes.
    pad = -len(data) % _BLOCK
    padded = np.zeros(pad + len(data), np.uint8)
    padded[pad:] = np.frombuffer(data, np.uint8)
    padded[pad : pad + 4] ^= 0xFF
    columns = padded.view("<u2").reshape(-1, _BLOCK // 2).T.astype(np.uint32)
    crcs = np.zeros(columns.shape[1], np.uint32)
    for column in columns:
        crcs ^= column
        crcs = pairs[crcs & 0xFFFF] ^ crcs >> 16
    level = 0
    while len(crcs) > 1:
        if len(crcs) % 2:
            crcs = np.concatenate((np.zeros(1, np.uint32), crcs))
        crcs = _apply(_shift(level), crcs[0::2]) ^ crcs[1::2]
        level += 1
    return int(crcs[0]) ^ 0xFFFFFFFF


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The CRC of one byte (256,) and of two bytes (65536,), uint32."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = table >> 1 ^ np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0))
    pairs = np.arange(65536, dtype=np.uint32)
    for _ in range(2):
        pairs = table[pairs & 0xFF] ^ pairs >> 8
    return table, pairs


@functools.cache
def _shift(level: int) -> np.ndarray:
    """What `_BLOCK * 2**level` zero bytes do to a CRC, as (4, 256) uint32 for `_apply`."""
    byte = np.arange(256, dtype=np.uint32)
    crcs = np.stack([byte << 8 * place for place in range(4)])
    if level:
        half = _shift(level - 1)
        return _apply(half, _apply(half, crcs))
    for _ in range(_BLOCK // 2):
        crcs = _tables()[1][crcs & 0xFFFF] ^ crcs >> 16
    return crcs


def _apply(shift: np.ndarray, crcs: np.ndarray) -> np.ndarray:
    return (
        shift[0][crcs & 0xFF]
        ^ shift[1][crcs >> 8 & 0xFF]
        ^ shift[2][crcs >> 16 & 0xFF]
        ^ shift[3][crcs >> 24]
    )
