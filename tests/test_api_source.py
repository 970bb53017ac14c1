"""Where the API comes from: the pinned submodule, fetched for real from a stand-in for GitHub."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import api_clone
import pytest
from api_clone import git, run_install

from hand_detection.api import protos, rules, source

NOWHERE = "file:///nowhere/models.git"


class Upstream(NamedTuple):
    url: str
    commit: str
    work: Path


# What the pinned tree has and PyPI's copy has not.
OLD_FORMS = """

def _old_forms(scores, losses_dict):
  print 'Scores and tpfp per class label: {}'.format(0)
  print scores
  return [loss for loss in losses_dict.itervalues()]
"""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory) -> Upstream:
    """A repository like tensorflow/models: what is wanted, much that is not, a history."""
    work = tmp_path_factory.mktemp("upstream") / "work"
    for name in ("official/model.py", "research/other/model.py", "README.md"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("x = 1\n")
    (work / "research" / "other" / "weights.bin").write_bytes(os.urandom(3 << 20))
    git(work, "init", "--quiet")
    api_clone.commit_all(work, "Before")
    api_clone.unpack_with_protos(work / "research")
    module = work / "research/object_detection/utils/object_detection_evaluation.py"
    text = module.read_text(encoding="utf-8")
    text = text.replace("from __future__ import print_function\n", "")
    module.write_text(text + OLD_FORMS, encoding="utf-8")
    commit = api_clone.commit_all(work, "Pinned")
    url = api_clone.make_bare(work, work.parent / "models.git")
    return Upstream(url, commit, work)


def killed_when(project: Path, url: str, seen: Callable[[], object]) -> None:
    """Start an install and kill it, children too, as soon as `seen()` is true."""
    stale = project / "build" / ".models.partial" / "stale"  # of the install killed before
    if stale.parent.exists():
        stale.touch()
    process = subprocess.Popen(
        api_clone.install_command("--source", "submodule"),
        cwd=project,
        env={**api_clone.environment(url), "PYTHONPATH": str(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while stale.exists() or not seen():
        assert process.poll() is None, f"it ended before: {process.stderr.read()}"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


class Installed(NamedTuple):
    project: Path
    result: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def installed(upstream, tmp_path_factory) -> Installed:
    """A clone whose install was killed at five moments and then let run to its end."""
    project = api_clone.make_project(tmp_path_factory.mktemp("clone") / "project", upstream.commit)
    models = project / "models"
    git_dir = project / ".git" / "modules" / "models"
    research = project / "build" / ".models.partial" / "research"
    # git links first and makes what it links to then; a kill can fall between the two.
    (models / ".git").write_text("gitdir: ../.git/modules/models\n", encoding="utf-8")
    for seen in (
        (git_dir / "HEAD").exists,  # fetching
        (models / "research").exists,  # checking out
        (research / "slim").exists,  # copying
        (research / protos.PROTOS / "anchor_generator_pb2.py").exists,  # generating
        (research / "object_detection" / "__pycache__").exists,  # compiling
    ):
        killed_when(project, upstream.url, seen)
        assert not (project / "build" / "models").exists()
        # What a killed git leaves, if it is killed at the right moment.
        (git_dir / "shallow.lock").touch()
    return Installed(project, run_install(project, "--source", "submodule", url=upstream.url))


@pytest.mark.slow
def test_an_install_that_was_killed_is_completed(installed, upstream, tmp_path):
    project, result = installed
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for name in ("object_detection", "slim"):
        shutil.copytree(upstream.work / "research" / name, tmp_path / "research" / name)
    rules.rewrite(tmp_path / "research")
    protos.compile_protos(tmp_path / "research")
    expected = api_clone.tree(tmp_path / "research")
    found = api_clone.tree(project / "build" / "models" / "research")
    assert found.keys() == expected.keys()
    assert found == expected
    assert [path.name for path in (project / "build").iterdir() if path.is_dir()] == ["models"]


@pytest.mark.slow
def test_only_what_is_wanted_is_fetched(installed, upstream):
    models = installed.project / "models"
    assert {path.name for path in models.iterdir() if path.is_dir()} == {"research"}
    folders = {path.name for path in (models / "research").iterdir() if path.is_dir()}
    assert folders == {"object_detection", "slim"}
    assert git(models, "rev-parse", "HEAD") == upstream.commit
    assert git(models, "rev-list", "--count", "HEAD") == "1"
    assert git(models, "rev-parse", "--is-shallow-repository") == "true"
    weights = git(upstream.work, "rev-parse", "HEAD:research/other/weights.bin")
    missing = git(models, "rev-list", "--objects", "--missing=print", "HEAD").splitlines()
    assert f"?{weights}" in missing
    stored = (installed.project / ".git" / "modules" / "models").rglob("*")
    # The lazy fetch of the wanted files is a pack of some 1.3 MB.
    assert sum(path.stat().st_size for path in stored if path.is_file()) < 3 << 20


@pytest.mark.slow
def test_git_sees_nothing_changed(installed):
    project = installed.project
    assert git(project, "status", "--porcelain", "--ignore-submodules=none") == ""
    assert git(project / "models", "status", "--porcelain") == ""
    assert git(project, "submodule", "status").split()[1] == "models"


@pytest.mark.slow
def test_the_port_is_made_from_the_proto_files_and_says_so(installed, upstream):
    record = json.loads((installed.project / "build/models/PORT.json").read_text())
    assert (record["source"]["kind"], record["source"]["version"]) == ("submodule", upstream.commit)
    count = len(list((upstream.work / "research" / protos.PROTOS).glob("*.proto")))
    assert record["protos"] == {"modules": count, "from": "proto"}
    (prints,) = [hit for hit in record["rules"] if hit["rule"] == "print statement"]
    assert prints["places"] == 2
    assert prints["files"] == ["object_detection/utils/object_detection_evaluation.py"]
    assert f"ported from the submodule at {upstream.commit[:12]}" in installed.result.stdout


@pytest.mark.slow
def test_a_second_run_does_nothing_and_needs_no_net(installed):
    before = (installed.project / "build/models/PORT.json").stat().st_mtime_ns
    for choice in ("auto", "submodule"):
        result = run_install(installed.project, "--source", choice, url=NOWHERE)
        assert result.returncode == 0
        assert result.stdout.startswith("API: ported already from the submodule at")
    assert (installed.project / "build/models/PORT.json").stat().st_mtime_ns == before


def test_a_submodule_that_was_asked_for_and_cannot_be_reached_is_one_clear_error(tmp_path):
    project = api_clone.make_project(tmp_path / "project", "1" * 40)
    started = time.monotonic()
    result = run_install(project, "--source", "submodule", url=NOWHERE)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: the submodule cannot be fetched: fatal: ")
    assert "/nowhere/models.git" in line
    assert line.endswith("--source registry")
    assert time.monotonic() - started < 8
    assert not (project / "build" / "models").exists()


@pytest.fixture
def small(tmp_path: Path, monkeypatch) -> Callable[[str], None]:
    """A repository of three files; this process's `source` looks at a clone that pins it.

    Returns a function that pins "old" or "new", which differ in research/slim/a.py.
    """
    work = tmp_path / "work"
    for name in ("research/object_detection/b.py", "research/slim/a.py", "other/c.py"):
        (work / name).parent.mkdir(parents=True)
        (work / name).write_text("old\n")
    git(work, "init", "--quiet")
    commits = {"old": api_clone.commit_all(work, "old")}
    (work / "research/slim/a.py").write_text("new\n")
    commits["new"] = api_clone.commit_all(work, "new")
    url = api_clone.make_bare(work, tmp_path / "models.git")
    project = api_clone.make_project(tmp_path / "project", commits["old"])
    look_at(project, url, monkeypatch)
    return lambda name: api_clone.pin(project, commits[name])


def look_at(project: Path, url: str, monkeypatch) -> None:
    monkeypatch.setattr(source, "ROOT", project)
    monkeypatch.setattr(source, "SUBMODULE", project / "models")
    for name, value in api_clone.environment(url).items():
        monkeypatch.setenv(name, value)


def test_a_moved_pin_is_followed(small):
    first = source.checkout_submodule()
    assert first == source.pinned_commit()
    assert (source.SUBMODULE / "research/slim/a.py").read_text() == "old\n"
    small("new")
    assert source.checkout_submodule() == source.pinned_commit() != first
    assert (source.SUBMODULE / "research/slim/a.py").read_text() == "new\n"
    assert not (source.SUBMODULE / "other").exists()


def test_changes_of_the_users_are_kept(small):
    source.checkout_submodule()
    for name in ("slim/a.py", "object_detection/b.py", "slim/new_file.py"):
        (source.SUBMODULE / "research" / name).write_text("mine\n")
    source.checkout_submodule()
    small("new")
    with pytest.raises(source.UnreachableError, match=r"local changes.*: research/slim/a\.py$"):
        source.checkout_submodule()
    (source.SUBMODULE / "research/slim/a.py").write_text("old\n")
    source.checkout_submodule()
    changed = {
        path.name: path.read_text() for path in (source.SUBMODULE / "research").rglob("*.py")
    }
    assert changed == {"a.py": "new\n", "b.py": "mine\n", "new_file.py": "mine\n"}


def test_files_that_git_did_not_put_there_are_kept(small):
    """Somebody unpacked tensorflow/models by hand."""
    file = source.SUBMODULE / "research" / "slim" / "a.py"
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    with pytest.raises(source.UnreachableError, match="models/ holds files"):
        source.checkout_submodule()
    assert file.read_text() == "mine\n"


def test_a_checkout_by_git_itself_is_taken_as_it_is(small, monkeypatch):
    """git clone --recursive: a whole checkout, and no fetch."""
    git(source.ROOT, "-c", "protocol.file.allow=always", "submodule", "init", "models")
    url = os.environ["GIT_CONFIG_KEY_2"].removeprefix("url.").removesuffix(".insteadOf")
    git(source.SUBMODULE, "clone", "--quiet", url, ".")
    git(source.SUBMODULE, "checkout", "--quiet", source.pinned_commit())
    look_at(source.ROOT, NOWHERE, monkeypatch)
    assert source.checkout_submodule() == source.pinned_commit()
    assert (source.SUBMODULE / "other" / "c.py").exists()


def test_a_folder_that_is_no_clone_says_so(tmp_path, monkeypatch):
    """A zip of the project: the API comes from PyPI."""
    monkeypatch.setattr(source, "ROOT", tmp_path)
    assert source.pinned_commit() is None
    with pytest.raises(source.UnreachableError, match="no git clone"):
        source.checkout_submodule()


def test_a_machine_without_git_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source.pinned_commit() is None


def test_a_server_that_never_answers_is_given_up(small, monkeypatch):
    """A firewall that swallows packets: nothing is refused, nothing comes."""
    monkeypatch.setattr(source, "ANSWER_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        look_at(source.ROOT, f"http://127.0.0.1:{server.getsockname()[1]}/m", monkeypatch)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        started = time.monotonic()
        with pytest.raises(source.UnreachableError, match="does not answer within 1 s"):
            source.checkout_submodule()
        assert time.monotonic() - started < 5
