"""What a run's folder says: read from JSON that people and other tools can reach."""

from __future__ import annotations

import json
import shutil

import pytest
from conftest import ROOT
from small_data import kitti_folder

from hand_detection import coco, files, held_out, pipeline, runs, tfrecords
from hand_detection.console import UserError
from hand_detection.evaluator import Evaluator
from hand_detection.training import best

NUMBERS = dict.fromkeys(coco.TAGS, 0.5)
ENTRY = {
    "started": "2026-01-01T00:00:00+0000",
    "model": "m",
    "overrides": {},
    "first_step": 0,
    "steps": 2,
    "batch_size": 2,
    "learning_rate": 0.001,
    "seed": 1,
    "examples": 7,
    "records": {"folder": "data/x/tfrecords", "manifest_sha256": None},
    "commit": None,
    "api": {"kind": "registry", "version": "1"},
    "versions": {},
}


@pytest.mark.parametrize(
    "content",
    [
        *([], {}, 3, None, [1], "abc", [{}], {"a": 1}),
        [{**ENTRY, "steps": "x"}],
        [{**ENTRY, "records": {"folder": 5}}],
        [ENTRY, {}],
    ],
)
def test_a_history_that_no_training_wrote_is_told_in_one_line(tmp_path, content):
    files.write_json(tmp_path / "run.json", [ENTRY])
    assert runs.history(tmp_path) == [ENTRY]
    files.write_json(tmp_path / "run.json", content)
    with pytest.raises(UserError, match=r"run\.json"):
        runs.history(tmp_path)


@pytest.mark.parametrize("content", [[], 5, {}, {"step": 1, "by": "AP", "metrics": []}])
def test_so_is_a_best_json(tmp_path, content):
    (tmp_path / "best").mkdir()
    files.write_json(tmp_path / "best" / "best.json", content)
    with pytest.raises(UserError, match=r"best\.json"):
        best.read(tmp_path)


def evaluation(step: int | None, kind: str, model: str = "m") -> dict:
    return {
        **{"model": model, "split": "val", "step": step, "trained_on": kind, "images": 4},
        "metrics": NUMBERS,
    }


@pytest.mark.parametrize("content", ["{", "[]", "null", "{}", '{"trained_on": 1}'])
def test_evaluations_of_other_runs_are_compared_and_damaged_ones_left_out(
    tmp_path, content, capsys
):
    for run, kind in (("a", held_out.RANDOM), ("b", held_out.BY_VIDEO)):
        (tmp_path / run).mkdir()
        files.write_json(tmp_path / run / "eval-val-2.json", evaluation(2, kind))
        files.write_json(tmp_path / run / "validation-1.json", evaluation(1, kind))
        files.write_json(tmp_path / run / "eval-val-all.json", [evaluation(2, kind)])
        files.write_json(tmp_path / run / "eval-val-found.json", evaluation(None, kind))
    (tmp_path / "a" / "eval-val-9.json").write_text(content)
    rows = held_out.side_by_side(tmp_path, "m")
    assert [(row["run"], row["step"]) for row in rows] == [("b", 2), ("a", 2)]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == (content != "[]")
    assert all("eval-val-9.json" in line and "left out" in line for line in told)


@pytest.fixture
def data(step, tmp_path):
    made = kitti_folder(tmp_path / "data")
    done = step("create_tfrecords.sh", "--data", made, "--split", "official")
    assert done.returncode == 0, done.stderr
    return made


def test_frames_of_another_data_set_with_the_same_names_are_not_taken_for_seen(data, tmp_path):
    folder = data / "tfrecords"
    sha256 = files.sha256(folder / tfrecords.MANIFEST)
    records = {"folder": str(folder), "manifest_sha256": sha256}
    run = tmp_path / "run"
    run.mkdir()
    files.write_json(run / "run.json", [{**ENTRY, "records": records}])
    assert held_out.kind(run, folder, "train") == held_out.SEEN
    assert held_out.kind(run, folder, "val") == held_out.BY_VIDEO
    other = shutil.copytree(folder, tmp_path / "other")
    manifest = json.loads((other / tfrecords.MANIFEST).read_text())
    (other / tfrecords.MANIFEST).write_text(json.dumps({**manifest, "inputs": "0" * 64}))
    assert held_out.kind(run, other, "train") == held_out.UNKNOWN


def test_records_of_other_classes_than_the_configs_are_refused(step, data):
    for label in (data / "labels").iterdir():
        label.write_text(label.read_text().replace("hand ", "cat "))
    (data / "label_map.pbtxt").write_text("item { id: 1 name: 'cat' }")
    made = step("create_tfrecords.sh", "--data", data, "--overwrite")
    assert made.returncode == 0, made.stderr
    said = r"tfrecords has the class cat, and the config's data/hand_label_map.pbtxt has not"
    config = pipeline.load("ssd_mobilenet_v1_quick", data=data)
    with pytest.raises(UserError, match=said):
        Evaluator(config)
    done = step("train.sh", "ssd_mobilenet_v1_quick", "--data", data, "--run", "test-no-such-run")
    assert done.returncode == 1
    assert "has the class cat" in done.stderr
    assert not (ROOT / "runs" / "test-no-such-run").exists()
