"""Steps killed, out of disk space, without leave to write, and run twice at once.

Each function makes one try and raises AssertionError where something is lost: the next run does
not complete, its result differs from an undisturbed one, a file under its final name is not whole,
or the message is not one clear line.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steps import Result, Step, run

PROGRESS = re.compile(r"\d+%\|")
GONE_SECONDS = 20  # until the last process of a killed step is gone


@dataclass(frozen=True)
class Undisturbed:
    """A step, where its inputs are, and what it makes of them in how long."""

    step: Step
    inputs: Path
    result: Result
    seconds: float


def undisturbed(step: Step, work: Path) -> Undisturbed:
    """Make the inputs and run the step once; again to know that the result is repeatable."""
    inputs, out = work / "inputs", work / "undisturbed"
    inputs.mkdir(parents=True)
    step.inputs(inputs)
    _stage(step, inputs, out)
    started = time.monotonic()
    done = run(step, inputs, out)
    assert done.returncode == 0, done.stderr
    return Undisturbed(step, inputs, step.result(out), time.monotonic() - started)


def killed(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> str:
    """Send SIGKILL or SIGTERM at a random moment, to the step or to all of its processes."""
    _stage(whole.step, whole.inputs, out)
    by_name = (signal.SIGKILL, signal.SIGTERM)[rng.randrange(2)]
    everyone, moment = rng.random() < 0.5, rng.random() * whole.seconds
    process = subprocess.Popen(
        list(map(str, whole.step.command(whole.inputs, out))),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=out if whole.step.name.startswith("install") else None,
    )
    what = f"try {number}: {by_name.name} at {moment:.2f} s"
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if everyone else os.kill)(process.pid, by_name)
    try:
        _, said = process.communicate(timeout=GONE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{what}: it does not end") from None
    # After SIGKILL, workers that were just being started complain of a parent that is gone.
    assert by_name == signal.SIGKILL or "Traceback" not in said, f"{what}: {said}"
    _wait_until_gone(process.pid, what)
    _check_whole(whole, out, what)
    _complete(whole, out, what)
    return what


def full_disk(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> str:
    """Run on a disk with room for a random part of the result, then with enough."""
    size = sum(map(len, whole.result.values()))
    with mounted(out.parent / "disk", 1 << 30) as disk:
        out = disk / "out"
        _stage(whole.step, whole.inputs, out)
        used = shutil.disk_usage(disk).used
        room = used + int(rng.uniform(0.02, 0.95) * max(1, size - _size(whole, out)))
        what = f"try {number}: a disk of {room} bytes"
        _remount(disk, f"size={max(room, 16384)}")
        done = run(whole.step, whole.inputs, out)
        if done.returncode:
            _check_said(done, what)
        _check_whole(whole, out, what)
        _remount(disk, "size=1g")
        _complete(whole, out, what)
    return what


def read_only(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> str:
    """Run on a disk that cannot be written, then on the same one that can."""
    what = f"try {number}: a read-only disk"
    with mounted(out.parent / "disk", 1 << 30) as disk:
        out = disk / "out"
        _stage(whole.step, whole.inputs, out)
        before = {path: path.stat().st_mtime_ns for path in disk.rglob("*")}
        _remount(disk, "ro")
        done = run(whole.step, whole.inputs, out)
        assert done.returncode == 1, f"{what}: exit {done.returncode}: {done.stderr}"
        _check_said(done, what)
        _remount(disk, "rw")
        assert before == {path: path.stat().st_mtime_ns for path in disk.rglob("*")}, what
        _complete(whole, out, what)
    return what


def twice_at_once(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> str:
    """Start the step twice, the second a random moment later."""
    _stage(whole.step, whole.inputs, out)
    what = f"try {number}: two at once"
    processes = []
    for _ in range(2):
        processes.append(
            subprocess.Popen(
                list(map(str, whole.step.command(whole.inputs, out))),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=out if whole.step.name.startswith("install") else None,
            )
        )
        time.sleep(rng.random() * whole.seconds / 2)
    ends = []
    for process in processes:
        _, said = process.communicate(timeout=900)
        ends.append(process.returncode)
        assert process.returncode in (0, 1), f"{what}: {said}"
        if process.returncode:
            lines = said.splitlines()
            assert re.search("another run|is there already", lines[-1]), f"{what}: {said}"
            assert len(lines) == 1, f"{what}: {said}"
    assert 0 in ends, what
    assert whole.step.result(out) == whole.result, what
    return what


FAULTS = {
    "killed": killed,
    "disk full": full_disk,
    "read-only": read_only,
    "twice at once": twice_at_once,
}


def may_mount(folder: Path) -> str:
    """Why no disk can be mounted here; empty if one can."""
    try:
        with mounted(folder, 1 << 20):
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        return f"mounting a disk in memory is not permitted here: {error}"


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A disk in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def _remount(folder: Path, option: str) -> None:
    command = ["mount", "-o", f"remount,{option}", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def _stage(step: Step, inputs: Path, out: Path) -> None:
    if step.stage:
        step.stage(inputs, out)


def _size(whole: Undisturbed, out: Path) -> int:
    """The bytes of the result that stand there from the beginning."""
    return sum(map(len, whole.step.result(out).values())) if out.exists() else 0


def _wait_until_gone(group: int, what: str) -> None:
    end = time.monotonic() + GONE_SECONDS
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError(f"{what}: processes were left behind")


def _check_whole(whole: Undisturbed, out: Path, what: str) -> None:
    """Nothing under a final name is half-written."""
    if not out.exists():
        return
    for name, data in whole.step.result(out).items():
        if not re.fullmatch(whole.step.changing, name):
            assert whole.result.get(name) == data, f"{what}: {name} is not whole"


def _check_said(done: subprocess.CompletedProcess[str], what: str) -> None:
    lines = [line for line in done.stderr.splitlines() if not PROGRESS.search(line)]
    assert done.returncode == 1, f"{what}: exit {done.returncode}: {done.stderr}"
    assert len(lines) == 1 and lines[0].startswith("error: "), f"{what}: {done.stderr}"


def _complete(whole: Undisturbed, out: Path, what: str) -> None:
    done = run(whole.step, whole.inputs, out)
    complete = done.returncode == 0 or "is there already" in done.stderr  # killed at its very end
    assert complete, f"{what}: the next run fails: {done.stderr}"
    found = whole.step.result(out)
    different = {
        n for n in found.keys() | whole.result.keys() if found.get(n) != whole.result.get(n)
    }
    assert not different, f"{what}: other than undisturbed: {sorted(different)[:5]}"
    left = list(out.rglob("*.partial*"))
    assert not left, f"{what}: left behind: {left[:5]}"
