"""Killed, out of disk, without leave to write, run twice at once: nothing is lost.

The short form: a few seeded tries of the quick steps. All steps, and 50 tries each: run.py.
"""

from __future__ import annotations

import random

import crash
import pytest
import steps

KILLS = 1


@pytest.fixture(scope="module", params=steps.QUICK, ids=lambda step: step.name)
def whole(request, tmp_path_factory):
    return crash.undisturbed(request.param, tmp_path_factory.mktemp(request.param.name))


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_step_is_completed_by_the_next_run(whole, number, tmp_path):
    crash.killed(whole, tmp_path / "out", number, random.Random(number))


@pytest.mark.parametrize("fault", ["disk full", "read-only"])
def test_a_disk_that_takes_nothing_is_told_and_nothing_is_lost(whole, fault, tmp_path):
    if reason := crash.may_mount(tmp_path / "try"):
        pytest.skip(reason)
    crash.FAULTS[fault](whole, tmp_path / "out", 0, random.Random(1))


def test_two_at_once_do_not_spoil_each_others_work(whole, tmp_path):
    crash.twice_at_once(whole, tmp_path / "out", 0, random.Random(2))
