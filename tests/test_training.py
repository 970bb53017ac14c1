"""Steps 5 to 8 on a few generated frames: train, resume, evaluate, export, detect."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from trained import AVERAGE, MODEL, SMALL, run_step

from hand_detection import checkpoints, coco, paths, pipeline, runs, schedule
from hand_detection.api import compat
from hand_detection.training import loop, report

pytestmark = pytest.mark.slow


def tensors(prefix: Path) -> dict[str, np.ndarray]:
    reader = compat.activate().train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def events(folder: Path) -> dict[str, list[tuple[int, object]]]:
    tf = compat.activate()
    found: dict[str, list[tuple[int, object]]] = {}
    for file in sorted(folder.glob("events.*")):
        for event in tf.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
    return found


def test_a_run_leaves_checkpoints_its_config_and_a_record_of_what_made_it(trained):
    assert checkpoints.all_steps(trained) == [3, 6]
    proto = pipeline.parse(trained / "pipeline.config")
    assert proto.train_config.batch_size == 2
    [entry] = json.loads((trained / "run.json").read_text())
    assert entry["seed"] == 2018
    assert entry["versions"]["tensorflow"].startswith("2.")
    assert len(entry["records"]["manifest_sha256"]) == 64
    assert entry["api"]["kind"] in ("submodule", "registry")
    assert entry["overrides"]["steps"] == 6
    assert entry["overrides"]["batch_size"] == 2
    assert entry["overrides"]["set"] == ["eval_config.num_visualizations=2"]
    assert (entry["last_step"], entry["ended"]) == (6, "last step")


def test_the_report_is_one_file_with_the_curves_the_numbers_and_what_to_do_next(trained, data):
    report = json.loads((trained / "report.json").read_text())
    final = json.loads((trained / "validation-6.json").read_text())
    assert report["final"]["metrics"] == final["metrics"]
    for curve in ("train/Loss/total_loss", "eval/Loss/total_loss", f"eval/{coco.AP}"):
        steps, values = zip(*report["curves"][curve], strict=True)
        assert steps == (3, 6)
        assert np.isfinite(values).all()
    command = f"./eval.sh {MODEL} --run {trained.name} --data {data} --set "
    assert report["commands"]["evaluate the best"].startswith(command)
    page = (trained / "report.html").read_text()
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=.https?://|@import|<script", page)
    assert f"{final['metrics'][coco.AP50]:.3f}" in page


def test_the_averages_are_in_the_checkpoint_and_are_not_the_weights(trained):
    values = tensors(trained / "model.ckpt-6")
    averages = [name for name in values if name.endswith(f"/{AVERAGE}")]
    assert averages
    weights = "FeatureExtractor/MobilenetV1/Conv2d_0/weights"
    assert not np.array_equal(values[weights], values[f"{weights}/{AVERAGE}"])


def test_tensorboard_gets_losses_learning_rate_speed_the_metrics_and_pictures(trained):
    train, evaluation = events(trained / "train"), events(trained / "eval")
    for tag in ("Loss/total_loss", "Loss/localization_loss", "learning_rate", "global_step/sec"):
        assert [step for step, _ in train[tag]] == [3, 6]
    for tag in (*coco.TAGS, "Loss/total_loss", "Loss/localization_loss"):
        assert [step for step, _ in evaluation[tag]] == [3, 6]
    [(_, config)] = train["pipeline.config/text_summary"]
    assert b"batch_size: 2" in config.tensor.string_val[0]
    (_, curve), _ = evaluation["PR@.50IOU/hand/pr_curves"]
    assert [side.size for side in curve.tensor.tensor_shape.dim] == [6, 101]
    pictures = evaluation["Detections_Left_Groundtruth_Right/1"]
    assert pictures[0][1].image.width > 2 * 1280


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(trained, data, name):
    resumed = paths.RUNS / f"{name}-resumed"
    shutil.copytree(trained, resumed)
    for file in (*resumed.glob("model.ckpt-6.*"), *resumed.glob("validation-*.json")):
        file.unlink()  # as if killed before even the first evaluation was done
    arguments = ("--data", data, "--run", resumed.name, "--steps", 6, "--eval-every", 3, *SMALL)
    done = run_step("train.sh", MODEL, *arguments)
    assert done.returncode == 0, done.stderr
    assert "from step 3" in done.stdout
    assert runs.validated(resumed) == [3, 6]
    start, whole, again = (
        tensors(run / f"model.ckpt-{step}")
        for run, step in ((trained, 3), (trained, 6), (resumed, 6))
    )
    assert whole.keys() == again.keys() == start.keys()
    assert again["global_step"] == whole["global_step"] == 6
    # Adam moves a weight of hardly any gradient by the sign of that, which is float noise: so
    # all tensors of a kind are compared together, beside what they moved since step 3.
    kinds = {name.rpartition("/")[2] for name in whole} - {"global_step"}
    assert kinds >= {"weights", "gamma", "moving_mean", "Adam", "Adam_1", AVERAGE}
    for kind in kinds:
        names = [name for name in whole if name.endswith(kind)]
        noise = sum(np.sum((again[name] - whole[name]) ** 2) for name in names)
        moved = sum(np.sum((whole[name] - start[name]) ** 2) for name in names)
        assert noise <= 0.03**2 * moved, kind


def test_a_run_killed_after_its_last_evaluation_gets_its_record_and_report(trained, data, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    assert report.is_current(run)
    [entry] = json.loads((run / "run.json").read_text())
    del entry["ended"], entry["last_step"]
    (run / "run.json").write_text(json.dumps([entry]))
    (run / "report.html").unlink()
    (run / "model.ckpt-6.index.tempstate1").touch()
    [events] = (run / "train").iterdir()
    # The kill came while an event was written.
    events.write_bytes(events.read_bytes()[:-7])
    config = pipeline.load(MODEL, data=data, settings=("train_config.batch_size=2",))
    schedule.set_steps(config.proto, 6)
    assert loop.train(config, run, loop.Options(seed=2018, evaluate_every=3, keep=5))
    assert report.is_current(run)
    assert not list(run.glob("*.tempstate*"))
    *_, last = json.loads((run / "run.json").read_text())
    assert (last["last_step"], last["ended"]) == (6, "last step")
    curve = json.loads((run / "report.json").read_text())["curves"]["train/Loss/total_loss"]
    assert next(step for step, _ in curve) == 3


def test_a_finished_run_is_left_as_it_is_and_overwrite_moves_it_aside(trained, data, name):
    before = tensors(trained / "model.ckpt-6")
    again = run_step("train.sh", MODEL, "--data", data, "--run", name, "--steps", 6, *SMALL)
    assert again.returncode == 0
    assert "at step 6 of 6 already" in again.stdout
    other = f"{name}-other"
    shutil.copytree(trained, paths.RUNS / other)
    anew = ("--run", other, "--steps", 1, "--overwrite", *SMALL)
    done = run_step("train.sh", MODEL, "--data", data, *anew)
    assert done.returncode == 0, done.stderr
    assert checkpoints.all_steps(paths.RUNS / other) == [1]
    kept = tensors(paths.RUNS / f"{other}.1" / "model.ckpt-6")
    assert all(np.array_equal(kept[key], before[key]) for key in before)


def test_training_stops_early_names_the_weights_histograms_and_keeps_one(trained, data, name):
    run = paths.RUNS / f"{name}-patient"
    shutil.copytree(trained, run)
    # No evaluation will be better than this one.
    record = json.loads((run / "best" / "best.json").read_text())
    record["metrics"][coco.AP] = 1.0
    (run / "best" / "best.json").write_text(json.dumps(record))
    behind = sum(step > record["step"] for step in (3, 6))
    arguments = ("--data", data, "--run", run.name, "--steps", 20, "--eval-every", 2)
    patience = ("--patience", behind + 1, "--keep", 1, "--histograms", *SMALL)
    done = run_step("train.sh", MODEL, *arguments, *patience)
    assert done.returncode == 0, done.stderr
    assert f"trained to step 8, {behind + 1} evaluations without gain" in done.stdout
    assert checkpoints.all_steps(run) == [8]
    assert (run / "best" / f"model.ckpt-{record['step']}.index").exists()
    weights = "Weights/FeatureExtractor/MobilenetV1/Conv2d_0/weights"
    [(step, histogram)] = events(run / "train")[weights]
    assert step == 8
    assert histogram.histo.num == 3 * 3 * 3 * 32
    again = run_step("train.sh", MODEL, *arguments, *patience)
    assert again.returncode == 0
    assert "stopped at step 8 already" in again.stdout


def test_a_loss_that_is_not_finite_stops_with_its_parts_and_the_batchs_files(data, name):
    run = f"{name}-diverged"
    hot = ("--run", run, "--steps", 9, "--lr", "1e30", *SMALL)
    done = run_step("train.sh", MODEL, "--data", data, *hot)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "Loss/localization_loss" in line
    names = re.findall(r"\S+_frame_\d+\.jpg", line)
    assert len(names) == 2
    assert all((data / "images" / name).exists() for name in names)


def test_another_model_block_does_not_go_on_with_a_run(trained, data, name):
    change = "model.ssd.image_resizer.fixed_shape_resizer.height=320"
    done = run_step(
        "train.sh", MODEL, "--data", data, "--run", name, "--steps", 9, *SMALL, "--set", change
    )
    assert done.returncode == 1
    assert "is not that of" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_signal_saves_and_stops_and_the_same_command_goes_on(data, name):
    run = paths.RUNS / f"{name}-stopped"
    command = [
        paths.ROOT / "train.sh",
        MODEL,
        "--data",
        data,
        "--run",
        run.name,
        "--steps",
        "100",
        *SMALL,
    ]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list((run / "train").glob("events.*")) and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(4)  # into the steps
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    [step] = checkpoints.all_steps(run)
    assert f"stopped at step {step}, saved" in output


def test_eval_prints_the_twelve_numbers_and_writes_them(trained, data, name):
    done = run_step("eval.sh", MODEL, "--data", data, "--run", name, "--split", "test")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Average Precision") == done.stdout.count("Average Recall") == 6
    record = json.loads((trained / "eval-test-6.json").read_text())
    assert list(record["metrics"]) == list(coco.TAGS)
    assert (record["images"], record["step"]) == (4, 6)


def test_the_best_checkpoint_is_kept_with_its_numbers_and_serves_evaluation(trained, data, name):
    record = json.loads((trained / "best" / "best.json").read_text())
    evaluations = {
        step: json.loads((trained / f"validation-{step}.json").read_text())["metrics"]
        for step in (3, 6)
    }
    assert record["by"] == "AP"
    assert record["metrics"] == evaluations[record["step"]]
    assert record["metrics"][coco.AP] == max(numbers[coco.AP] for numbers in evaluations.values())
    best = f"model.ckpt-{record['step']}"
    kept, own = tensors(trained / "best" / best), tensors(trained / best)
    assert all(np.array_equal(kept[key], own[key]) for key in own)
    done = run_step("eval.sh", MODEL, "--data", data, "--run", name, "--checkpoint", "best")
    assert done.returncode == 0, done.stderr
    assert f"best/{best} on" in done.stdout


def test_the_exported_graph_detects_what_the_checkpoint_detects(trained, data, exported):
    from hand_detection.detectors import open_model
    from hand_detection.evaluator import Evaluator

    config = pipeline.load(MODEL, data=data)
    images = Evaluator(config, "test").run(trained / "model.ckpt-6").images
    detector = open_model(exported)
    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        # Decoded as in evaluation: libraries differ by a shade or two.
        encoded = tf.placeholder(tf.string)
        decoded = tf.image.decode_jpeg(encoded, channels=3)
        pictures = [
            session.run(decoded, {encoded: (data / "images" / image.name).read_bytes()})
            for image in images
        ]
    for image, picture in zip(images, pictures, strict=True):
        found = detector.detect(picture)
        expected = image.detections
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        np.testing.assert_allclose(found.boxes[:10], expected.boxes[:10], atol=0.2)
        assert np.array_equal(found.classes, expected.classes)


def test_the_exported_folder_has_the_nodes_and_files_that_deployment_tools_expect(exported):
    tf = compat.activate()
    graph = tf.GraphDef.FromString((exported / "frozen_inference_graph.pb").read_bytes())
    nodes = {node.name for node in graph.node}
    assert nodes >= {
        "image_tensor",
        "detection_boxes",
        "detection_scores",
        "detection_classes",
        "num_detections",
    }
    assert not any(node.op.startswith("Variable") for node in graph.node)
    with tf.Graph().as_default(), tf.Session() as session:
        meta = tf.saved_model.loader.load(session, ["serve"], str(exported / "saved_model"))
        signature = meta.signature_def["serving_default"]
        assert set(signature.outputs) >= {"detection_boxes", "num_detections"}
        assert signature.inputs["inputs"].name == "image_tensor:0"
    record = json.loads((exported / "export.json").read_text())
    assert record["step"] == 6
    assert "label_map.pbtxt" in record["sha256"]


def test_detect_draws_a_picture_and_refuses_what_is_no_image(data, name, exported, tmp_path):
    [frame, *_] = sorted((data / "images").glob("*.jpg"))
    target = tmp_path / "out.jpg"
    done = run_step("detect_image.sh", "--model", name, "--threshold", 0, "--output", target, frame)
    assert done.returncode == 0, done.stderr
    from PIL import Image

    assert Image.open(target).size == (1280, 720)
    wrong = tmp_path / "wrong.jpg"
    wrong.write_text("no image")
    done = run_step("detect_image.sh", "--model", name, wrong)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "wrong.jpg" in done.stderr
