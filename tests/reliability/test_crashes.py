"""Killed, out of disk, without leave to write, run twice at once: nothing is lost.

The short form: a few seeded tries of the quick steps. All steps, and 50 tries each: run.sh.
"""

from __future__ import annotations

import random
import subprocess

import api_clone
import crash
import pytest
import steps

from hand_detection import console
from hand_detection.api import compat

KILLS = 1


@pytest.fixture(scope="module", params=steps.QUICK, ids=lambda step: step.name)
def whole(request, tmp_path_factory):
    return crash.undisturbed(request.param, tmp_path_factory.mktemp(request.param.name))


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_step_is_completed_by_the_next_run(whole, number, tmp_path):
    rng = random.Random(number)
    tries = (crash.killed(whole, tmp_path / f"out-{one}", number, rng) for one in range(5))
    assert any(tries), "it was always done before the signal came"


@pytest.mark.parametrize("fault", ["disk full", "read-only"])
def test_a_disk_that_takes_nothing_is_told_and_nothing_is_lost(whole, fault, tmp_path):
    if reason := crash.may_mount(tmp_path / "try"):
        pytest.skip(reason)
    crash.FAULTS[fault](whole, tmp_path / "out", 0, random.Random(1))


def test_two_at_once_do_not_spoil_each_others_work(whole, tmp_path):
    crash.twice_at_once(whole, tmp_path / "out", 0, random.Random(2))


def test_install_says_that_the_disk_is_read_only(tmp_path):
    if reason := crash.may_mount(tmp_path / "try"):
        pytest.skip(reason)
    with crash.mounted(tmp_path / "disk", 1 << 24) as disk:
        project = api_clone.make_project(disk / "project", "1" * 40)
        crash.remount(disk, "ro")
        done = subprocess.run([project / "install.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: nothing can be written in {project}: a read-only disk, or somebody else's folder\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "said"), [("size=64k", "No space left on device"), ("ro", "Read-only file system")]
)
def test_what_the_disk_says_to_tensorflow_is_one_line(option, said, tmp_path, capsys):
    if reason := crash.may_mount(tmp_path / "try"):
        pytest.skip(reason)
    tf = compat.activate()

    def save() -> None:
        with tf.Graph().as_default(), tf.Session() as session:
            tf.get_variable("weights", initializer=tf.zeros([1 << 18]))
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(disk / "model.ckpt"))

    with crash.mounted(tmp_path / "disk", 1 << 30) as disk, pytest.raises(SystemExit) as end:
        crash.remount(disk, option)
        console.run(save)
    assert end.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}: {disk}/model.ckpt")
