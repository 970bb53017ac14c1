"""Time the API's own training on TensorFlow 1.15: what model_main does, for some steps.

    DIR/venv/bin/python benchmarks/original/train_step.py CONFIG --steps N

DIR is made by setup.sh. CONFIG is a pipeline.config with absolute paths: it names the records, the
checkpoint to start from and the batch size. The last line of stdout is the figures as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile

import timing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="(30)")
    arguments = parser.parse_args()
    if arguments.steps <= timing.WARM_UP:
        parser.error(f"--steps: more than {timing.WARM_UP} are needed")

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from object_detection import model_hparams, model_lib
    from object_detection.utils import config_util

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    clock = timing.StepClock()

    class Note(tf.train.SessionRunHook):
        def before_run(self, run_context):
            clock.begin()

        def after_run(self, run_context, run_values):
            clock.step()

    batch_size = config_util.get_configs_from_pipeline_file(arguments.config)[
        "train_config"
    ].batch_size
    with tempfile.TemporaryDirectory() as folder:
        made = model_lib.create_estimator_and_inputs(
            # No checkpoints: writing one is not a step.
            run_config=tf.estimator.RunConfig(
                model_dir=folder, save_checkpoints_steps=None, save_checkpoints_secs=None
            ),
            hparams=model_hparams.create_hparams(None),
            pipeline_config_path=arguments.config,
            train_steps=arguments.steps,
            sample_1_of_n_eval_examples=1,
        )
        made["estimator"].train(made["train_input_fn"], hooks=[Note()], steps=arguments.steps)
    figures = {"tensorflow": tf.__version__, "batch_size": batch_size, "steps": arguments.steps}
    figures.update(clock.figures(batch_size))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
