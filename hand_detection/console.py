"""How the steps speak to the person at the terminal: errors, progress, exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
_GRACE_SECONDS = 10.0  # from SIGTERM to the end, whatever is waited for
_LONGEST = 2000  # characters of a message: some quote what they were given
_DISK_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO
)  # fmt: skip
_ending = threading.Event()  # SIGTERM came
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class UserError(Exception):
    """Something the user can mend. The message says what is wrong, where, and what to do."""


def run(main: Callable[[], int | None]) -> None:
    """Run a step's `main` and leave the process as the shell expects it.

    Exit status 0 on success, 1 with one line on stderr on a `UserError`, 128 + N when
    ended by signal N. Misuse exits with 2 by way of argparse. Any other exception is a
    bug of ours and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, _raise_on_sigterm)
    sys.unraisablehook = _send_again
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # of file names that are not UTF-8
    try:
        status = _call(main) or 0
        sys.stdout.flush()
    except UserError as error:
        status = _fail(str(error))
    except MemoryError:
        status = _fail("the memory ran out: close other programs, or try smaller data")
    except KeyboardInterrupt:
        sys.unraisablehook = _keep_silent
        print("interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    except SystemExit:
        sys.unraisablehook = _keep_silent
        raise
    except BrokenPipeError:
        # The reader of our output (head, less) went away: not an error of ours.
        _abandon_output()
        status = 128 + signal.SIGPIPE
    except OSError as error:
        # A full disk, a read-only folder, a missing permission: the user's to mend.
        where = f": {error.filename}" if error.filename else ""
        status = _fail(f"{error.strerror or error}{where}")
    except Exception as error:
        said = _said_by_the_disk(error)
        if said is None:
            raise
        status = _fail(said)
    sys.exit(status)


def _open_streams() -> None:
    """Streams that came closed (`>&-`) lead nowhere, and no file of ours gets their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _call(main: Callable[[], int | None]) -> int | None:
    """Call `main`; what a library makes of the SystemExit of a signal is that SystemExit again."""
    try:
        return main()
    except Exception:
        if _ending.is_set():
            sys.exit(128 + signal.SIGTERM)
        raise


def _said_by_the_disk(error: Exception) -> str | None:
    """What the system said of a disk to TensorFlow, whose errors are no OSError; None if nothing.

    Of "FILE; No space left on device", and what may follow: the same as of an OSError.
    """
    if not type(error).__module__.startswith("tensorflow."):
        return None
    words = "|".join(re.escape(os.strerror(number)) for number in _DISK_ERRORS)
    found = re.search(rf"(?:([^\s;]+); )?({words})", str(error))
    return found and found[2] + (f": {found[1]}" if found[1] else "")


def _fail(text: str) -> int:
    """Say `text` in one line on stderr; the exit status of a step that failed."""
    try:
        sys.stdout.flush()
    except OSError:
        _abandon_output()
    print(f"error: {one_line(text)}", file=sys.stderr)
    return 1


def fail_at_once(text: str) -> None:
    """End the process as a UserError does, from any thread, whatever the main one waits for."""
    status = _fail(text)
    sys.stderr.flush()
    os._exit(status)


def _abandon_output() -> None:
    """Where stdout cannot be written, Python's own flush at the end would complain of it too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(text: str) -> str:
    """`text` in one line; what a terminal would obey is escaped, the middle of a novel left out."""
    line = _CONTROL.sub(lambda match: ascii(match[0])[1:-1], " ".join(text.split()))
    half = _LONGEST // 2
    return line if len(line) <= _LONGEST else f"{line[:half]} ... {line[-half:]}"


def is_text(name: str) -> bool:
    """Whether a name can be shown and encoded: no control characters, no bytes beside UTF-8."""
    return not _CONTROL.search(name)


def _raise_on_sigterm(signum: int, frame: object) -> None:
    if not _ending.is_set():
        _ending.set()
        print("terminated", file=sys.stderr)
        # A pool whose workers got the signal too may wait for them for ever: then without clearing
        # up, which the next run does.
        _later(_GRACE_SECONDS, os._exit, 128 + signum)
    sys.exit(128 + signum)


def _send_again(unraisable: Any) -> None:
    """A signal that came in a __del__, whose exceptions Python drops, comes once more."""
    for kind, signum in ((SystemExit, signal.SIGTERM), (KeyboardInterrupt, signal.SIGINT)):
        if issubclass(unraisable.exc_type, kind):
            _later(0.05, os.kill, os.getpid(), signum)
            return
    sys.__unraisablehook__(unraisable)


def _keep_silent(unraisable: Any) -> None:
    """What a signal left half made complains in its __del__: no news to who sent the signal."""


def _later(seconds: float, call: Callable[..., object], *arguments: object) -> None:
    timer = threading.Timer(seconds, call, arguments)
    timer.daemon = True
    timer.start()


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
    """An argparse type: 0, 1, 2, ... 2^31 - 1, which configs and TensorFlow's seeds can hold."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    if int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is above {2**31 - 1}")
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
