"""The scripts at the top: help and mistakes are answered at once, from any directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT

from hand_detection import models, paths, venv

FOLDERS = ("", "tools", "tools/jetson", "benchmarks", "benchmarks/original", "tests/reliability")
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for folder in FOLDERS
    for path in [*(ROOT / folder).glob("*.sh"), *(ROOT / folder).glob("*.py")]
    if os.access(path, os.X_OK)
)
# These hand their options on to what they install first.
INSTALL_FIRST = ("test.sh", "tests/reliability/run.sh")
MODEL_SCRIPTS = ("train.sh", "eval.sh", "export.sh")
# What is started as `python -I`: by a shell face's last line, or by `venv.enter`.
ISOLATION = re.compile(r'-I "\$root/(.+) "\$@"|venv\.enter\(\)')
ISOLATED = {
    script: found[1].replace('"', "").split() if found[1] else [script]
    for script in SCRIPTS
    if not script.startswith(("benchmarks/", "tests/"))
    if (found := ISOLATION.search((ROOT / script).read_text(encoding="utf-8")))
}
FACES = [script for script in ISOLATED if script.endswith(".sh")]


def _header(script: str) -> list[str]:
    """The comment at the top of a shell script: one line where it is the face of a module."""
    text, end, _ = (ROOT / script).read_text().partition("\nset -euo pipefail\n")
    return text.splitlines()[1:] if end else []


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_answers_at_once_from_any_directory(script, step, tmp_path):
    done = step(script, "-h", cwd=tmp_path, env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    _assert_light(done.stderr)


@pytest.mark.parametrize("script", ISOLATED)
def test_help_imports_nothing_that_takes_seconds(script, tmp_path):
    """As the test above, where Python's variables do not reach."""
    file, *module = ISOLATED[script]
    command = [venv.PYTHON, "-I", "-X", "importtime", ROOT / file, *module, "-h"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "argparse" in done.stderr
    _assert_light(done.stderr)


def _assert_light(profile: str) -> None:
    """What takes seconds to import is not in Python's profile, which names every module."""
    assert not re.search(r"\| +(tensorflow|matplotlib|scipy|cv2)$", profile, re.MULTILINE)


@pytest.mark.parametrize("script", ISOLATED)
def test_neither_files_of_the_working_directory_nor_pythons_variables_matter(
    script, step, tmp_path
):
    for name in ("argparse", "json", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    variables = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONOPTIMIZE": "2"}
    done = step(script, "-h", cwd=tmp_path, env=variables)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", FACES)
def test_a_face_finds_its_repository_through_a_link_and_with_cdpath(script, tmp_path):
    (tmp_path / "link.sh").symlink_to(ROOT / script)
    for command, cwd in (("./link.sh", tmp_path), (f"{ROOT.name}/{script}", ROOT.parent)):
        variables = {**os.environ, "CDPATH": "."}
        done = subprocess.run(
            [command, "-h"], cwd=cwd, env=variables, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", ISOLATED)
def test_a_step_works_without_stdout_and_stderr(script):
    for call, status in (('"$0" -h >&-', 0), ('"$0" --none <&- >&- 2>&-', 2)):
        command = ["bash", "-c", call, ROOT / script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("option", ["--steps", "--batch-size", "--seed"])
def test_a_number_that_no_config_can_hold_is_misuse(option, step):
    done = step("train.sh", "ssd_mobilenet_v1_quick", option, 2**31)
    assert done.returncode == 2
    assert done.stderr.endswith(f"argument {option}: '{2**31}' is above {2**31 - 1}\n")


@pytest.mark.parametrize("script", [name for name in SCRIPTS if len(_header(name)) > 1])
def test_help_of_a_shell_script_is_its_header_to_the_last_line(script, step):
    lines = [line.removeprefix("#").removeprefix(" ") for line in _header(script)]
    assert step(script, "-h").stdout.splitlines() == lines


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in INSTALL_FIRST])
def test_misuse_exits_with_2_and_says_what_was_wrong(script, step):
    done = step(script, "--no-such-option")
    assert done.returncode == 2
    assert re.search(r"no-such-option|arguments are required", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", MODEL_SCRIPTS)
def test_an_unknown_model_is_refused_with_the_list(script, step):
    done = step(script, "no_such_model")
    assert done.returncode == 2
    assert all(name in done.stderr for name in models.names())


@pytest.mark.parametrize(
    ("script", "first"),
    [
        ("eval.sh", "./train.sh ssd_mobilenet_v1_quick"),
        ("export.sh", "./train.sh ssd_mobilenet_v1_quick"),
        ("train.sh", "./create_tfrecords.sh"),
    ],
)
def test_a_missing_input_says_what_to_run_first(script, first, step, tmp_path):
    arguments = ("ssd_mobilenet_v1_quick", "--run", "none-such", "--data", tmp_path)
    done = step(script, *arguments)
    assert done.returncode == 1
    assert re.search(rf"run {re.escape(first)}", done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert not (paths.RUNS / "none-such").exists()


@pytest.mark.parametrize("script", [path.name for path in ROOT.glob("*.sh")])
def test_a_shell_step_is_a_thin_face(script):
    text = (ROOT / script).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert "set -euo pipefail" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_an_object_is_removed_is_not_lost(number):
    """Python drops what is raised there, and says so with a traceback."""
    text = f"""
        import os, time
        from hand_detection import console

        class Removed:
            def __del__(self):
                os.kill(os.getpid(), {int(number)})
                time.sleep(0.1)

        def main():
            Removed()
            time.sleep(60)

        console.run(main)
    """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 128 + number
    assert done.stderr.splitlines() in (["terminated"], ["interrupted"])


def test_what_a_library_makes_of_a_sigterm_is_no_traceback():
    """TensorFlow's autograph raises other exceptions in its place."""
    text = """
        import os, signal, time
        from hand_detection import console

        def main():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            except BaseException:
                raise ValueError("something else")

        console.run(main)
    """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr == "terminated\n"


def test_a_file_that_grew_too_large_for_tensorflow_is_one_line():
    """Of `ulimit -f`."""
    text = """
        from hand_detection import console

        class Error(Exception):
            __module__ = "tensorflow.errors"

        def main():
            raise Error("{{function_node x}} runs/a/model.ckpt; File too large [Op:SaveV2]")

        console.run(main)
    """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, "error: File too large: runs/a/model.ckpt\n")
