"""Steps killed, out of disk space, without leave to write, and run twice at once.

Each function makes a try, says how many it was (the kills that met the step alive, else 1), and
raises AssertionError where something is lost: the next run does not complete, its result differs
from an undisturbed one, a file under its final name is not whole, or the message is not one clear
line.
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

from step import Step, differing, run, start

PROGRESS = re.compile(r"\d+%\|")


@dataclass
class Undisturbed:
    """A step, where its inputs are, where what it makes of them, and how long it took last."""

    step: Step
    inputs: Path
    out: Path
    seconds: float


def undisturbed(step: Step, work: Path) -> Undisturbed:
    """Make the inputs and run the step once."""
    inputs, out = work / "inputs", work / "undisturbed"
    inputs.mkdir(parents=True)
    step.inputs(inputs)
    _stage(step, inputs, out)
    started = time.monotonic()
    done = run(step, inputs, out)
    assert done.returncode == 0, done.stderr
    return Undisturbed(step, inputs, out, time.monotonic() - started)


def killed(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> int:
    """Kill the step, and the next run of it, and so on, so often as it says; then complete it."""
    _stage(whole.step, whole.inputs, out)
    moments, kills = [], 0
    while kills < whole.step.kills:
        by_name = (signal.SIGKILL, signal.SIGTERM)[rng.randrange(2)]
        everyone, moment = rng.random() < 0.5, rng.random() * whole.seconds
        everyone |= whole.step.together
        moments.append(f"{by_name.name} at {moment:.2f} s")
        what = f"try {number}: {', '.join(moments)}"
        if not _kill(whole, out, by_name, everyone, moment, what):
            break
        _check_whole(whole, out, what)
        kills += 1
    _complete(whole, out, what)
    return kills


def _kill(
    whole: Undisturbed, out: Path, by_name: signal.Signals, everyone: bool, moment: float, what: str
) -> bool:
    """Send a signal to the step or to all of its processes; False if it was done before."""
    started, done = time.monotonic(), False
    process = start(whole.step, whole.inputs, out, start_new_session=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = process.wait(moment) is not None
        whole.seconds = time.monotonic() - started  # the machine has less other work than before
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if everyone else os.kill)(process.pid, by_name)
    try:
        _, said = process.communicate(timeout=whole.step.ends_in)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{what}: it does not end") from None
    # After SIGKILL, workers that were just being started complain of a parent that is gone.
    assert by_name == signal.SIGKILL or "Traceback" not in said, f"{what}: {said}"
    _wait_until_gone(process.pid, whole.step.ends_in, what)
    well = process.returncode == 0 or "is there already" in said
    assert well or not done, f"{what}: it fails before that: {said}"
    return not done


def full_disk(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> int:
    """Run on a disk with room for a random part of the result, then with enough."""
    size, enough = _bytes(whole.out), _enough(whole)
    with mounted(out.parent / "disk", enough) as disk:
        out = disk / "out"
        _stage(whole.step, whole.inputs, out)
        used = shutil.disk_usage(disk).used
        room = used + int(rng.uniform(0.02, 0.95) * max(1, size - _bytes(out)))
        what = f"try {number}: a disk of {room} bytes"
        remount(disk, f"size={max(room, 16384)}")
        done = run(whole.step, whole.inputs, out)
        if done.returncode:
            _check_said(whole.step, done, what)
        _check_whole(whole, out, what)
        remount(disk, f"size={enough}")
        _complete(whole, out, what)
    return 1


def _enough(whole: Undisturbed) -> int:
    """Bytes that the step can do with."""
    return max(1 << 30, 2 * _bytes(whole.out))


def read_only(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> int:
    """Run on a disk that cannot be written, then on the same one that can."""
    what = f"try {number}: a read-only disk"
    with mounted(out.parent / "disk", _enough(whole)) as disk:
        out = disk / "out"
        _stage(whole.step, whole.inputs, out)
        before = {path: path.stat().st_mtime_ns for path in disk.rglob("*")}
        remount(disk, "ro")
        done = run(whole.step, whole.inputs, out)
        assert done.returncode == 1, f"{what}: exit {done.returncode}: {done.stderr}"
        _check_said(whole.step, done, what)
        remount(disk, "rw")
        assert before == {path: path.stat().st_mtime_ns for path in disk.rglob("*")}, what
        _complete(whole, out, what)
    return 1


def twice_at_once(whole: Undisturbed, out: Path, number: int, rng: random.Random) -> int:
    """Start the step twice, the second a random moment later."""
    _stage(whole.step, whole.inputs, out)
    what = f"try {number}: two at once"
    processes = []
    for _ in range(2):
        processes.append(start(whole.step, whole.inputs, out))
        time.sleep(rng.random() * whole.seconds / 2)
    ends = []
    for process in processes:
        _, said = process.communicate(timeout=900)
        ends.append(process.returncode)
        assert process.returncode in (0, 1), f"{what}: {said}"
        if process.returncode:
            lines = _lines(said)
            assert re.search("another .*run|is there already", lines[-1]), f"{what}: {said}"
            assert len(lines) == 1, f"{what}: {said}"
    assert 0 in ends, what
    different = _different(whole, out)
    assert not different, f"{what}: other than undisturbed: {different[:5]}"
    return 1


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


def remount(folder: Path, option: str) -> None:
    """Give a disk in memory another size, or make it read-only ("ro") or not ("rw")."""
    command = ["mount", "-o", f"remount,{option}", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def _stage(step: Step, inputs: Path, out: Path) -> None:
    if step.stage:
        step.stage(inputs, out)


def _bytes(folder: Path) -> int:
    """Of all files below it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _wait_until_gone(group: int, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
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
    step = whole.step
    if step.damaged:
        damaged = list(step.damaged(whole.out, out))
    else:
        found, expected = step.result(out), step.result(whole.out)
        names = [name for name in differing(found, expected) if name in found]
        damaged = [name for name in names if not re.fullmatch(step.changing, name)]
    assert not damaged, f"{what}: not whole: {damaged[:5]}"


def _lines(said: str) -> list[str]:
    """What was said on stderr beside progress."""
    return [line for line in said.splitlines() if not PROGRESS.search(line)]


def _check_said(step: Step, done: subprocess.CompletedProcess[str], what: str) -> None:
    lines = _lines(done.stderr)
    assert done.returncode == 1, f"{what}: exit {done.returncode}: {done.stderr}"
    assert lines and lines[-1].startswith("error: "), f"{what}: {done.stderr}"
    assert len(lines) == 1 or step.quotes, f"{what}: {done.stderr}"
    assert "Traceback" not in done.stderr, f"{what}: {done.stderr}"


def _complete(whole: Undisturbed, out: Path, what: str) -> None:
    done = run(whole.step, whole.inputs, out)
    complete = done.returncode == 0 or "is there already" in done.stderr  # killed at its very end
    assert complete, f"{what}: the next run fails: {done.stderr}"
    different = _different(whole, out)
    assert not different, f"{what}: other than undisturbed: {different[:5]}"
    left = list(out.rglob("*.partial*"))
    assert not left, f"{what}: left behind: {left[:5]}"


def _different(whole: Undisturbed, out: Path) -> list[str]:
    step = whole.step
    if step.different:
        return list(step.different(whole.out, out))
    return differing(step.result(out), step.result(whole.out))
