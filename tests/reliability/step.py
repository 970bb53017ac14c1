"""What a step is to the crash tests: how it is run, and what it must leave."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

Result = dict[str, bytes]


@dataclass(frozen=True)
class Step:
    """A step of the tutorial.

    Attributes:
        name: for reports.
        inputs: makes what the step reads, in an empty folder, once.
        command: runs it, given the inputs' folder and the output's.
        result: what the output holds, by name: what is to be equal in the end, and never
            half-written in between. Hidden files are no part of it.
        stage: puts into the output's folder what must be there before; None for nothing, and
            not even the folder.
        changing: files that differ while the step is at work, but are whole at any time.
        damaged: names of the half-written files, given the folder of an undisturbed run and the
            output's, for a step whose files are not always the same; None: those of the output
            that differ from the undisturbed run's.
        different: names of what is not as in the folder of an undisturbed run (the first), for
            a step that does not make the same bytes each time; None: those in `result`.
        inside: whether it is run with the output as the working directory.
        kills: in a row, before a run is left to complete; a step that takes long has several,
            and fewer tries of the other faults.
        together: whether a signal always goes to all of its processes, as a terminal's does: a
            shell that is killed alone leaves the program that it waits for at work.
        quotes: whether the one line of an error may stand below what another program said.
        ends_in: seconds from a signal to the end of its last process.
    """

    name: str
    inputs: Callable[[Path], None]
    command: Callable[[Path, Path], list[object]]
    result: Callable[[Path], Result]
    stage: Callable[[Path, Path], None] | None = None
    changing: str = r"(?!)"
    damaged: Callable[[Path, Path], Iterable[str]] | None = None
    different: Callable[[Path, Path], Iterable[str]] | None = None
    inside: bool = False
    kills: int = 1
    together: bool = False
    quotes: bool = False
    ends_in: float = 20


def visible(folder: Path) -> Result:
    """Every file below a folder by its relative name; hidden ones and folders left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def differing(found: Result, expected: Result) -> list[str]:
    """The names of what is in one alone, or differs."""
    names = found.keys() | expected.keys()
    return sorted(name for name in names if found.get(name) != expected.get(name))


def start(step: Step, inputs: Path, out: Path, **options: object) -> subprocess.Popen[str]:
    """Start a step; what it says on stderr is kept."""
    return subprocess.Popen(
        list(map(str, step.command(inputs, out))),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=out if step.inside else None,
        **options,
    )


def run(step: Step, inputs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Run a step to its end."""
    process = start(step, inputs, out)
    _, said = process.communicate(timeout=900)
    return subprocess.CompletedProcess(process.args, process.returncode, None, said)
