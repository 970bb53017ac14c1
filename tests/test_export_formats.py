"""Step 7 to every format, with random weights: what it writes, and the gate that it must pass."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from small_data import kitti_folder

from hand_detection import coco, detectors, export, frames, labelmap, pipeline
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.deploy import network, packages, parity, tflite
from hand_detection.deploy.formats import FORMATS
from hand_detection.deploy.resizing import bilinear

pytest.importorskip("onnx", reason="needs ./install.sh --deploy")

MODEL = "ssd_mobilenet_v1_quick"
SMALL = ("model.ssd.feature_extractor.depth_multiplier=0.25",)
SIZE = 128


def save_random_weights(prefix: Path, seed: int) -> None:
    """Weights that let every layer's signal through, as moving averages; the weights differ."""
    tf = compat.activate()
    from object_detection.builders import model_builder

    config = pipeline.load(MODEL, settings=SMALL)
    rng = np.random.default_rng(seed)
    with tf.Graph().as_default(), tf.Session() as session:
        model = model_builder.build(config.proto.model, is_training=False)
        model.predict(tf.zeros((1, SIZE, SIZE, 3)), None)
        tf.train.get_or_create_global_step()
        averages = tf.train.ExponentialMovingAverage(0.9)
        averages.apply(tf.trainable_variables())
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            if "eights" not in variable.op.name:
                continue
            height, width, before, _ = shape = variable.shape.as_list()
            inputs = height * width * (1 if "depthwise" in variable.op.name else before)
            values = rng.normal(0, np.sqrt(2 / inputs), shape)
            averages.average(variable).load(values, session)
            variable.load(values * 0.9, session)
        tf.train.Saver().save(session, str(prefix), write_meta_graph=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A folder with data/ and two checkpoints of random weights."""
    folder = tmp_path_factory.mktemp("export")
    data = kitti_folder(folder / "data", size=(160, 90))
    command = [ROOT / "create_tfrecords.sh", "--data", data, "--workers", "1"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    save_random_weights(folder / "model.ckpt-7", 1)
    save_random_weights(folder / "other.ckpt-8", 2)
    return folder


def run_export(small: Path, *options: object) -> None:
    """As ./export.sh, in this process: TensorFlow is loaded once."""
    words = ["export.sh", MODEL, "--data", small / "data", "--checkpoint", small / "model.ckpt-7"]
    words += ["--input-size", SIZE, *(word for each in SMALL for word in ("--set", each))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(word) for word in (*words, *options)])
        export.main()


@pytest.fixture(scope="module")
def everything(small) -> Path:
    """Every format, made by one command."""
    run_export(small, "--to", "all", "--out", small / "all", "--calibration-frames", 4)
    return small


def folder_of(name: str) -> str:
    return "all" if name in ("frozen", "savedmodel") else f"all-{name}"


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_each_folder_is_self_contained_and_says_how_it_compares(everything, name):
    folder = everything / folder_of(name)
    record = json.loads((folder / "export.json").read_text())
    assert record["step"] == 7
    assert record["moving_averages"] is True
    assert set(record["checkpoint_sha256"]) == {
        "model.ckpt-7.index",
        "model.ckpt-7.data-00000-of-00001",
    }
    assert labelmap.read_label_map(folder / "label_map.pbtxt") == {"hand": 1}
    assert "depth_multiplier: 0.25" in (folder / "pipeline.config").read_text()
    assert set(FORMATS[name].packages) <= set(record["versions"])
    assert {path.name for path in folder.iterdir() if path.is_file()} <= {
        "export.json",
        *record["sha256"],
    }
    assert record["parity"]
    for compared in record["parity"].values():
        assert compared["passed"]
        assert compared["frames"] == 2
        assert compared["boxes"] > 20
        if name != "tflite-int8":
            assert compared["same"] == compared["boxes"]


@pytest.mark.slow
def test_every_form_for_tensorrt_was_run(everything):
    record = json.loads((everything / "all-tensorrt" / "export.json").read_text())
    assert set(record["parity"]) == {
        f"{form}_{batch}.onnx"
        for form in ("network", "nms_graph", "nms_plugin")
        for batch in ("batch1", "dynamic")
    }
    assert {"build.sh", "detect.py", "decoder.py", "resizing.py"} <= set(record["sha256"])


@pytest.mark.slow
def test_the_plugins_node_has_what_the_config_says(everything):
    import onnx

    model = onnx.load(everything / "all-tensorrt" / "nms_plugin_dynamic.onnx")
    node = model.graph.node[-1]
    assert (node.op_type, list(node.input)) == ("EfficientNMS_TRT", ["raw_boxes", "raw_scores"])
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    assert attributes["max_output_boxes"] == 100
    assert attributes["iou_threshold"] == pytest.approx(0.6)
    assert attributes["background_class"] == -1
    shapes = {
        value.name: [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes["image_tensor"] == ["batch", SIZE, SIZE, 3]
    assert shapes["detection_boxes"] == ["batch", 100, 4]


@pytest.mark.slow
def test_labels_and_metadata_are_in_the_model_files(everything):
    import onnx

    model = onnx.load(everything / "all-onnx" / "model.onnx")
    properties = {each.key: each.value for each in model.metadata_props}
    assert (properties["step"], json.loads(properties["classes"])) == ("7", {"1": "hand"})
    with zipfile.ZipFile(everything / "all-tflite" / "model.tflite") as archive:
        assert archive.read("labels.txt") == b"hand\n"
    assert 'value="7"' in (everything / "all-openvino" / "model.xml").read_text()


@pytest.mark.slow
def test_images_of_any_size_and_number_are_detected_in(everything):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 60, 110, 3), np.uint8)

    def images(name: str) -> list[coco.Image]:
        found = detectors.open_model(everything / folder_of(name)).detect_batch(pictures)
        return [coco.Image("", 110, 60, frames.NO_DETECTIONS, boxes) for boxes in found]

    for name in ("onnx", "openvino", "tflite"):
        boxes, same, _, difference = parity.compare(images("frozen"), images(name))
        assert boxes == same > 20
        assert difference < 1e-3


@pytest.mark.slow
def test_8_bit_pixels_stand_for_the_picture(everything):
    detector = detectors.open_model(everything / folder_of("tflite-int8"))
    dark_to_light = np.linspace(0, 255, 60 * 110 * 3).reshape(1, 60, 110, 3).astype(np.uint8)
    pixels = detector.preprocess(dark_to_light)
    scale, zero = detector._input["quantization"]
    assert (pixels.dtype, scale, zero) == (np.int8, 1, -128)
    expected = bilinear(dark_to_light, (SIZE, SIZE))
    np.testing.assert_allclose(pixels.astype(np.float32) - zero, expected, atol=1.5)


@pytest.mark.slow
def test_what_differs_is_kept_aside_and_what_was_there_stays(everything, capsys):
    """The weights of another checkpoint in place of those asked for."""
    from dataclasses import replace

    from hand_detection.deploy import formats

    before = (everything / "all-onnx" / "model.onnx").read_bytes()

    def write(job, folder):
        FORMATS_BEFORE.write(replace(job, checkpoint=everything / "other.ckpt-8"), folder)

    FORMATS_BEFORE = formats.FORMATS["onnx"]  # noqa: N806
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(formats.FORMATS, "onnx", replace(FORMATS_BEFORE, write=write))
        with pytest.raises(UserError, match=r"all-onnx\.FAILED"):
            run_export(everything, "--to", "onnx", "--out", everything / "all-onnx")
    assert (everything / "all-onnx" / "model.onnx").read_bytes() == before
    failed = json.loads((everything / "all-onnx.FAILED" / "export.json").read_text())
    compared = failed["parity"]["model.onnx"]
    assert not compared["passed"]
    assert "boxes are not the same" in " ".join(compared["failures"])
    assert "FAILED: model.onnx" in capsys.readouterr().out


def test_8_bit_steps_are_for_the_boxes_that_may_be_detected():
    """The encoding of an anchor that is never detected does not make the steps coarse."""
    tf = compat.activate()
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.float32, (1, 1, 1, 3), network.IMAGE)
        factors = tf.constant([[[[-3, 1, 2, 4, -50, 1, 1, 90]]]], tf.float32)
        tf.reshape(image[..., :1] * factors, (1, 2, 4), network.ENCODINGS)
        tf.constant([[[0.02], [0.009]]], tf.float32, name=network.SCORES)
    net = network.Network(graph.as_graph_def(), np.zeros((2, 4)), (1, 1), 1)
    pictures = [[np.full((1, 1, 1, 3), value, np.float32)] for value in (0.5, 1.5)]
    limits = tflite.encoding_range(net, pictures)
    assert limits == (-4.5, 6)
    definition, name = tflite.clipped(net, *limits)
    with tf.Graph().as_default(), tf.Session() as session:
        image, within = tf.import_graph_def(
            definition, return_elements=[f"{network.IMAGE}:0", f"{name}:0"], name=""
        )
        found = session.run(within, {image: pictures[1][0]})
    np.testing.assert_array_equal(found, [[[-4.5, 1.5, 3, 6], [-4.5, 1.5, 1.5, 6]]])


def test_without_the_packages_one_line_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnxruntime is not installed: run \./install\.sh --dep"):
        packages.need("onnxruntime")


def test_a_damaged_file_is_refused_whatever_its_format(tmp_path, capfd):
    for name in ("model.onnx", "model.tflite", "model.xml", "frozen_inference_graph.pb"):
        (tmp_path / name).write_bytes(b"<net/>")  # OpenVINO's own readers try harder at this
        with pytest.raises(UserError, match="is not an exported detector"):
            detectors.open_model(tmp_path / name)
    assert capfd.readouterr().err == ""  # that is all there is to read: no library's own words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("all", "frozen_inference_graph.pb"),
        ("all/saved_model", "saved_model.pb"),
        ("all-openvino", "model.bin"),
        ("all-tflite", "model.tflite"),
    ],
)
def test_a_file_changed_since_the_export_is_noticed(model, file, everything, tmp_path):
    shutil.copytree(everything / Path(model).parts[0], tmp_path / Path(model).parts[0])
    model = tmp_path / model
    assert detectors.locate_unchanged(model) == detectors.locate(model)
    data = bytearray((model / file).read_bytes())
    data[len(data) // 2] ^= 1
    (model / file).write_bytes(data)
    with pytest.raises(UserError, match="was changed after it was written"):
        detectors.locate_unchanged(model)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("model.ssd.image_resizer=keep_aspect_ratio_resizer { min_dimension: 64 }", "resizer"),
        (
            "model.ssd.post_processing.batch_non_max_suppression.use_class_agnostic_nms=true",
            "use_class_agnostic_nms",
        ),
    ],
)
def test_what_the_decoder_does_not_know_is_refused_before_anything_is_made(setting, said):
    from hand_detection.deploy.network import refuse_unfit

    with pytest.raises(UserError, match=said):
        refuse_unfit(pipeline.load(MODEL, settings=(setting,)).proto)


@pytest.mark.parametrize("size", ["0", "320x", "-3", "axb", "320x0", "10000", "5000000000"])
def test_a_wrong_input_size_is_misuse(step, size):
    done = step("export.sh", MODEL, f"--input-size={size}")
    assert done.returncode == 2
    assert "is not a size" in done.stderr


@pytest.mark.parametrize("out", [".", "", "/", "a/.."])
def test_a_folder_without_a_name_is_misuse(step, out):
    done = step("export.sh", MODEL, f"--out={out}")
    assert done.returncode == 2
    assert "is no name of a folder to make" in done.stderr


def test_a_folder_that_is_no_export_never_gives_way_to_one(small, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UserError, match="mine is there already and no export: name another"):
        run_export(small, "--out", tmp_path / "mine", "--no-parity")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        (("tensorrt", "onnx"), "./detect_image.sh --model {out}-onnx IMAGE"),
        (("tensorrt",), "take {out} to the device"),
    ],
)
def test_the_last_line_names_an_export_that_runs_here(
    formats, said, small, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(export, "_make", lambda *_: True)
    words = [word for name in formats for word in ("--to", name)]
    run_export(small, *words, "--out", tmp_path / "out", "--no-parity")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("Next: ") and said.format(out=tmp_path / "out") in last


TRTEXEC = """#!{python}
# What build.sh and detect.py need of trtexec, with ONNX Runtime in the place of TensorRT.
import json, os, sys
import numpy as np
options = dict(word[2:].partition("=")[::2] for word in sys.argv[1:])
if "onnx" in options:
    options["onnx"] = os.path.abspath(options["onnx"])
    open(options["saveEngine"], "w").write(json.dumps(options))
else:
    built = json.load(open(options["loadEngine"]))
    name, _, file = options["loadInputs"].partition(":")
    sys.path.insert(0, {root!r})
    from pathlib import Path
    from hand_detection.deploy.runtimes import OnnxModel
    model = OnnxModel(Path(built["onnx"]))
    shape = built.get("optShapes", options.get("shapes", "{name}:1x{size}x{size}x3"))
    shape = [int(side) for side in shape.partition(":")[2].split("x")]
    found = model.infer(np.fromfile(file, np.float32).reshape(shape))
    json.dump([
        {{"name": key, "dimensions": "x".join(map(str, value.shape)),
          "values": value.ravel().tolist()}}
        for key, value in found.items()
    ], open(options["exportOutput"], "w"))
"""


@pytest.fixture
def device(everything, tmp_path) -> Path:
    """The folder for TensorRT elsewhere, and a stand-in for trtexec on the PATH."""
    folder = tmp_path / "device"
    shutil.copytree(everything / "all-tensorrt", folder)
    tool = tmp_path / "bin" / "trtexec"
    tool.parent.mkdir()
    tool.write_text(
        TRTEXEC.format(python=sys.executable, root=str(ROOT), name="image_tensor", size=SIZE)
    )
    tool.chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("form", ["network", "nms_graph"])
def test_the_devices_scripts_build_and_detect_what_the_checkpoint_does(
    everything, device, form, tmp_path
):
    picture = np.random.default_rng(3).integers(0, 256, (90, 160, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    path = f"{device.parent / 'bin'}:{os.environ['PATH']}"

    def call(*words: object) -> str:
        done = subprocess.run(
            list(map(str, words)),
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    batch = 2 if form == "nms_graph" else 1
    said = call(device / "build.sh", form, "--batch", batch)
    engine = f"{form}_batch{batch}_fp16.engine"
    assert said.splitlines()[-1] == f"Next: python3 detect.py {engine} IMAGE"
    options = json.loads((device / engine).read_text())
    assert "fp16" in options
    if batch == 2:
        assert options["optShapes"] == f"image_tensor:2x{SIZE}x{SIZE}x3"
    words = (device / engine, tmp_path / "picture.png", "--threshold", "0.6")
    lines = call(sys.executable, device / "detect.py", *words).splitlines()
    expected = detectors.open_model(everything / "all").detect(picture)
    assert len(lines) == (expected.scores >= 0.6).sum() > 0
    xmin, ymin, xmax, ymax = expected.boxes[0]
    score = expected.scores[0]
    assert lines[0] == f"  hand {score:.2f}  x {xmin:.0f}-{xmax:.0f}, y {ymin:.0f}-{ymax:.0f}"


def test_the_devices_scripts_say_what_is_missing(tmp_path):
    done = subprocess.run(
        [ROOT / "tools" / "jetson" / "build.sh"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "no trtexec here" in done.stderr
    engine = tmp_path / "network_batch1_fp16.engine"
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "jetson" / "detect.py", engine, engine],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "there is no file" in done.stderr
