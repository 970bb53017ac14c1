"""Brings the API's source files, unchanged: from the pinned submodule, or from PyPI.

The submodule `models` is https://github.com/tensorflow/models at the commit that this
repository's own tree records (`git ls-tree HEAD models`). Only the two folders that the
tutorial needs are checked out.

Where GitHub is out of reach, the same files, one year younger (2019-07-15), come from the wheel
tf-object-detection 0.0.3 (Apache-2.0). It is downloaded and unpacked, never installed: its
metadata asks for a TensorFlow that is gone.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

from hand_detection import pypi
from hand_detection.console import UserError, say
from hand_detection.paths import ROOT, SUBMODULE

WANTED = ("research/object_detection", "research/slim")

WHEEL_REQUIREMENT = "tf-object-detection==0.0.3"
WHEEL_NAME = "tf_object_detection-0.0.3-py3-none-any.whl"
WHEEL_SHA256 = "4cbb2cbe45d20f466cb1ae81eec5d8847d61bb1eb468c14657c0a6a121f90b42"
# The wheel flattens research/slim into the top level.
SLIM_PACKAGES = ("datasets", "deployment", "nets", "preprocessing")

ANSWER_SECONDS = 10  # how long GitHub has to answer at all
STALL_SECONDS = 30  # how long a running fetch may stand still


@dataclass(frozen=True)
class Source:
    """Where the API's files came from: `kind` is submodule or registry."""

    kind: str
    version: str  # the commit, or the wheel with its sha256
    reason: str  # why this source, in words


class UnreachableError(Exception):
    """The submodule's repository did not answer; the text says how."""


def bring(choice: str, research: Path, downloads: Path) -> Source:
    """Copy the API's unchanged files into `research` (object_detection/ and slim/).

    Args:
        choice: submodule, registry or auto (the submodule, and PyPI if it cannot be reached).
        research: an empty folder.
        downloads: where a downloaded wheel is kept for the next time.

    Raises:
        UserError: the source that was asked for cannot be had.
    """
    reason = "asked for with --source"
    if choice in ("submodule", "auto"):
        try:
            commit = checkout_submodule()
        except UnreachableError as error:
            if choice == "submodule":
                raise UserError(
                    f"the submodule cannot be fetched: {error}. Try again, or take PyPI's copy "
                    "with --source registry"
                ) from None
            reason = f"the submodule cannot be fetched: {error}"
        else:
            for wanted in WANTED:
                shutil.copytree(SUBMODULE / wanted, research / Path(wanted).name)
            return Source("submodule", commit, "its pinned commit could be fetched")
    say(f"API source: PyPI ({WHEEL_REQUIREMENT}), because {reason}")
    wheel = pypi.fetch(WHEEL_REQUIREMENT, WHEEL_NAME, WHEEL_SHA256, downloads)
    unpack_wheel(wheel, research)
    return Source("registry", f"{WHEEL_NAME} sha256:{WHEEL_SHA256}", reason)


def pinned_commit() -> str | None:
    """The commit that this repository records for `models`; None outside a git clone."""
    if shutil.which("git") is None:
        return None
    result = _git("ls-files", "--stage", "models", cwd=ROOT, check=False)
    fields = result.stdout.split()
    return fields[1] if result.returncode == 0 and fields[:1] == ["160000"] else None


def checkout_submodule() -> str:
    """Fetch and check out `models`: shallow, without blobs that are not wanted, sparse.

    Safe to repeat after a kill: what is there already is kept.

    Returns:
        The commit.

    Raises:
        UnreachableError: the repository does not answer in time, or this is no git clone.
    """
    commit = pinned_commit()
    if commit is None:
        raise UnreachableError("this folder is no git clone, so no commit is recorded for models")
    head = _head()
    if head == commit:
        return commit
    if SUBMODULE.exists() and any(SUBMODULE.iterdir()) and not (SUBMODULE / ".git").exists():
        raise UnreachableError("models/ holds files that git did not put there; move them away")
    url = _git("config", "--file", ".gitmodules", "submodule.models.url", cwd=ROOT).stdout.strip()
    say(f"API source: {url} at {commit[:12]}")
    try:
        _git("ls-remote", "--exit-code", url, "HEAD", cwd=ROOT, timeout=ANSWER_SECONDS)
        _git("submodule", "init", "models", cwd=ROOT)
        git_dir = _submodule_git_dir()
        # A kill can leave git's own lock files behind; this lock-holder is the only writer.
        for lock in git_dir.rglob("*.lock"):
            lock.unlink()
        link = SUBMODULE / ".git"
        if link.is_file() and _git("rev-parse", "--git-dir", cwd=SUBMODULE, check=False).returncode:
            # `git init` does not complete what a killed one began while this points there.
            link.unlink()
        SUBMODULE.mkdir(exist_ok=True)
        _git("init", "--quiet", f"--separate-git-dir={git_dir}", str(SUBMODULE), cwd=ROOT)
        _git("config", "core.worktree", os.path.relpath(SUBMODULE, git_dir), cwd=SUBMODULE)
        _git("config", "remote.origin.url", url, cwd=SUBMODULE)
        _git("config", "remote.origin.promisor", "true", cwd=SUBMODULE)
        _git("config", "remote.origin.partialclonefilter", "blob:none", cwd=SUBMODULE)
        _git("sparse-checkout", "set", *WANTED, cwd=SUBMODULE)
        _git("fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit, cwd=SUBMODULE)
        # Without a HEAD, what lies there is left of a killed checkout; with one, git refuses
        # to overwrite what a person changed.
        force = ["--force"] if head is None else []
        _git("checkout", "--quiet", *force, "--detach", commit, cwd=SUBMODULE)
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{url} does not answer within {ANSWER_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise UnreachableError(_reason(error)) from None
    return commit


def _reason(error: subprocess.CalledProcessError) -> str:
    """What git said, without the advice, and the "Aborting", that it puts behind that."""
    lines = error.stderr.splitlines()
    for number, line in enumerate(lines):
        if line.startswith(("fatal: ", "error: ")):
            named = itertools.takewhile(lambda line: line.startswith("\t"), lines[number + 1 :])
            return " ".join([line, *map(str.strip, named)])
    return lines[-1] if lines else f"git ended with {error.returncode}"


def _head() -> str | None:
    """The commit that `models` has checked out. A killed checkout leaves none."""
    if not (SUBMODULE / ".git").exists():
        return None
    result = _git("rev-parse", "--verify", "--quiet", "HEAD", cwd=SUBMODULE, check=False)
    return result.stdout.strip() or None


def _submodule_git_dir() -> Path:
    path = _git("rev-parse", "--git-path", "modules/models", cwd=ROOT).stdout.strip()
    git_dir = (ROOT / path).resolve()
    git_dir.parent.mkdir(parents=True, exist_ok=True)
    return git_dir


def _git(
    *arguments: str, cwd: Path, timeout: float | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_HTTP_LOW_SPEED_LIMIT": "1000",
        "GIT_HTTP_LOW_SPEED_TIME": str(STALL_SECONDS),
        "LC_ALL": "C",
    }
    # A hook or an IDE may export these for the outer repository.
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    return subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env=environment,
        timeout=timeout,
        check=check,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def unpack_wheel(wheel: Path, research: Path) -> None:
    """Unpack the wheel into the layout of tensorflow/models' research folder."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            top = member.filename.split("/", 1)[0]
            if top == "object_detection":
                archive.extract(member, research)
            elif top in SLIM_PACKAGES:
                archive.extract(member, research / "slim")
