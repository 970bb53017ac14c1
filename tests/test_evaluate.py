"""Step 6 as a user runs it: checkpoints, exported models and files, all by the same numbers."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess

import pytest
from conftest import ROOT
from trained import MODEL, run_step

from hand_detection import coco, model_card, paths

pytestmark = pytest.mark.slow


def evaluate(data, name, *more, returncode: int = 0) -> subprocess.CompletedProcess[str]:
    done = run_step("eval.sh", MODEL, "--data", data, "--run", name, "--split", "test", *more)
    assert done.returncode == returncode, done.stderr
    return done


def table(text: str) -> list[str]:
    return re.findall(r" Average .*= +(-?[\d.]+)", text)


@pytest.fixture(scope="module")
def detections(trained, data, name, tmp_path_factory):
    """What the last checkpoint detects, as a file; and what eval.sh printed."""
    folder = tmp_path_factory.mktemp("detections")
    found, truth = folder / "found.json", folder / "truth.json"
    done = evaluate(
        data, name, "--save-detections", found, "--save-ground-truth", truth, "--pycocotools"
    )
    return found, truth, done.stdout


def test_the_twelve_numbers_are_printed_written_and_pycocotools_own(trained, detections):
    found, truth, output = detections
    assert "pycocotools has the same 12 numbers" in output
    assert len(table(output)) == 12
    record = json.loads((trained / "eval-test-6.json").read_text())
    assert list(record["metrics"]) == list(coco.TAGS)
    assert (record["images"], record["step"], record["trained_on"]) == (4, 6, "by video")
    numbers, _ = coco.evaluate(json.loads(truth.read_text()), json.loads(found.read_text()))
    assert numbers == record["metrics"]


def test_the_last_line_is_the_next_step_for_the_same_run_and_data(data, name, exported, detections):
    assert detections[2].splitlines()[-1] == (
        f"Next: step 7, ./export.sh {MODEL} --run {name} --data {data}"
    )
    setting = "eval_config.num_visualizations=1"
    done = evaluate(data, name, "--all", "--set", setting)
    assert done.stdout.splitlines()[-1].endswith(f" --data {data} --set {setting}")
    done = evaluate(data, name, "--checkpoint", "best", "--no-report")
    assert done.stdout.splitlines()[-1].endswith(f" --data {data} --checkpoint best")
    done = evaluate(data, name, "--export", exported, "--no-report")
    assert done.stdout.splitlines()[-1] == (
        f"Next: step 8, ./detect_image.sh --model {exported} IMAGE"
    )


def test_a_page_and_a_model_card_say_what_to_do_next(trained, detections):
    page = (trained / "insight-test-6.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    figures = json.loads((trained / "insight-test-6.json").read_text())
    assert figures["images"] == 4
    assert figures["evaluation"]["split"] == "test"
    card = (trained / "MODEL_CARD.md").read_text()
    assert "| test | by video | 6 | 4 |" in card
    assert "Licences" in card
    assert "training started from: Google's MobileNet v1 for ImageNet" in card


def test_a_model_card_names_no_weights_where_there_were_none(trained, tmp_path):
    shutil.copy(trained / "run.json", tmp_path)
    config = (trained / "pipeline.config").read_text()
    without = re.sub(r"\n  fine_tune_checkpoint: .*", "", config)
    assert without != config
    (tmp_path / "pipeline.config").write_text(without)
    assert "started from: none, it started from random ones" in model_card.card(tmp_path)


def test_a_model_card_goes_by_the_weights_and_not_by_the_models_name(trained, tmp_path):
    shutil.copy(trained / "run.json", tmp_path)
    config = (trained / "pipeline.config").read_text()
    for name, said in (
        ("ssd_mobilenet_v1_coco_2018_01_28", "the Object Detection API's model zoo"),
        ("my_own", "their licence is not known here"),
    ):
        (tmp_path / "pipeline.config").write_text(config.replace("mobilenet_v1_imagenet", name))
        assert re.search(f"started from: .*{said}", model_card.card(tmp_path))


def test_detections_files_kept_in_a_run_are_not_taken_for_its_own(trained, data, name, detections):
    run = paths.RUNS / f"{name}-with-files"
    shutil.copytree(trained, run)
    for file in ("a.json", "b.json"):
        shutil.copy(detections[0], run / file)
        evaluate(data, run.name, "--detections", run / file, "--no-report")
        assert (run / f"eval-test-{file}").is_file()
    evaluate(data, run.name, "--no-report")
    assert "| None |" not in (run / "MODEL_CARD.md").read_text()


def test_another_runs_checkpoint_leaves_its_numbers_with_that_run(trained, data, name):
    run, other = paths.RUNS / f"{name}-theirs", paths.RUNS / f"{name}-mine"
    shutil.copytree(trained, run)
    shutil.copytree(trained, other)
    (run / "eval-test-3.json").unlink(missing_ok=True)
    (other / "eval-test-3.json").unlink(missing_ok=True)
    evaluate(data, other.name, "--checkpoint", run / "model.ckpt-3", "--no-report")
    assert (run / "eval-test-3.json").is_file()
    assert not (other / "eval-test-3.json").exists()


def test_evaluations_do_not_touch_what_training_goes_by(trained, data, name):
    run = paths.RUNS / f"{name}-all"
    shutil.copytree(trained, run)
    of_training = {path: path.read_bytes() for path in run.glob("validation-*.json")}
    assert len(of_training) == 2
    done = run_step("eval.sh", MODEL, "--data", data, "--run", run.name, "--all")
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in run.glob("validation-*.json")} == of_training


def test_a_detections_file_is_scored_as_the_detector_that_wrote_it(data, name, detections):
    found, _, output = detections
    done = evaluate(data, name, "--detections", found)
    assert table(done.stdout) == table(output)
    assert (found.parent / "insight-test-found.html").is_file()


@pytest.mark.parametrize("part", ["", "saved_model", "frozen_inference_graph.pb"])
def test_an_exported_model_is_judged_by_the_same_code(data, name, exported, detections, part):
    done = evaluate(data, name, "--export", exported / part, "--no-report")
    assert table(done.stdout) == table(detections[2])


def test_all_checkpoints_make_a_curve(trained, data, name):
    done = evaluate(data, name, "--all")
    rows = json.loads((trained / "eval-test-all.json").read_text())
    assert [row["step"] for row in rows] == [3, 6]
    assert "best: step" in done.stdout
    assert (trained / "eval-test-all.svg").read_text().startswith("<svg")


def test_watching_ends_with_the_last_step_of_the_training(trained, data, name):
    done = evaluate(data, name, "--watch")
    assert "step 6 was the last" in done.stdout


def test_watching_ends_with_a_training_that_stopped_for_want_of_gain(trained, data, name):
    run = paths.RUNS / f"{name}-no-gain"
    shutil.copytree(trained, run)
    history = json.loads((run / "run.json").read_text())
    history[-1] |= {"steps": 900, "last_step": 6, "ended": "no gain"}
    (run / "run.json").write_text(json.dumps(history))
    assert "step 6 was the last" in evaluate(data, run.name, "--watch").stdout


def test_watching_can_be_stopped(trained, data, name):
    run = paths.RUNS / f"{name}-watched"
    shutil.copytree(trained, run)
    history = json.loads((run / "run.json").read_text())
    history[-1] |= {"steps": 9, "ended": "signal"}
    (run / "run.json").write_text(json.dumps(history))
    command = [ROOT / "eval.sh", MODEL, "--data", data, "--run", run.name, "--watch"]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if line.startswith("     6"):
            break
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert "stopped watching" in output
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_two_runs_side_by_side(trained, data, name):
    done = run_step("tools/compare.sh", f"{name}@3", f"{name}@6", "--split", "test")
    assert done.returncode == 0, done.stderr
    page = paths.RUNS / f"compare-{name}_3-{name}_6-test.html"
    assert "Which is better?" in page.read_text()
    result = json.loads(page.with_suffix(".json").read_text())
    six = json.loads((trained / "eval-test-6.json").read_text())
    assert result["contenders"][1]["metrics"] == six["metrics"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--checkpoint", "5"), "has the steps: 3, 6"),
        (("--checkpoint", ""), "no checkpoint ''"),
        (("--checkpoint", "."), "no checkpoint '.'"),
        (("--export", "nowhere"), "no model in nowhere"),
        (("--detections", "nowhere.json"), "no detections file nowhere.json"),
        (("--split", "none"), "no TFRecords at"),
    ],
)
def test_what_is_missing_is_named_in_one_line(trained, data, name, options, said):
    done = evaluate(data, name, *options, returncode=1)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_export_is_refused_in_one_line(trained, data, name, exported, tmp_path):
    graph = (exported / "frozen_inference_graph.pb").read_bytes()
    cut = tmp_path / "cut.pb"
    cut.write_bytes(graph[: len(graph) // 2])
    done = evaluate(data, name, "--export", cut, returncode=1)
    assert "is not an exported detector" in done.stderr
    assert len(done.stderr.splitlines()) == 1
