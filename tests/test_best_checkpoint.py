"""The best checkpoint: kept by the metric asked for, replaced whole, and found by its name."""

from __future__ import annotations

import pytest

from hand_detection import checkpoints, coco, files
from hand_detection.console import UserError
from hand_detection.training import best


def evaluate(run, step: int, ap: float, ap50: float, by: str = "AP") -> bool:
    """What training does after the evaluation of a checkpoint."""
    for suffix in ("index", "data-00000-of-00001"):
        (run / f"model.ckpt-{step}.{suffix}").write_text(f"{step} {suffix}")
    metrics = dict.fromkeys(coco.TAGS, 0.0) | {coco.AP: ap, coco.AP50: ap50}
    is_best = best.consider(run, step, metrics, by)
    files.write_json(run / f"validation-{step}.json", {"metrics": metrics})
    return is_best


def test_a_better_one_takes_the_place_and_a_worse_or_equal_one_does_not(tmp_path):
    assert evaluate(tmp_path, 100, 0.2, 0.5)
    assert not evaluate(tmp_path, 200, 0.2, 0.9)
    assert best.without_gain(tmp_path) == 1
    assert evaluate(tmp_path, 300, 0.3, 0.4)
    assert best.without_gain(tmp_path) == 0
    folder = tmp_path / "best"
    assert checkpoints.find("m", tmp_path, "best") == (folder / "model.ckpt-300", 300)
    assert (folder / "model.ckpt-300.index").read_text() == "300 index"
    assert not list(folder.glob("model.ckpt-100*"))
    assert best.read(tmp_path)["metrics"][coco.AP] == 0.3
    assert [path.name for path in tmp_path.glob(".best*")] == []


def test_it_can_be_chosen_by_ap50(tmp_path):
    assert evaluate(tmp_path, 1, 0.2, 0.5, "AP50")
    assert not evaluate(tmp_path, 2, 0.4, 0.4, "AP50")
    assert evaluate(tmp_path, 3, 0.1, 0.6, "AP50")
    assert best.read(tmp_path)["by"] == "AP50"


def test_it_outlives_its_own_checkpoint(tmp_path):
    for step, ap in ((1, 0.5), (2, 0.1), (3, 0.1), (4, 0.1)):
        evaluate(tmp_path, step, ap, ap)
        checkpoints.prune(tmp_path, 2)
    assert checkpoints.all_steps(tmp_path) == [3, 4]
    prefix, step = checkpoints.find("m", tmp_path, "best")
    assert step == 1
    assert prefix.with_name("model.ckpt-1.data-00000-of-00001").read_text().startswith("1 ")


def test_a_replacement_that_was_killed_half_way_is_mended(tmp_path):
    evaluate(tmp_path, 1, 0.5, 0.5)
    (tmp_path / "best").rename(tmp_path / ".best.replaced")
    assert not evaluate(tmp_path, 2, 0.1, 0.1)
    assert checkpoints.find("m", tmp_path, "best")[1] == 1


def test_without_one_the_message_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"no best checkpoint in .*run \./train\.sh m first"):
        checkpoints.find("m", tmp_path, "best")
