"""The newest checkpoint is found by looking at what is there."""

from __future__ import annotations

import pytest

from hand_detection import checkpoints
from hand_detection.console import UserError


def save(run, step, *, index=True, data=True):
    run.mkdir(exist_ok=True)
    if index:
        (run / f"model.ckpt-{step}.index").touch()
    if data:
        (run / f"model.ckpt-{step}.data-00000-of-00001").touch()


def test_the_newest_is_the_one_of_the_highest_step(tmp_path):
    for step in (1000, 20000, 900):
        save(tmp_path, step)
    assert checkpoints.latest(tmp_path) == (tmp_path / "model.ckpt-20000", 20000)
    assert checkpoints.all_steps(tmp_path) == [900, 1000, 20000]


def test_a_checkpoint_that_was_not_finished_is_passed_over(tmp_path):
    save(tmp_path, 100)
    save(tmp_path, 200, index=False)
    save(tmp_path, 300, data=False)
    assert checkpoints.latest(tmp_path) == (tmp_path / "model.ckpt-100", 100)


def test_without_one_the_message_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"run \./train\.sh my_model first"):
        checkpoints.find("my_model", tmp_path / "none")


def test_a_step_or_a_path_can_be_asked_for_and_a_wrong_one_names_those_there(tmp_path):
    save(tmp_path, 100)
    save(tmp_path, 200)
    wanted = tmp_path / "model.ckpt-100"
    assert checkpoints.find("m", tmp_path, "100") == (wanted, 100)
    assert checkpoints.find("m", tmp_path, f"{wanted}.index") == (wanted, 100)
    assert checkpoints.find("m", tmp_path, str(wanted)) == (wanted, 100)
    with pytest.raises(UserError, match="has the steps: 100, 200"):
        checkpoints.find("m", tmp_path, "150")
