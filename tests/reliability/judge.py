"""Gives one input to one parser, and says what came of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hand_detection import console
from hand_detection.console import UserError

HANG_SECONDS = 30
READ, REFUSED = "read", "refused"


@dataclass(frozen=True)
class Parser:
    """Something that reads bytes which may come from anywhere.

    Attributes:
        name: for reports.
        parse: reads the bytes; may write into the folder, empty before, and nowhere else.
        seeds: correct inputs.
        crafted: attacks and typical damage by name, with what must come of them: `READ`,
            `REFUSED`, or None where either will do.
    """

    name: str
    parse: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]
    crafted: Mapping[str, tuple[bytes, str | None]]


def cuts(data: bytes, parts: int = 20) -> dict[str, tuple[bytes, str | None]]:
    """`data` cut at each of `parts` equal parts."""
    return {f"cut at {i}/{parts}": (data[: len(data) * i // parts], REFUSED) for i in range(parts)}


class HangError(Exception):
    """The parser did not come to an end in `HANG_SECONDS`."""


def judge(parser: Parser, data: bytes, sandbox: Path) -> str:
    """`READ` or `REFUSED`, the latter with one clear line.

    Anything else, a warning too, is a bug of the parser and is raised as it is.

    Args:
        parser: what is to read the data.
        data: the input.
        sandbox: a folder of the judge's own; what is written in it outside of the parser's
            folder is a bug too.
    """
    inside = sandbox / "a" / "b" / "inside"
    shutil.rmtree(sandbox, ignore_errors=True)
    inside.mkdir(parents=True)
    with _silence(), _time_limit(), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            parser.parse(data, inside)
            verdict = READ
        except UserError as error:
            line = console.one_line(str(error))
            assert line, "refused without a word"
            assert len(line) < 5000, f"refused with {len(line)} characters"
            line.encode()
            verdict = REFUSED
        except OSError as error:
            # The system's word, such as a name that is too long: `console.run` makes it a line.
            assert error.strerror, "an error of the system without a word"
            verdict = REFUSED
    found = {path.relative_to(sandbox).as_posix() for path in _outside(sandbox, inside)}
    assert not found, f"written outside of the target: {found}"
    return verdict


def _outside(sandbox: Path, inside: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(sandbox):
        if Path(folder) == inside:
            folders.clear()
            continue
        yield from (Path(folder, name) for name in names)
        yield from (Path(folder, name) for name in folders if name not in inside.parts)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
