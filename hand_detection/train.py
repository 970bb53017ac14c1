"""Training: the loop around the API's model, losses and optimizer. Step 5.

    python -m hand_detection.train MODEL [--steps N] [--data DIR] [--seed S] [--overwrite] ...

A run lives in runs/MODEL:
    model.ckpt-STEP.*   checkpoints; the newest is found by looking
    pipeline.config     the config as it was used, overrides included
    run.json            versions, commit, data manifest, seed: what produced the run
    train/, eval/       TensorBoard's event files
"""

from __future__ import annotations

import math
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from hand_detection import checkpoints, coco, console, files, models, options
from hand_detection.api import batched_mining, batched_targets, compat
from hand_detection.console import Progress, UserError, say
from hand_detection.paths import API, ROOT, shown

SEED = 2018
EVALUATE_EVERY = 500  # steps; a quarter of the training if that is less
LOG_EVERY = 10  # steps between two points of TensorBoard's curves
KEEP = 5  # checkpoints


def main() -> None:
    parser = options.parser(
        "train.sh",
        "Step 5: train a model; a run that was begun is resumed from its last checkpoint.",
    )
    options.add_model(parser)
    number = console.positive_number
    parser.add_argument("--steps", type=number, help="train up to this step (config's)")
    parser.add_argument("--batch-size", type=number, help="images a step (config's)")
    parser.add_argument(
        "--eval-every",
        type=console.positive_number,
        metavar="STEPS",
        help=f"save and evaluate this often (default: {EVALUATE_EVERY}, or a quarter of a "
        "shorter training)",
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help="of weights, order and augmentation (%(default)s)"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="start anew; the earlier run is moved to runs/MODEL.1, .2, ... and never deleted",
    )
    options.add_common(parser)
    arguments = parser.parse_args()
    run = checkpoints.run_folder(arguments.model, arguments.run)

    from hand_detection import pipeline

    settings = list(arguments.set)
    if arguments.batch_size:
        settings.append(f"train_config.batch_size={arguments.batch_size}")
    config = pipeline.load(arguments.model, data=arguments.data, settings=tuple(settings))
    if arguments.steps:
        pipeline.set_steps(config.proto, arguments.steps)
    if arguments.overwrite:
        files.move_aside(run)
    with files.sole_writer(run):
        finished = train(config, run, seed=arguments.seed, evaluate_every=arguments.eval_every)
    name = f"{arguments.model}" + (f" --run {arguments.run}" if arguments.run else "")
    if not finished:
        sys.exit(128 + signal.SIGINT)
    say(f"TensorBoard: .venv/bin/tensorboard --logdir {shown(run)}")
    say(f"Next: step 6, ./eval.sh {name}")


@dataclass
class Graph:
    """The training graph's ends, and what is known about its making."""

    train_op: Any
    loss: Any
    losses: dict[str, Any]
    learning_rate: Any
    iterator: Any
    saver: Any
    restored: dict[str, str] = field(default_factory=dict)  # variable -> what became of it


