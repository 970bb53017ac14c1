"""How the steps speak to the person at the terminal: errors, progress, exit codes."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


class UserError(Exception):
    """Something the user can mend. The message says what is wrong, where, and what to do."""


def run(main: Callable[[], int | None]) -> None:
    """Run a step's `main` and leave the process as the shell expects it.

    Exit status 0 on success, 1 with one line on stderr on a `UserError`, 128 + N when
    ended by signal N. Misuse exits with 2 by way of argparse. Any other exception is a
    bug of ours and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, _raise_on_sigterm)
    try:
        status = main() or 0
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output (head, less) went away: not an error of ours.
        sys.stderr.close()
        status = 128 + signal.SIGPIPE
    except OSError as error:
        # A full disk, a read-only folder, a missing permission: the user's to mend.
        where = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{where}", file=sys.stderr)
        status = 1
    sys.exit(status)


def _raise_on_sigterm(signum: int, frame: object) -> None:
    print("terminated", file=sys.stderr)
    sys.exit(128 + signum)


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that is empty until SIGINT or SIGTERM comes: work that can be kept then ends."""
    received: list[int] = []

    def note(number: int, frame: object) -> None:
        if received:  # asked twice: at once
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text: str = "") -> None:
    """One line on stdout, at once, also into a pipe, and without breaking a progress bar."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def warn(text: str) -> None:
    """One line on stderr, at once, without breaking a progress bar."""
    tqdm.write(text, file=sys.stderr)


def whole_number(text: str) -> int:
    """An argparse type: 0, 1, 2, ..."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def positive_number(text: str) -> int:
    """An argparse type: 1, 2, 3, ..."""
    if whole_number(text) == 0:
        raise argparse.ArgumentTypeError("0 is not a number above 0")
    return int(text)


class Progress:
    """A bar with ETA on a terminal; elsewhere a plain line every few seconds, and the last.

    Used as a context manager; `update(n)` counts `n` more units done.
    """

    def __init__(
        self,
        total: int | None,
        label: str,
        unit: str = "it",
        *,
        initial: int = 0,
        every: float = 10.0,
        scale: bool = False,
    ) -> None:
        self._terminal = sys.stderr.isatty()
        self._every = every
        self._last = time.monotonic()
        self._bar = tqdm(
            total=total,
            desc=label,
            unit=unit,
            initial=initial,
            unit_scale=scale,
            unit_divisor=1024 if scale else 1000,
            # Without a terminal the bar keeps the count and the rate but draws nothing.
            file=sys.stderr if self._terminal else _Nowhere(),
            mininterval=0.2,
            dynamic_ncols=self._terminal,
            ncols=None if self._terminal else 80,
        )

    def update(self, n: int = 1, note: str = "") -> None:
        """Count `n` more units done; `note` is shown at the end of the bar or line."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(n)
        now = time.monotonic()
        if not self._terminal and now - self._last >= self._every:
            self._last = now
            self._plain_line()

    def _plain_line(self) -> None:
        print(str(self._bar).strip(), file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._terminal and exc[0] is None and self._bar.n:
            self._plain_line()
        self._bar.close()


class _Nowhere:
    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        pass


def progress(items: Iterable[T], total: int, label: str, unit: str = "it") -> Iterator[T]:
    """Iterate over `items` under a `Progress`."""
    with Progress(total, label, unit) as bar:
        for item in items:
            yield item
            bar.update()
