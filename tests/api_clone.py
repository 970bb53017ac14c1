"""A clone of this project, as it stands in the working tree, and a stand-in for GitHub."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from proto_text import proto_text

from hand_detection import pypi
from hand_detection.api import protos, source
from hand_detection.paths import BUILD, ROOT

GITHUB = "https://github.com/tensorflow/models"
# What the installer needs of the project.
FILES = ("hand_detection", "tools", ".gitmodules", ".gitignore", "install.sh", "requirements.txt")


def environment(url: str | Path | None = None) -> dict[str, str]:
    """For git and the installer, free of the user's settings; `url` answers for GitHub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = {"user.name": "Test", "user.email": "test@example.com"}
    if url is not None:
        settings[f"url.{url}.insteadOf"] = GITHUB
    for number, (key, value) in enumerate(settings.items()):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | {
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }


def git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout.strip()


def commit_all(folder: Path, message: str) -> str:
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")


def make_project(folder: Path, pinned: str) -> Path:
    """A git repository with this project's files, whose submodule `models` is at `pinned`."""
    for name in FILES:
        if (ROOT / name).is_dir():
            # The browser demo's modules are there once its test has run: 148 MB.
            ignore = shutil.ignore_patterns("__pycache__", "*node_modules*")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    pin(folder, pinned)
    # git makes the empty folder of a submodule when it clones.
    (folder / "models").mkdir()
    return folder


def pin(project: Path, commit: str) -> None:
    git(project, "add", *FILES)
    git(project, "update-index", "--add", "--cacheinfo", f"160000,{commit},models")
    git(project, "commit", "--quiet", "--message=pin")


def make_bare(work: Path, bare: Path) -> str:
    """A bare copy of `work` that serves as GitHub does; its URL."""
    git(work.parent, "clone", "--quiet", "--bare", str(work), str(bare))
    git(bare, "config", "uploadpack.allowFilter", "true")
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    return bare.as_uri()


def wheel() -> Path:
    return pypi.fetch(
        source.WHEEL_REQUIREMENT, source.WHEEL_NAME, source.WHEEL_SHA256, BUILD / "downloads"
    )


def lend_wheel(project: Path) -> None:
    """So that the project need not download it again."""
    (project / "build" / "downloads").mkdir(parents=True)
    shutil.copy(wheel(), project / "build" / "downloads")


def unpack_with_protos(research: Path) -> None:
    """PyPI's copy of the API in the pinned tree's shape: .proto files in place of modules."""
    source.unpack_wheel(wheel(), research)
    for module in (research / protos.PROTOS).glob("*_pb2.py"):
        proto = FileDescriptorProto.FromString(protos.serialized_descriptor(module))
        (research / proto.name).write_text(proto_text(proto), encoding="utf-8")
        module.unlink()


def install_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hand_detection.api.install", *arguments]


def run_install(
    project: Path, *arguments: str, url: str | Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        install_command(*arguments),
        cwd=project,
        env={**environment(url), "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file's content by its relative path; byte code left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
