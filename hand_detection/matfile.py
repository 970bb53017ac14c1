"""What of a MATLAB 5 file may be given to SciPy's reader, which trusts its input.

SciPy unpacks variables without a bound, allocates what the file's counts claim before it looks
for the data, and follows nesting until the stack ends. Here a file is unpacked to a bound, and
its claims are compared with the bytes that are there.
Source: MathWorks, "MAT-File Format", chapter 1, "Level 5 MAT-Files".
"""

from __future__ import annotations

import io
import math
import struct
import zlib

_HEADER = 128  # bytes
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_CELL, _STRUCT, _TEXT, _NUMBERS = 1, 2, 4, range(6, 16)  # classes of matrices
_DEPTH = 4  # of matrices in matrices
_LONGEST_NAME = 64  # of a field, bytes


def bounded(data: bytes, variable: str, most: int) -> bytes:
    """The .mat file `data` unpacked, for SciPy to read `variable` from.

    Args:
        data: the file. Versions other than 5 are passed on as they are: SciPy refuses 7.3, and
            4 has neither compression nor nesting.
        variable: the one that is to be read; its claims are checked.
        most: how many bytes it may unpack to.

    Raises:
        ValueError: it is larger, cut or damaged, claims more than it holds, or holds objects.
        Exception: whatever SciPy raises on a damaged header.
    """
    from scipy.io.matlab import matfile_version

    if matfile_version(io.BytesIO(data))[0] != 1:
        return data
    order = "<" if data[126:128] == b"IM" else ">"
    out, at = [data[:_HEADER]], _HEADER
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        element = data[at : at + 8 + size]
        if kind == _COMPRESSED:
            unpacking = zlib.decompressobj()
            try:
                element = unpacking.decompress(element[8:], most + 1)
            except zlib.error as error:
                raise ValueError(str(error)) from None
            if not unpacking.eof:
                raise ValueError("a variable is cut, or too large")
        out.append(element)
        most -= len(element)
        if most < 0:
            raise ValueError("it is too large")
        parts = _parts(element, order)
        if parts and parts[0][0] == _MATRIX:
            matrix = _parts(parts[0][1], order)
            if len(matrix) > 2 and matrix[2][1].rstrip(b"\0") == variable.encode():
                _check(matrix, order, _DEPTH)
        at += 8 + size
    return b"".join(out)


def _parts(data: bytes, order: str) -> list[tuple[int, bytes]]:
    """The types and contents of the elements that stand one after another in `data`."""
    found, at = [], 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        if kind >> 16:  # a small one: its content stands in the place of the size
            found.append((kind & 0xFFFF, data[at + 4 : at + 4 + min(4, kind >> 16)]))
            at += 8
        else:
            found.append((kind, data[at + 8 : at + 8 + size]))
            at += 8 + size + -size % 8
    return found


def _check(matrix: list[tuple[int, bytes]], order: str, depth: int) -> None:
    """Compare what a matrix, given by its parts, claims to hold with what is there."""
    if not matrix:
        return  # an empty one
    if depth == 0 or len(matrix) < 3 or len(matrix[0][1]) < 8:
        raise ValueError("a matrix is cut or nested too deep")
    kind = struct.unpack_from(f"{order}I", matrix[0][1])[0] & 0xFF
    dims = [number for (number,) in struct.iter_unpack(f"{order}i", matrix[1][1])]
    count = math.prod(dims) if min(dims, default=-1) >= 0 else -1
    inside = [_parts(content, order) for type_, content in matrix[3:] if type_ == _MATRIX]
    if kind == _STRUCT and len(matrix) > 4:
        longest = int.from_bytes(matrix[3][1], "little" if order == "<" else "big")
        if not 0 < longest <= _LONGEST_NAME:
            raise ValueError("a struct's field names are damaged")
        there, count = len(inside), count * (len(matrix[4][1]) // longest)
    elif kind in (_CELL, _STRUCT):
        there = len(inside)
    elif kind == _TEXT or kind in _NUMBERS:
        there = sum(len(content) for _, content in matrix[3:])  # a byte each at least
    else:
        raise ValueError(f"a matrix is of class {kind}: an object, or sparse")
    if not 0 <= count <= there:
        raise ValueError(f"a matrix claims {count} elements and holds {there}")
    for part in inside:
        _check(part, order, depth - 1)
