"""The loop: steps, checkpoints, evaluations, and an end when it is time for one."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hand_detection import batches, checkpoints, frames, pipeline, schedule, tfrecords
from hand_detection.api import compat
from hand_detection.console import Progress, UserError, say, stop_signals
from hand_detection.evaluator import explain_misfit
from hand_detection.paths import shown
from hand_detection.training import best, graph, precision, record, report, restoration, summaries
from hand_detection.training.assessment import Assessor

LOG_EVERY = 10  # steps between two points of TensorBoard's curves


@dataclass(frozen=True)
class Options:
    """How to train, beside what the config says.

    Attributes:
        seed: of the initial weights, the order of the examples and their augmentation.
        evaluate_every: steps between two checkpoints, each of them evaluated.
        keep: how many checkpoints stay, the best aside.
        best_by: the metric that decides on the best one, a key of `best.METRICS`.
        patience: stop after so many evaluations without a better one; None: never.
        histograms: whether TensorBoard gets the weights' histograms at each checkpoint.
        precision: of the arithmetic, one of `precision.CHOICES`.
        overrides: what the command line changes of the config, for the record.
    """

    seed: int
    evaluate_every: int
    keep: int = 5
    best_by: str = "AP"
    patience: int | None = None
    histograms: bool = False
    precision: str = precision.FLOAT32
    overrides: dict[str, Any] = field(default_factory=dict)


def train(config: Any, run: Path, options: Options) -> bool:
    """Train `config` in the folder `run`, from its last checkpoint if it has one.

    Args:
        config: a pipeline.Pipeline.
        run: the run's folder.
        options: see there.

    Returns:
        Whether the training is done, by its last step or for want of gain; False if a signal
        ended it before.

    Raises:
        UserError: something is missing or does not fit, or the loss is no longer finite.
    """
    records = pipeline.record_files(config.proto.train_input_reader)
    examples = tfrecords.examples_in(records)
    if examples < 1:
        raise UserError(f"no examples in {shown(records[0])}: run ./create_tfrecords.sh again")
    pipeline.check_masks(config)
    pipeline.check_proposals(config)
    frames.require_masks(config.proto.train_input_reader, records)
    checkpoints.clear(run)
    last = checkpoints.latest(run)
    step = last[1] if last else 0
    why, already = "", ""
    if step >= config.steps and step in best.evaluated(run):
        why, already = "last step", f"is at step {step} of {config.steps} already; more: --steps N"
    elif _out_of_patience(run, options):
        why, already = "no gain", f"stopped at step {step} already"
        already += "; on: a larger --patience, or none"
    if why and report.is_current(run):  # else killed between its last step and the report
        say(f"{shown(run)} {already}")
        return True
    record.check_same_model(config, run)
    if last is None:
        restoration.require(config)

    started = time.monotonic()
    assessor = Assessor(config, run, options.best_by)
    record.begin(
        config,
        run,
        seed=options.seed,
        overrides=options.overrides,
        records=records,
        examples=examples,
        first_step=step,
    )
    if not why and _is_due(step, config, options) and step not in best.evaluated(run):
        assessor.assess(step)  # killed while that was done
        if step >= config.steps:
            why = "last step"
        elif _out_of_patience(run, options):
            why = "no gain"
    if not why:
        with frames.explain_damage(records):
            step, why = _train(config, run, options, assessor, examples, last)
    record.end(run, step=step, seconds=time.monotonic() - started, why=why)
    if why == "signal":
        say(f"stopped at step {step}, saved; the same command goes on from there")
        return False
    reason = f", {options.patience} evaluations without gain" if why == "no gain" else ""
    say(f"trained to step {step}{reason}: {shown(run)}")
    say(f"report: {shown(report.write(run))}")
    return True


def _train(
    config: Any,
    run: Path,
    options: Options,
    assessor: Assessor,
    examples: int,
    last: tuple[Path, int] | None,
) -> tuple[int, str]:
    """Train on from `last`; the step reached, and why no further."""
    tf = compat.activate()
    step, steps, every = last[1] if last else 0, config.steps, options.evaluate_every
    with tf.Graph().as_default(), stop_signals() as stop:
        tf.set_random_seed(options.seed)
        dataset = batches.training_dataset(
            config, seed=options.seed, examples=examples, first=step * config.batch_size
        )
        origin = last[0] if last else Path(config.proto.train_config.fine_tune_checkpoint)
        with explain_misfit(origin), pipeline.explain_refusal(config):
            ends = graph.build(config, dataset, resumed=last is not None)
        # A Saver of its own accord knows nothing of the checkpoints before a resumption.
        saver = tf.train.Saver(max_to_keep=None, save_relative_paths=True)
        histograms = summaries.histograms() if options.histograms else None
        _say_start(config, run, ends, examples, step)
        with (
            tf.Session(config=precision.session_config(options.precision)) as session,
            tf.summary.FileWriter(str(run / "train")) as writer,
        ):
            with explain_misfit(origin):
                session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            if last is not None:
                with explain_misfit(last[0]):
                    saver.restore(session, str(last[0]))
            _write_settings(writer, config, options, step)
            session.run(ends.iterator.initializer)
            with Progress(steps, "train", "step", initial=step) as bar:
                while True:
                    until = min(steps, (step // every + 1) * every)
                    step = _run_steps(
                        session, ends, writer, bar, step, until, stop, config, options, examples
                    )
                    # Before the checkpoint, from which a run that is killed now will go on.
                    if histograms is not None:
                        writer.add_summary(session.run(histograms), step)
                    writer.flush()
                    prefix = run / f"{checkpoints.PREFIX}-{step}"
                    saver.save(session, str(prefix), write_meta_graph=False)
                    checkpoints.prune(run, options.keep)
                    if stop:
                        return step, "signal"
                    assessor.assess(step)
                    if step >= steps:
                        return step, "last step"
                    if _out_of_patience(run, options):
                        return step, "no gain"


def _run_steps(
    session: Any,
    ends: graph.Graph,
    writer: Any,
    bar: Progress,
    step: int,
    until: int,
    stop: list[int],
    config: Any,
    options: Options,
    examples: int,
) -> int:
    """Train from `step` to `until`, or to the step at which a signal came; return the step."""
    fetches = {"loss": ends.loss, "losses": ends.losses, "rate": ends.learning_rate}
    since, counted = time.monotonic(), 0
    while step < until and not stop:
        _, values = session.run([ends.train_op, fetches])
        step += 1
        counted += 1
        if not math.isfinite(values["loss"]):
            raise _not_finite(config, options, examples, step, values)
        bar.update(1, f"loss {values['loss']:.3f}")
        if step % LOG_EVERY == 0 or step == until:
            seconds = time.monotonic() - since
            scalars = {
                **values["losses"],
                "learning_rate": values["rate"],
                "global_step/sec": counted / seconds,
                "images/sec": counted * config.batch_size / seconds,
            }
            writer.add_summary(summaries.scalars(scalars), step)
            since, counted = time.monotonic(), 0
    return step


def _not_finite(
    config: Any, options: Options, examples: int, step: int, values: dict[str, Any]
) -> UserError:
    parts = ", ".join(f"{name} {value:g}" for name, value in values["losses"].items())
    size = config.batch_size
    names = batches.file_names(
        config, seed=options.seed, examples=examples, first=(step - 1) * size, count=size
    )
    return UserError(
        f"the loss is {values['loss']} at step {step} ({parts}): lower the learning rate (--lr), "
        f"or look for boxes of no area in the labels; the batch was {', '.join(names)}"
    )


def _is_due(step: int, config: Any, options: Options) -> bool:
    """Whether the checkpoint of `step` is one to be evaluated, and not a signal's."""
    return step > 0 and (step >= config.steps or step % options.evaluate_every == 0)


def _out_of_patience(run: Path, options: Options) -> bool:
    return options.patience is not None and best.without_gain(run) >= options.patience


def _say_start(config: Any, run: Path, ends: graph.Graph, examples: int, step: int) -> None:
    if step:
        say(f"resuming {shown(run)} from step {step}")
    elif ends.restored:
        restoration.say_fates(config.proto.train_config.fine_tune_checkpoint, ends.restored)
    else:
        say("from random weights: the config names no fine_tune_checkpoint")
    say(
        f"{config.name}: {examples} examples, batches of {config.batch_size}, "
        f"steps {step} to {config.steps}, into {shown(run)}"
    )


def _write_settings(writer: Any, config: Any, options: Options, step: int) -> None:
    """The config as text and the main settings, for TensorBoard."""
    train_config = config.proto.train_config
    settings = {
        "model": config.name,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "learning_rate": schedule.base_rate(config.proto),
        "optimizer": train_config.optimizer.WhichOneof("optimizer"),
        "seed": options.seed,
    }
    writer.add_summary(summaries.config_text(config.text()), step)
    writer.add_summary(summaries.hyperparameters(settings), step)
