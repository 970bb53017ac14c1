"""A struct array of numbers out of a MATLAB 5 file, and nothing else.

SciPy's reader is made for files that one trusts: damaged ones crashed it (a segmentation fault,
which no step can tell in words), made it allocate what their counts claim, or unpack without a
bound.
This one reads the one shape that EgoHands has, and only what is there.
Source: MathWorks, "MAT-File Format", chapter 1, "Level 5 MAT-Files".
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_HEADER = 128  # bytes
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_STRUCT = 2  # a matrix's class
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
_COMPLEX = 0x800  # a flag
_LONGEST_NAME = 64  # of a field, bytes

Parts = list[tuple[int, bytes]]  # the types and contents of elements


@dataclass(frozen=True)
class Struct:
    """A struct array: its shape, and the fields of each record in MATLAB's order."""

    shape: tuple[int, ...]
    fields: tuple[str, ...]
    records: list[dict[str, np.ndarray]]


def read_struct(data: bytes, variable: str, most: int) -> Struct | None:
    """The struct array `variable` of a .mat file; None if it has no such variable.

    A variable that is no struct array comes back without fields.

    Args:
        data: the file.
        variable: the name.
        most: how many bytes it may unpack to.

    Raises:
        ValueError: the file is no MATLAB 5 file, cut, damaged or too large, or the struct holds
            something else than arrays of real numbers.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    version = int.from_bytes(data[124:126], "little" if order == "<" else "big") >> 8
    if order is None or version not in (1, 2):
        raise ValueError("its header is none")
    if version == 2:
        raise ValueError("it is of MATLAB 7.3: save it with -v7")
    for kind, content in _variables(data, order, most):
        matrix = _parts(content, order) if kind == _MATRIX else []
        if len(matrix) > 2 and matrix[2][1] == variable.encode():
            return _struct(matrix, order)
    return None


def _variables(data: bytes, order: str, most: int) -> Iterator[tuple[int, bytes]]:
    """The file's elements, unpacked."""
    at = _HEADER
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("it is cut")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        content = data[at + 8 : at + 8 + size]
        if len(content) < size:
            raise ValueError("it is cut")
        if kind == _COMPRESSED:
            unpacking = zlib.decompressobj()
            try:
                content = unpacking.decompress(content, most + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from None
            if not unpacking.eof:
                raise ValueError("a variable is cut, or too large")
            most -= len(content)
            yield from _parts(content, order)
        else:
            yield kind, content
        if most < 0:
            raise ValueError("it is too large")
        at += 8 + size


def _parts(data: bytes, order: str) -> Parts:
    """The elements that stand one after another in `data`."""
    found, at = [], 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("an element is cut")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a small one: its content stands in the place of the size
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start = at + 8
            end = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > min(end, len(data)):
            raise ValueError("an element is cut")
        found.append((kind, data[start : start + size]))
        at = end
    return found


def _head(matrix: Parts, order: str) -> tuple[int, tuple[int, ...]]:
    """The flags (its class in the last byte) and the shape of a matrix."""
    if len(matrix) < 3 or len(matrix[0][1]) != 8 or not matrix[1][1] or len(matrix[1][1]) % 4:
        raise ValueError("a matrix is damaged")
    shape = tuple(size for (size,) in struct.iter_unpack(f"{order}i", matrix[1][1]))
    if min(shape) < 0:
        raise ValueError(f"a matrix has the shape {shape}")
    return struct.unpack_from(f"{order}I", matrix[0][1])[0], shape


def _struct(matrix: Parts, order: str) -> Struct:
    flags, shape = _head(matrix, order)
    if flags & 0xFF != _STRUCT:
        return Struct(shape, (), [])
    if len(matrix) < 5:
        raise ValueError("a struct is cut")
    longest = int.from_bytes(matrix[3][1], "little" if order == "<" else "big")
    if not 0 < longest <= _LONGEST_NAME:
        raise ValueError("a struct's field names are damaged")
    names = matrix[4][1]
    fields = tuple(
        names[at : at + longest].split(b"\0")[0].decode("latin1")
        for at in range(0, len(names), longest)
    )
    values = matrix[5:]
    if len(values) != math.prod(shape) * len(fields):
        raise ValueError(f"a struct of shape {shape} holds {len(values)} values")
    records = []
    for at in range(0, len(values), len(fields) or 1):
        record = {}
        for name, (kind, content) in zip(fields, values[at : at + len(fields)], strict=True):
            try:
                record[name] = _numbers(kind, content, order)
            except ValueError as error:
                raise ValueError(f"record {len(records) + 1}, {name}: {error}") from None
        records.append(record)
    return Struct(shape, fields, records)


def _numbers(kind: int, content: bytes, order: str) -> np.ndarray:
    """An array of real numbers, of the type that MATLAB had for it."""
    if kind != _MATRIX:
        raise ValueError("no matrix")
    if not content:
        return np.zeros((0, 0))
    matrix = _parts(content, order)
    flags, shape = _head(matrix, order)
    if flags & 0xFF not in _CLASSES or flags & _COMPLEX or len(matrix) != 4:
        raise ValueError("text, cells, objects or complex numbers where numbers should be")
    stored, values = matrix[3]
    if stored not in _NUMBERS:
        raise ValueError(f"numbers of an unknown type {stored}")
    dtype = np.dtype(order + _NUMBERS[stored])
    if len(values) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"shape {shape}, but {len(values)} bytes")
    array = np.frombuffer(values, dtype).reshape(shape, order="F")
    return array.astype(_CLASSES[flags & 0xFF])
