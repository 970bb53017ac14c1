"""Every model starts from its model zoo checkpoint: all but what depends on the classes fits."""

from __future__ import annotations

import os
import re
import shutil

import numpy as np
import pytest
import zoo
from small_data import kitti_folder

from hand_detection import batches, evaluator, models, paths, pipeline, pretrained
from hand_detection.api import compat
from hand_detection.console import UserError
from hand_detection.training import graph, restoration

pytestmark = pytest.mark.slow

# Others of their kind are built in every run; these two take as long as all of those.
LARGE = ("faster_rcnn_resnet101_egohands", "faster_rcnn_inception_resnet_v2_atrous_egohands")
FROM_ZOO = [model.name for model in models.MODELS if not model.checkpoint.offline]
# What has a shape by the number of classes, by the first word of the model's name: SSD's class
# scores; the two-stage models' class scores, and their boxes, of which there is one a class.
BY_CLASS = {
    "ssd": r"BoxPredictor_\d/ClassPredictor/(weights|biases)",
    "ssdlite": r"BoxPredictor_\d/ClassPredictor/(weights|biases)",
    "ssd_resnet50": r"WeightSharedConvolutionalBoxPredictor/ClassPredictor/(weights|biases)",
    "faster": r"SecondStageBoxPredictor/(ClassPredictor|BoxEncodingPredictor)/(weights|biases)",
    "rfcn": r"SecondStageBoxPredictor/(refined_locations|class_predictions)/(weights|biases)",
    "mask": r"SecondStageBoxPredictor/(ClassPredictor|BoxEncodingPredictor)/(weights|biases)"
    r"|SecondStageBoxPredictor/Conv_1/(weights|biases)",
}
SKIPPED = {"ssd": 12, "ssdlite": 12, "ssd_resnet50": 2, "faster": 4, "rfcn": 4, "mask": 6}


def family(model: str) -> str:
    return "ssd_resnet50" if "resnet50_v1_fpn" in model else model.split("_")[0]


@pytest.fixture
def model(request):
    """A model's name."""
    if request.param in LARGE and os.environ.get("LARGE_MODELS") != "1":
        pytest.skip("a minute: set LARGE_MODELS=1 to run it")
    return request.param


@pytest.fixture(scope="module")
def data(tmp_path_factory, request):
    """Ten frames of 64 x 48 as TFRecords."""
    folder = kitti_folder(tmp_path_factory.mktemp("data") / "tiny")
    from trained import run_step

    done = run_step("create_tfrecords.sh", "--data", folder, "--workers", 1)
    assert done.returncode == 0, done.stderr
    return folder


def training_graph(model: str, data, checkpoint, *settings: str) -> graph.Graph:
    """The training graph of `model`, in the default graph, that starts from `checkpoint`."""
    always = (f"train_config.fine_tune_checkpoint={checkpoint}", "train_config.batch_size=1")
    config = pipeline.load(model, data=data, settings=(*always, *settings))
    dataset = batches.training_dataset(config, seed=1, examples=8)
    return graph.build(config, dataset, resumed=False)


@pytest.mark.parametrize("model", FROM_ZOO, indirect=True)
def test_all_is_restored_but_what_depends_on_the_number_of_classes(model, data, tmp_path, capsys):
    prefix = zoo.write_checkpoint(model, tmp_path)
    tf = compat.activate()
    with tf.Graph().as_default():
        # Without moving averages, which are most of what it takes to build the graph.
        ends = training_graph(model, data, prefix, "train_config.optimizer.use_moving_average=0")
        variables = {one.op.name for one in tf.model_variables()}
        assert ends.loss.shape == []
        assert all(loss.dtype == tf.float32 for loss in ends.losses.values())
    assert set(ends.restored) == variables
    skipped = {name: what for name, what in ends.restored.items() if what != "restored"}
    for name, what in skipped.items():
        assert re.fullmatch(BY_CLASS[family(model)], name), name
        assert re.fullmatch(r"shape \[.+\] here, \[.+\] in the checkpoint", what)
    assert len(skipped) == SKIPPED[family(model)]

    restoration.say_fates(str(prefix), ends.restored)
    said = capsys.readouterr().out
    assert f"{len(variables) - len(skipped)} variables restored, 0 new, {len(skipped)} skip" in said
    assert said.count("skipped ") == len(skipped)
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("model", models.names(), indirect=True)
def test_the_inference_graph_has_the_outputs_that_deployment_tools_expect(model):
    tf = compat.activate()
    from object_detection import exporter
    from object_detection.builders import model_builder

    with tf.Graph().as_default():
        detector = model_builder.build(pipeline.load(model).proto.model, is_training=False)
        outputs, image = exporter.build_detection_graph(
            "image_tensor", detector, None, "inference_op", None
        )
    assert image.op.name == "image_tensor"
    expected = {"detection_boxes", "detection_scores", "detection_classes", "num_detections"}
    assert expected <= set(outputs)
    assert ("detection_masks" in outputs) == model.startswith("mask_rcnn")


