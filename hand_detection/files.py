"""Files that are either whole or not there, and who may write them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hand_detection.console import UserError, say
from hand_detection.paths import shown


@contextmanager
def whole_file(path: Path, *, suffix: str = ".partial") -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` once the block succeeds.

    The temporary name is the same at every try, so a killed run leaves at most one of
    them, and the next run overwrites it. It ends in `suffix`, for writers that choose a
    format by it. Two that write one file take turns.
    """
    _make_place_for(path)
    temporary = path.with_name(f".{path.name}{suffix}")
    with _held(temporary, os.O_RDWR | os.O_CREAT):
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            _name(error, path)
            raise


def _make_place_for(path: Path) -> None:
    """Make the folder that `path` is to be in.

    Raises:
        UserError: it cannot be one, or what stands at `path` may not give way to a file or folder.
    """
    if not path.name:
        raise UserError(f"{str(path)!r} is no name of a file or folder to write: name another")
    _refuse_device(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"{shown(path)} cannot be written: {shown(path.parent)} is no folder: name another"
        ) from None


def _refuse_device(path: Path) -> None:
    """A rename would take the place of /dev/null itself, or of /dev/stdout, which is a link."""
    special = path.exists() and not (path.is_file() or path.is_dir())
    if special or os.path.realpath(path.parent) == "/dev":
        raise UserError(
            f"{path} is a device, a pipe or the like, which is never replaced: name a file"
        )


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; rename it to `path` at the end.

    With `replace` a folder that stands there gives way at the end; a run killed between
    the two renames is mended by `mend_folder`.

    Raises:
        UserError: `path` exists already, and not `replace`; or another run is at it.
    """
    if path.exists() and not replace:
        raise UserError(f"{shown(path)} is there already: move it away or name another folder")
    _make_place_for(path)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with _held(temporary, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_NB):
            for left in temporary.iterdir():  # by a run that was killed
                _remove(left)
            try:
                yield temporary
                if path.exists():
                    path.rename(_replaced(path))
                temporary.rename(path)
            except BaseException as error:
                shutil.rmtree(temporary, ignore_errors=True)
                _name(error, path)
                raise
            finally:
                if replace:
                    mend_folder(path)
    except _HeldError:
        raise UserError(
            f"another run is writing {shown(path)}: wait for it to end, or stop it"
        ) from None


class _HeldError(Exception):
    """Another process holds the lock."""


@contextmanager
def _held(path: Path, flags: int, wait: int = 0) -> Iterator[None]:
    """Open and lock a temporary file or folder, made if it is not there.

    The lock is on the thing itself, so it leaves nothing behind and goes with the process.
    What stands there as something else, such as a link to elsewhere, is removed first.
    """
    while True:
        if flags & os.O_DIRECTORY:
            with suppress(FileExistsError):
                path.mkdir()
        try:
            handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
                raise
            _remove(path)
            continue
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | wait)
            except BlockingIOError:
                raise _HeldError from None
            # Who held it before has renamed or removed it: then another one is wanted.
            if not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):
                continue
            yield
            return
        finally:
            os.close(handle)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _name(error: BaseException, path: Path) -> None:
    """Tell a write error, which knows no file, what was written: the disk that is full."""
    if isinstance(error, OSError) and error.filename is None:
        error.filename = shown(path)


def mend_folder(path: Path) -> None:
    """Undo or complete a replacement of `path` that was killed half-way; else do nothing."""
    old = _replaced(path)
    if old.exists() and not path.exists():
        old.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def _replaced(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def move_aside(path: Path) -> None:
    """Rename `path` to the first free one of path.1, path.2, ..., if it is there."""
    if not path.exists():
        return
    _refuse_device(path)
    number = 1
    while (aside := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    path.replace(aside)
    say(f"{shown(path)}, as it was, is {shown(aside)} now")


@contextmanager
def new_file(path: Path, *, overwrite: bool, suffix: str = ".partial") -> Iterator[Path]:
    """As `whole_file`; what stands at `path` is refused, or with `overwrite` moved aside.

    Raises:
        UserError: `path` exists already, and not `overwrite`.
    """
    _refuse_existing(path, overwrite)
    with whole_file(path, suffix=suffix) as temporary:
        yield temporary
        move_aside(path)


@contextmanager
def new_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """As `new_file`, of a folder."""
    _refuse_existing(path, overwrite)
    with whole_folder(path, replace=True) as temporary:
        yield temporary
        move_aside(path)


def _refuse_existing(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise UserError(f"{shown(path)} is there already: name another, or add --overwrite")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, *keys: str) -> Any:
    """The value in the JSON file `path`; with `keys`, an object that has them all.

    Raises:
        UserError: the file is not JSON, or no such object.
    """
    wrong = f"{shown(path)} is not a JSON file that this project wrote"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{wrong}: {error}") from None
    if keys and not (isinstance(value, dict) and value.keys() >= set(keys)):
        raise UserError(f"{wrong}: it has no {' and '.join(keys)}")
    return value


def check_types(value: Any, path: Path, **types: type | tuple[type, ...]) -> None:
    """Refuse what was read from the JSON file `path` unless it has these entries.

    Raises:
        UserError: it is no object, or lacks one, or one is of another type.
    """
    for name, type_ in types.items():
        if not isinstance(value, dict) or not isinstance(value.get(name, ...), type_):
            raise UserError(f"{shown(path)} is not a file that this project wrote: {name} is wrong")


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, so that two runs at once do not write into it.

    Raises:
        UserError: another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another run is writing to {shown(folder)}: wait for it to end, or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()
