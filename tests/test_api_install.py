"""Step 1: install.sh, and the installer of the API that it calls."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import api_clone
import pytest
from api_clone import git, run_install

from hand_detection import files
from hand_detection.api import install, rules, source
from hand_detection.console import UserError
from hand_detection.paths import API

NOWHERE = "file:///nowhere/models.git"


class Installed(NamedTuple):
    project: Path
    result: subprocess.CompletedProcess[str]
    seconds: float


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """A clone on a machine that does not reach GitHub."""
    project = api_clone.make_project(tmp_path_factory.mktemp("clone") / "project", "1" * 40)
    api_clone.lend_wheel(project)
    started = time.monotonic()
    result = run_install(project, url=NOWHERE)
    return Installed(project, result, time.monotonic() - started)


@pytest.mark.slow
def test_where_github_is_out_of_reach_the_api_comes_from_pypi_and_says_why(installed):
    result = installed.result
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("API source: PyPI")]
    assert "(tf-object-detection==0.0.3), because the submodule cannot be fetched: fatal: " in line
    assert "/nowhere/models.git" in line
    assert "tests, 1 skipped, 0 failed" in result.stdout
    assert installed.seconds < 90


@pytest.mark.slow
def test_the_record_says_how_the_api_was_made(installed):
    record = json.loads((installed.project / "build/models/PORT.json").read_text())
    assert record["source"]["kind"] == "registry"
    assert record["source"]["version"].endswith(source.WHEEL_SHA256)
    assert record["source"]["reason"].startswith("the submodule cannot be fetched: ")
    assert record["inputs"]["commit"] == "1" * 40
    assert record["protos"]["from"] == "descriptor"
    assert [hit["rule"] for hit in record["rules"]] == [rule.name for rule in rules.RULES]
    places = {hit["rule"]: hit["places"] for hit in record["rules"] if hit["places"]}
    assert places == install.REGISTRY_HITS
    for hit in record["rules"]:
        assert hit["why"]
        assert bool(hit["files"]) == bool(hit["places"])
        for name in hit["files"]:
            assert (installed.project / "build/models/research" / name).exists()


@pytest.mark.slow
def test_a_second_run_does_nothing_and_is_fast(installed):
    record = installed.project / "build/models/PORT.json"
    before = record.stat().st_mtime_ns
    for arguments in ((), ("--source", "registry")):
        started = time.monotonic()
        result = run_install(installed.project, *arguments, url=NOWHERE)
        assert time.monotonic() - started < 5
        assert (result.returncode, result.stderr) == (0, "")
        (line,) = result.stdout.splitlines()
        assert line.startswith("API: ported already from PyPI")
    assert record.stat().st_mtime_ns == before


@pytest.mark.slow
def test_another_source_than_asked_for_is_not_taken_for_it(installed):
    """And what is there stays, since the submodule cannot be had."""
    result = run_install(installed.project, "--source", "submodule", url=NOWHERE)
    assert result.returncode == 1
    assert result.stderr.startswith("error: the submodule cannot be fetched")
    assert (installed.project / "build/models/PORT.json").exists()


@pytest.mark.slow
def test_a_kill_between_the_two_renames_at_the_end_is_mended(installed):
    build = installed.project / "build"
    (build / "models").rename(build / ".models.replaced")
    result = run_install(installed.project, url=NOWHERE)
    assert result.stdout.startswith("API: ported already from PyPI")
    assert (build / "models" / "PORT.json").exists()
    assert not (build / ".models.replaced").exists()


@pytest.mark.slow
def test_two_at_once_refuse(installed):
    with files.sole_writer(installed.project / "build"):
        result = run_install(installed.project, url=NOWHERE)
    assert result.returncode == 1
    assert (
        result.stderr == "error: another run is writing to build: wait for it to end, or stop it\n"
    )


@pytest.fixture
def odd(tmp_path) -> Path:
    """A clone that has an API already, and a submodule with forms that no rule knows."""
    project = tmp_path / "project"
    models = project / "models"
    for name, text in {
        "object_detection/good.py": "print 'a'\n",
        "object_detection/odd.py": "x = 1\ny = `x`\n",
        "object_detection/protos/a.proto": 'syntax = "proto2";\nmessage A {}\n',
        "slim/a.py": "",
    }.items():
        (models / "research" / name).parent.mkdir(parents=True, exist_ok=True)
        (models / "research" / name).write_text(text)
    git(models, "init", "--quiet")
    commit = api_clone.commit_all(models, "odd")
    models.rename(tmp_path / "models")
    api_clone.make_project(project, commit)
    (project / "models").rmdir()
    (tmp_path / "models").rename(models)
    earlier = project / "build" / "models"
    earlier.mkdir(parents=True)
    record = {"source": {"kind": "submodule", "version": "0" * 40}, "inputs": {}}
    (earlier / "PORT.json").write_text(json.dumps(record))
    return project


def test_a_tree_with_an_unknown_form_is_one_clear_error_and_changes_nothing(odd):
    before = api_clone.tree(odd / "build" / "models")
    result = run_install(odd, "--source", "submodule")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "error: research/object_detection/odd.py:2 does not compile after the port: invalid syntax"
    )
    assert line.endswith("--source registry")
    assert api_clone.tree(odd / "build" / "models") == before
    assert {path.name for path in (odd / "build").iterdir()} == {"models", ".lock"}
    assert (odd / "models/research/object_detection/good.py").read_text() == "print 'a'\n"


def test_a_tree_that_does_not_pass_the_check_changes_nothing(odd):
    (odd / "models/research/object_detection/odd.py").write_text("x = 1\n")
    before = api_clone.tree(odd / "build" / "models")
    result = run_install(odd, "--source", "submodule")
    assert result.returncode == 1
    assert "object_detection.builders.model_builder does not import" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: the ported API does not pass")
    assert api_clone.tree(odd / "build" / "models") == before


def test_rules_that_hit_otherwise_than_recorded_are_an_error(tmp_path):
    origin = source.Source("registry", "wheel", "asked for")
    hits = [rules.Hits("xrange", "why", ("a.py",), 3)]
    with pytest.raises(UserError, match=r"otherwise than recorded.*\('xrange', 3\)"):
        install._check_rules(tmp_path, origin, hits)
    # Nothing is recorded for the pinned tree.
    install._check_rules(tmp_path, source.Source("submodule", "1" * 40, "fetched"), hits)


def test_a_record_that_is_no_json_is_one_clear_error(odd):
    (odd / "build/models/PORT.json").write_text("{")
    result = run_install(odd, "--source", "submodule")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "PORT.json is not a JSON file" in line


def test_a_changed_rule_makes_the_port_anew(tmp_path, monkeypatch):
    """The digest covers what decides the tree."""
    before = install._inputs()
    assert install._inputs() == before
    changed = tmp_path / "rules.py"
    changed.write_bytes(Path(rules.__file__).read_bytes() + b"\n")
    monkeypatch.setattr(rules, "__file__", str(changed))
    assert install._inputs()["port"] != before["port"]
    assert set(before) == {"port", "python", "commit", "grpcio-tools", "protobuf", "tf-slim"}
    assert len(before["port"]) == hashlib.sha256().digest_size * 2


def test_the_api_that_these_tests_use_is_the_one_that_install_would_make():
    """Else the other tests say nothing about this working tree: run ./install.sh."""
    present = json.loads((API / "PORT.json").read_text())
    assert present["inputs"]["port"] == install._inputs()["port"]


# install.sh itself


@pytest.fixture
def project(tmp_path) -> Path:
    return api_clone.make_project(tmp_path / "project", "1" * 40)


def run_script(project: Path, *arguments: str, cwd: Path | None = None):
    return subprocess.run(
        [str(project / "install.sh"), *arguments],
        cwd=cwd or project,
        env=api_clone.environment(NOWHERE),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_shows_every_option_and_does_nothing(project, tmp_path, option):
    result = run_script(project, option, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    for text in ("./install.sh", "--gpu", "--python PYTHON", "--source auto|submodule|registry"):
        assert text in result.stdout
    assert "set -euo" not in result.stdout
    assert not (project / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--pyton", "python3"], "unknown option --pyton"),
        (["python3"], "unknown option python3"),
        (["--source"], "--source needs a value"),
        (["--python"], "--python needs a value"),
        (["--source", "github"], "--source github: auto, submodule or registry"),
    ],
)
def test_misuse_is_told_and_exits_with_2(project, arguments, named):
    result = run_script(project, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {named}")
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("version", ["3.9.18", "3.14.0", "2.7.18"])
def test_a_python_out_of_range_is_named(project, tmp_path, version):
    python = tmp_path / "other-python"
    python.write_text(f'#!/bin/sh\n[ "$1" = --version ] || exit 1\necho "Python {version}"\n')
    python.chmod(0o755)
    result = run_script(project, "--python", str(python))
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: Python 3.10 to 3.13 is needed; {python} is: Python {version}.")
    assert not (project / ".venv").exists()


def test_a_python_that_is_not_there_is_named(project):
    result = run_script(project, "--python", "no-such-python")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "no-such-python is: none that runs" in line


def test_two_install_scripts_at_once_refuse(project):
    with (project / ".install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = run_script(project)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: another ./install.sh is running in this folder")


def test_a_venv_of_somebody_else_is_not_touched(project):
    mine = project / ".venv" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    result = run_script(project)
    assert result.returncode == 1
    assert result.stderr == "error: .venv was not made by this script: move it away first\n"
    assert list(mine.parent.iterdir()) == [mine]
