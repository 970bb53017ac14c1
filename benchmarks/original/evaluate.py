"""Time the API's own evaluation on TensorFlow 1.15: what model_main does with a checkpoint.

    DIR/venv/bin/python benchmarks/original/evaluate.py CONFIG CHECKPOINT

DIR is made by setup.sh. CONFIG is a pipeline.config with absolute paths: it names the records. The
last line of stdout is the figures as JSON. The time runs from the end of the first frame to the
known metrics, over the frames after the first.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
import tempfile
import time

import timing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="the prefix of its files")
    arguments = parser.parse_args()

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from object_detection import model_hparams, model_lib

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    ends = []

    class Note(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            ends.append(time.monotonic())

    # pycocotools prints to stdout, where the figures alone shall stand.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        made = model_lib.create_estimator_and_inputs(
            run_config=tf.estimator.RunConfig(model_dir=folder),
            hparams=model_hparams.create_hparams(None),
            pipeline_config_path=arguments.config,
            train_steps=1,
            sample_1_of_n_eval_examples=1,
        )
        metrics = made["estimator"].evaluate(
            made["eval_input_fns"][0], hooks=[Note()], checkpoint_path=arguments.checkpoint
        )
    seconds = time.monotonic() - ends[0]
    # The run that finds the records at their end calls no after_run.
    figures = {
        "tensorflow": tf.__version__,
        "frames": len(ends),
        "frames_per_second": round((len(ends) - 1) / seconds, 3),
        "AP": round(float(metrics["DetectionBoxes_Precision/mAP"]), 6),
        "AP50": round(float(metrics["DetectionBoxes_Precision/mAP@.50IOU"]), 6),
        "peak_mb": timing.peak_mb(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