def train(config: Any, run: Path, *, seed: int, evaluate_every: int | None) -> bool:
    """Train `config` in the folder `run`, from its last checkpoint if it has one.

    Args:
        config: a pipeline.Pipeline.
        run: the run's folder.
        seed: of the initial weights, the order of the examples and their augmentation.
        evaluate_every: steps between two checkpoints, each of them evaluated.

    Returns:
        Whether the last step was reached; False if a signal ended the training before.

    Raises:
        UserError: something is missing or does not fit, or the loss is no longer finite.
    """
    from hand_detection import batches, pipeline, tfrecords
    from hand_detection.evaluate import Evaluator, explain_misfit, write_summaries

    steps = config.steps
    every = evaluate_every or min(EVALUATE_EVERY, max(1, steps // 4))
    records = pipeline.record_files(config.proto.train_input_reader)
    examples = tfrecords.examples_in(records)
    if examples < 1:
        raise UserError(f"no examples in {shown(records[0])}: run ./create_tfrecords.sh again")
    last = checkpoints.latest(run)
    first_step = last[1] if last else 0
    if first_step >= steps:
        say(f"{shown(run)} is at step {first_step} of {steps} already; more: --steps N")
        return True
    _check_same_model(config, run)
    if last is None:
        _require_checkpoint(config)

    tf = compat.activate()
    evaluator = Evaluator(config)
    with tf.Graph().as_default(), _stop_signals() as stop:
        tf.set_random_seed(seed)
        dataset = batches.training_dataset(
            config, seed=seed, examples=examples, first=first_step * config.batch_size
        )
        graph = _build(tf, config, dataset, resumed=last is not None)
        _say_start(config, run, graph, examples, first_step)
        _record(config, run, seed, records, examples, first_step)
        with tf.Session() as session, tf.summary.FileWriter(str(run / "train")) as writer:
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            if last is not None:
                with explain_misfit(last[0]):
                    graph.saver.restore(session, str(last[0]))
            session.run(graph.iterator.initializer)
            step = first_step
            with Progress(steps, "train", "step", initial=first_step) as bar:
                while step < steps:
                    until = min(steps, (step // every + 1) * every)
                    step = _run_steps(session, graph, writer, bar, step, until, stop, config)
                    checkpoint = run / f"{checkpoints.PREFIX}-{step}"
                    graph.saver.save(session, str(checkpoint), write_meta_graph=False)
                    if stop:
                        say(f"stopped at step {step}, saved; the same command goes on from there")
                        return False
                    result = evaluator.run(checkpoint)
                    write_summaries(run / "eval", evaluator, result, step)
                    files.write_json(
                        run / f"eval-val-{step}.json",
                        result.record(
                            config.name, run / f"{checkpoints.PREFIX}-{step}", step, "val"
                        ),
                    )
                    numbers = result.numbers
                    say(
                        f"step {step}: AP {numbers[coco.AP]:.3f}, AP50 {numbers[coco.AP50]:.3f}, "
                        f"AP75 {numbers[coco.AP75]:.3f} on {len(result.images)} images"
                    )
    say(f"trained to step {steps}: {shown(run)}")
    return True


def _run_steps(
    session: Any,
    graph: Graph,
    writer: Any,
    bar: Progress,
    step: int,
    until: int,
    stop: list[int],
    config: Any,
) -> int:
    """Train from `step` to `until`, or to the step at which a signal came; return the step."""
    tf = compat.activate()
    fetches = {"loss": graph.loss, "losses": graph.losses, "rate": graph.learning_rate}
    since, counted = time.monotonic(), 0
    while step < until and not stop:
        _, values = session.run([graph.train_op, fetches])
        step += 1
        counted += 1
        if not math.isfinite(values["loss"]):
            parts = ", ".join(f"{name} {value:g}" for name, value in values["losses"].items())
            raise UserError(
                f"the loss is {values['loss']} at step {step} ({parts}): lower the learning rate, "
                "or look for boxes of no area in the labels"
            )
        bar.update(1, f"loss {values['loss']:.3f}")
        if step % LOG_EVERY == 0 or step == until:
            seconds = time.monotonic() - since
            scalars = {
                **values["losses"],
                "learning_rate": values["rate"],
                "global_step/sec": counted / seconds,
                "images/sec": counted * config.batch_size / seconds,
            }
            since, counted = time.monotonic(), 0
            points = [
                tf.Summary.Value(tag=tag, simple_value=float(value))
                for tag, value in scalars.items()
            ]
            writer.add_summary(tf.Summary(value=points), step)
    return step


def _build(tf: Any, config: Any, dataset: Any, *, resumed: bool) -> Graph:
    """The training graph, by the API's own model_fn; what it keeps to itself is noted down."""
    from object_detection import model_lib
    from object_detection.builders import model_builder, optimizer_builder
    from object_detection.core import losses, target_assigner

    from hand_detection import pipeline

    proto = config.proto
    iterator = tf.data.make_initializable_iterator(dataset)
    features, labels = iterator.get_next()
    noted: dict[str, Any] = {"rates": [], "losses": {}, "assignment": {}}

    def detection_model(is_training: bool, **_: Any) -> Any:
        # Without the API's summaries: some of them draw with matplotlib at every step.
        model = model_builder.build(proto.model, is_training=is_training, add_summaries=False)
        loss, restore_map = model.loss, model.restore_map

        def noting_loss(*args: Any, **kwargs: Any) -> Any:
            noted["losses"] = loss(*args, **kwargs)
            return noted["losses"]

        def noting_restore_map(*args: Any, **kwargs: Any) -> Any:
            noted["assignment"] = restore_map(*args, **kwargs)
            return noted["assignment"]

        model.loss, model.restore_map = noting_loss, noting_restore_map
        return model

    build_optimizer = optimizer_builder.build

    def noting_optimizer(*args: Any, **kwargs: Any) -> Any:
        optimizer, rates = build_optimizer(*args, **kwargs)
        noted["rates"] = rates
        return optimizer, rates

    quick_assign = batched_targets.batch_assign_targets(target_assigner.batch_assign_targets)
    quick_mining = batched_mining.hard_example_miner(losses.HardExampleMiner.__call__)
    train_config = type(proto.train_config)()
    train_config.CopyFrom(proto.train_config)
    if resumed:
        train_config.ClearField("fine_tune_checkpoint")
    configs = {
        "model": proto.model,
        "train_config": train_config,
        "eval_config": proto.eval_config,
        "eval_input_config": pipeline.eval_reader(proto),
    }
    model_fn = model_lib.create_model_fn(
        detection_model, configs, SimpleNamespace(load_pretrained=True)
    )
    with (
        mock.patch.object(optimizer_builder, "build", noting_optimizer),
        mock.patch.object(target_assigner, "batch_assign_targets", quick_assign),
        mock.patch.object(losses.HardExampleMiner, "__call__", quick_mining),
    ):
        spec = model_fn(features, labels, model_lib.tf.estimator.ModeKeys.TRAIN)
    parts = {name: tf.convert_to_tensor(value) for name, value in noted["losses"].items()}
    parts["Loss/total_loss"] = spec.loss
    rate = noted["rates"][0] if noted["rates"] else tf.constant(0.0)
    graph = Graph(
        train_op=spec.train_op,
        loss=spec.loss,
        losses=parts,
        learning_rate=rate,
        iterator=iterator,
        saver=tf.train.Saver(max_to_keep=KEEP, save_relative_paths=True),
    )
    if train_config.fine_tune_checkpoint:
        graph.restored = _restoration(tf, noted["assignment"], train_config.fine_tune_checkpoint)
    return graph


def _restoration(tf: Any, assignment: dict[str, Any], checkpoint: str) -> dict[str, str]:
    """What becomes of each model variable: "restored", "new", or why it is skipped.

    Raises:
        UserError: nothing is restored.
    """
    shapes = tf.train.load_checkpoint(checkpoint).get_variable_to_shape_map()
    fate: dict[str, str] = {}
    for name, variable in assignment.items():
        own = variable.shape.as_list()
        if name not in shapes:
            fate[variable.op.name] = "new"
        elif shapes[name] != own:
            fate[variable.op.name] = f"shape {own} here, {shapes[name]} in the checkpoint"
        else:
            fate[variable.op.name] = "restored"
    model = {variable.op.name for variable in tf.model_variables()}
    for name in sorted(model - set(fate)):
        fate[name] = "new"
    if "restored" not in fate.values():
        raise UserError(
            f"not one variable of the model is in {shown(checkpoint)}: it belongs to another "
            "network, or fine_tune_checkpoint_type should be the other of classification/detection"
        )
    return fate


def _say_start(config: Any, run: Path, graph: Graph, examples: int, first_step: int) -> None:
    proto = config.proto
    if first_step:
        say(f"resuming {shown(run)} from step {first_step}")
    else:
        fates = list(graph.restored.values())
        restored, new = fates.count("restored"), fates.count("new")
        say(f"from {shown(proto.train_config.fine_tune_checkpoint)}:")
        say(f"  {restored} variables restored, {new} new, {len(fates) - restored - new} skipped")
        for name, fate in graph.restored.items():
            if fate not in ("restored", "new"):
                say(f"  skipped {name}: {fate}")
    say(
        f"{config.name}: {examples} examples, batches of {config.batch_size}, "
        f"steps {first_step} to {config.steps}, into {shown(run)}"
    )


def _record(
    config: Any, run: Path, seed: int, records: list[Path], examples: int, first_step: int
) -> None:
    """Write down what produces this run; each resumption adds an entry."""
    from hand_detection import tfrecords

    path = run / "run.json"
    history = files.read_json(path) if path.exists() else []
    manifest = records[0].parent / tfrecords.MANIFEST
    history.append(
        {
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": sys.argv[1:],
            "first_step": first_step,
            "steps": config.steps,
            "batch_size": config.batch_size,
            "seed": seed,
            "examples": examples,
            "records": {
                "folder": shown(records[0].parent),
                "manifest_sha256": files.sha256(manifest) if manifest.exists() else None,
            },
            "commit": _commit(),
            "api": files.read_json(API / "PORT.json")["source"],
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "protobuf", "tf-keras", "tf-slim")},
                "tensorflow": compat.activate().__version__,
            },
            "cpus": len(os.sched_getaffinity(0)),
        }
    )
    files.write_json(path, history)
    files.write_text(run / "pipeline.config", config.text())


def _commit() -> str | None:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout.strip() or None


def _check_same_model(config: Any, run: Path) -> None:
    """A run is one model; going on with another would fail late, or worse, would not.

    Raises:
        UserError: the run was begun with another `model` block.
    """
    from hand_detection import pipeline

    used = run / "pipeline.config"
    if used.exists() and pipeline.parse(used).model != config.proto.model:
        raise UserError(
            f"the model block of the config is not that of {shown(used)}: train under another "
            "name with --run NAME, or start anew with --overwrite"
        )


def _require_checkpoint(config: Any) -> None:
    checkpoint = config.proto.train_config.fine_tune_checkpoint
    if checkpoint and not Path(f"{checkpoint}.index").exists():
        folder = Path(checkpoint).parent
        offline = " --offline" if folder.name == models.IMAGENET_BACKBONE.name else ""
        raise UserError(
            f"{shown(checkpoint)}.index is missing: run "
            f"./download_pretrained_models.sh{offline} first"
        )


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that is empty until SIGINT or SIGTERM comes; the loop then saves and ends."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        if received:  # asked twice: at once
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    console.run(main)
