"""Damage as hypothesis draws it: correct inputs cut, flipped, repeated and filled with nonsense."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

NUMBERS = (
    b"nan", b"-inf", b"1e999", b"1e308", b"-1e308", b"1e-320", b"0", b"-0", b"-1", b"0.1", b"1_0",
    b"2147483648", b"-9223372036854775809", b"18446744073709551616", b"9" * 400, b"7" * 5000,
)  # fmt: skip
WORDS = (
    b"", b"\0", b" ", b"\r\n", b"\n", b"\t", b"\x1b[2J", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc3\xa9", b"%", b"%00", b"%0a", b"\\", b"'", b'"', b"{", b"}", b"[", b"]", b":", b",", b"<",
    b">", b"&x;", b"#", b"null", b"true", b"\\ud800", b"../../evil", b"/etc/passwd", b"a/../../b",
    b"*x", b"&x [*x, *x]", b"2001-99-99", b"!!python/object:os.system", b"A" * 300,
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds` with up to four damages."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        change = draw(st.sampled_from(CHANGES))
        data = change(draw, data)
    return data


def _place(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _span(draw: st.DrawFn, data: bytes) -> tuple[int, int]:
    start = _place(draw, data)
    return start, min(len(data), start + draw(st.sampled_from((1, 2, 4, 8, 30, 200, 4000))))


def _cut(draw: st.DrawFn, data: bytes) -> bytes:
    return data[: _place(draw, data)]


def _drop(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _repeat(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:end] + data[start:end] * draw(st.integers(1, 3)) + data[end:]


def _flip(draw: st.DrawFn, data: bytes) -> bytes:
    if not data:
        return data
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]


def _overwrite(draw: st.DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    filling = draw(st.sampled_from((b"\0", b"\xff", b"\x7f", b"9", b"{", b"[")))
    return data[:start] + filling * (end - start) + data[end:]


def _insert(draw: st.DrawFn, data: bytes) -> bytes:
    at = _place(draw, data)
    return data[:at] + draw(st.sampled_from(WORDS + NUMBERS)) + data[at:]


def _number(draw: st.DrawFn, data: bytes) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not found:
        return data
    one = found[draw(st.integers(0, len(found) - 1))]
    return data[: one.start()] + draw(st.sampled_from(NUMBERS)) + data[one.end() :]


def _encode(draw: st.DrawFn, data: bytes) -> bytes:
    text = data.decode("latin1")
    return draw(
        st.sampled_from(
            (
                text.encode("utf-16"),
                text.encode("utf-8-sig"),
                data.replace(b"\n", b"\r\n"),
                data.replace(b"\n", b"\r"),
            )
        )
    )


CHANGES = (_cut, _drop, _repeat, _flip, _overwrite, _insert, _number, _encode)
