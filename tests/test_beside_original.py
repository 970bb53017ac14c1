"""The benchmark beside the original stack: what it refuses, and how it counts."""

from __future__ import annotations

import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "benchmarks/original"))
import timing

SCRIPT = "benchmarks/beside_original.py"
RECORDS = "benchmarks/records_beside_original.py"
DETECT = "benchmarks/detect_beside_original.py"
SETUP = "benchmarks/original/setup.sh"


def test_help_answers(step, tmp_path):
    for script in (SCRIPT, RECORDS, DETECT, SETUP):
        done = step(script, "-h", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "DIR" in done.stdout


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        (SCRIPT, ()),
        (SCRIPT, ("--original", ".", "--data", ".", "--steps", timing.WARM_UP)),
        (SCRIPT, ("--original", ".", "--data", ".", "--checkpoint", "none-such")),
        (RECORDS, ("--original", ".")),
        (DETECT, ("--original", ".", "--images", ".")),
        (SETUP, ()),
        (SETUP, ("--no-such-option",)),
    ],
)
def test_misuse_exits_with_2(script, arguments, step):
    done = step(script, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "arguments"),
    [(SCRIPT, ("--data", ".")), (RECORDS, ("--data", ".")), (DETECT, ("--images", ".", "any"))],
)
def test_a_missing_original_stack_says_how_to_make_it(script, arguments, step, tmp_path):
    done = step(script, "--original", tmp_path / "none", *arguments)
    assert done.returncode == 1
    assert f"run benchmarks/original/setup.sh {tmp_path / 'none'}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_setup_touches_no_folder_of_the_users(step, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = step(SETUP, tmp_path)
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_median_step_leaves_the_warm_up_out(monkeypatch):
    now = iter([0.0, 10.0, *[20.0 + 9 * n for n in range(timing.WARM_UP)], 103.0, 105.0, 109.0])
    monkeypatch.setattr(timing.time, "monotonic", lambda: next(now))
    clock = timing.StepClock()
    clock.begin()
    for _ in range(timing.WARM_UP + 3):
        clock.step()
    figures = clock.figures(24)
    assert figures["build_seconds"] == 10
    assert figures["first_step_seconds"] == 10
    assert figures["step_seconds"] == 2  # of 2 s, 2 s and 4 s
    assert figures["images_per_second"] == 12


def test_too_few_steps_are_no_measurement():
    clock = timing.StepClock()
    clock.begin()
    for _ in range(timing.WARM_UP):
        clock.step()
    with pytest.raises(ValueError, match="more than"):
        clock.figures(24)