def test_an_archive_of_the_zoo_is_unpacked_and_its_weights_are_where_training_starts(
    data, tmp_path
):
    model = "ssd_mobilenet_v1_egohands"
    name = "ssd_mobilenet_v1_coco_2018_01_28"
    archive = zoo.write_archive(model, tmp_path / f"{name}.tar.gz")
    folder = tmp_path / name
    pretrained.unpack(archive, folder)
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint",
        "frozen_inference_graph.pb",
        "model.ckpt.data-00000-of-00001",
        "model.ckpt.index",
        "model.ckpt.meta",
        "pipeline.config",
        "saved_model",
    }
    assert pipeline.parse(folder / "pipeline.config").model.ssd.num_classes == zoo.CLASSES
    tf = compat.activate()
    reader = tf.train.load_checkpoint(str(folder / "model.ckpt"))
    with tf.Graph().as_default(), tf.Session() as session:
        ends = training_graph(model, data, folder / "model.ckpt")
        session.run(tf.global_variables_initializer())
        values = session.run({one.op.name: one for one in tf.global_variables()})
    restored = [name for name, what in ends.restored.items() if what == "restored"]
    assert len(restored) == 187
    for name in restored:
        assert np.array_equal(values[name], reader.get_tensor(name)), name
        average = values.get(f"{name}/ExponentialMovingAverage")
        assert average is None or np.array_equal(average, values[name])
    assert values["global_step"] == 0


def test_the_real_checkpoint_of_ssd_mobilenet_v2_has_these_shapes(tmp_path):
    """Known from what TensorFlow says of it in public: tensorflow/models issue 5315."""
    prefix = zoo.write_checkpoint("ssd_mobilenet_v2_egohands", tmp_path)
    shapes = compat.activate().train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    layer = "FeatureExtractor/MobilenetV2/layer_19_2_Conv2d"
    assert shapes[f"{layer}_2_3x3_s2_512/weights"] == [1, 1, 256, 512]
    assert shapes[f"{layer}_5_3x3_s2_128/weights"] == [1, 1, 64, 128]
    assert f"{layer}_2_3x3_s2_512_depthwise/depthwise_weights" in shapes


def test_a_checkpoint_of_another_network_is_refused(data, tmp_path):
    prefix = zoo.write_checkpoint("ssd_mobilenet_v1_egohands", tmp_path)
    with (
        compat.activate().Graph().as_default(),
        pytest.raises(UserError, match="not one of the model's weights is in"),
    ):
        training_graph("ssd_mobilenet_v2_egohands", data, prefix)


def test_without_its_checkpoint_training_says_how_to_get_it(data):
    config = pipeline.load("rfcn_resnet101_egohands", data=data)
    if (paths.PRETRAINED / "rfcn_resnet101_coco_2018_01_28").exists():
        pytest.skip("the checkpoint is there")
    with pytest.raises(UserError, match=r"models\.sh rfcn_resnet101_coco_2018_01_28 first"):
        restoration.require(config)


@pytest.mark.parametrize(
    ("suffix", "size", "reason"),
    [
        (".index", 50, "not an sstable"),
        (".index", 0, "file is too short to be an sstable"),
        (".data-00000-of-00001", 8, "Read less bytes than requested"),
    ],
)
def test_a_damaged_checkpoint_is_told_with_what_is_wrong(suffix, size, reason, tmp_path):
    tf = compat.activate()
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("weights", (100, 100))
        saver = tf.train.Saver()
        session.run(tf.global_variables_initializer())
        prefix = tmp_path / "model.ckpt-3"
        saver.save(session, str(prefix))
        os.truncate(f"{prefix}{suffix}", size)
        with (
            pytest.raises(UserError, match=rf"model\.ckpt-3 does not .* is damaged: {reason}"),
            evaluator.explain_misfit(prefix),
        ):
            saver.restore(session, str(prefix))


def test_a_variable_of_another_shape_is_told_with_both(tmp_path):
    tf = compat.activate()
    prefix = tmp_path / "model.ckpt-3"
    for size in (2, 3):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.get_variable("weights", (size,))
            saver = tf.train.Saver()
            if size == 2:
                session.run(tf.global_variables_initializer())
                saver.save(session, str(prefix))
                continue
            with (
                pytest.raises(UserError, match=r"damaged: Assign .* shape= \[3\] .* \[2\]$"),
                evaluator.explain_misfit(prefix),
            ):
                saver.restore(session, str(prefix))
