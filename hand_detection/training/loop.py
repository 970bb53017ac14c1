"""The loop: steps, checkpoints, evaluations, and an end when it is time for one."""

from __future__ import annotations

import math
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hand_detection import batches, checkpoints, pipeline, schedule, tfrecords
from hand_detection.api import compat
from hand_detection.console import Progress, UserError, say
from hand_detection.evaluator import explain_misfit
from hand_detection.paths import shown
from hand_detection.training import best, graph, record, report, restoration, summaries, towers
from hand_detection.training.assessment import Assessor
from hand_detection.training.distributed import Cluster, Team

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
        overrides: what the command line changes of the config, for the record.
        distribute: whether each batch is split over all local GPUs.
        cluster: the workers that train together, this process one of them.
    """

    seed: int
    evaluate_every: int
    keep: int = 5
    best_by: str = "AP"
    patience: int | None = None
    histograms: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)
    distribute: bool = False
    cluster: Cluster | None = None


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
    team = Team(options.cluster)
    last = checkpoints.latest(run) if team.is_chief else None
    done = ""
    if team.is_chief:
        done = _done(config, run, options, last)
        if not done:
            record.check_same_model(config, run)
            if last is None:
                restoration.require(config)
    step, all_done = _meet(team, config, options, examples, last[1] if last else 0, bool(done))
    if all_done:
        say(done or "the chief has nothing left to train")
        return True
    if not team.is_chief:
        step, why = _train(config, run, options, team, None, examples, last, step)
        say(f"worker {team.index} ends with step {step}: the chief keeps the run")
        return why != "signal"

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
        workers=team.size,
    )
    if step >= config.steps:  # killed while its last checkpoint was evaluated
        assessor.assess(step)
        why = team.agree("last step")
    else:
        step, why = _train(config, run, options, team, assessor, examples, last, step)
    record.end(run, step=step, seconds=time.monotonic() - started, why=why)
    if why == "signal":
        say(f"stopped at step {step}, saved; the same command goes on from there")
        return False
    reason = f", {options.patience} evaluations without gain" if why == "no gain" else ""
    say(f"trained to step {step}{reason}: {shown(run)}")
    say(f"report: {shown(report.write(run))}")
    return True


def _done(config: Any, run: Path, options: Options, last: tuple[Path, int] | None) -> str:
    """What to say if there is nothing left to train, else ""."""
    step = last[1] if last else 0
    if step >= config.steps and step in best.evaluated(run):
        return f"{shown(run)} is at step {step} of {config.steps} already; more: --steps N"
    if _out_of_patience(run, options):
        return f"{shown(run)} stopped at step {step} already; on: a larger --patience, or none"
    return ""


def _meet(
    team: Team, config: Any, options: Options, examples: int, step: int, done: bool
) -> tuple[int, bool]:
    """The chief's `step` and `done`, told to all workers, who must agree about the rest.

    Raises:
        UserError: a worker has another config, seed, step interval or data.
    """
    proto = type(config.proto)()
    proto.CopyFrom(config.proto)
    pipeline.clear_paths(proto)  # they may differ from machine to machine
    digest = zlib.crc32(proto.SerializeToString(deterministic=True))
    same = [digest, options.seed, options.evaluate_every, examples]
    rows = team.gather([step, int(done), *same])
    for index, row in enumerate(rows):
        if row[2:] != rows[0][2:]:
            raise UserError(
                f"worker {index} has another config, seed, --eval-every or number of examples "
                f"than the chief ({row[2:]}, {rows[0][2:]}): start all with the same command and "
                "the same data"
            )
    return rows[0][0], bool(rows[0][1])


def _train(
    config: Any,
    run: Path,
    options: Options,
    team: Team,
    assessor: Assessor | None,
    examples: int,
    last: tuple[Path, int] | None,
    step: int,
) -> tuple[int, str]:
    """Train on from `step`; the step reached, and why no further. Only a chief has `assessor`."""
    if step >= config.steps:
        return step, team.agree("last step")
    tf = compat.activate()
    steps, every = config.steps, options.evaluate_every
    with tf.Graph().as_default(), tf.device(team.device), _stop_signals() as stop:
        tf.set_random_seed(options.seed + team.index)
        dataset = batches.training_dataset(
            config,
            seed=options.seed,
            examples=examples,
            first=step * config.batch_size * team.size,
            workers=team.size,
            worker=team.index,
        )
        devices = towers.local_gpus() if options.distribute else []
        # Who is no chief gets the chief's weights.
        resumed = last is not None or not team.is_chief
        ends = graph.build(config, dataset, resumed=resumed, team=team, devices=devices)
        shared = team.share_variables()
        # A Saver of its own accord knows nothing of the checkpoints before a resumption.
        saver = tf.train.Saver(max_to_keep=None, save_relative_paths=True)
        histograms = summaries.histograms() if options.histograms else None
        with (
            team.failures_told(),
            team.session() as session,
            tf.summary.FileWriter(str(run / "train")) if assessor else nullcontext() as writer,
        ):
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            if last is not None:
                with explain_misfit(last[0]):
                    saver.restore(session, str(last[0]))
            session.run(shared)
            if assessor:
                _say_start(config, run, ends, examples, step, team)
                _write_settings(writer, config, options, step)
            session.run(ends.iterator.initializer)
            with Progress(steps, "train", "step", initial=step) as bar:
                while True:
                    until = min(steps, (step // every + 1) * every)
                    step, stopped = _run_steps(
                        session,
                        ends,
                        writer,
                        bar,
                        step,
                        until,
                        stop,
                        config,
                        options,
                        examples,
                        team,
                    )
                    why = "signal" if stopped else "last step" if step >= steps else ""
                    if assessor:
                        prefix = run / f"{checkpoints.PREFIX}-{step}"
                        saver.save(session, str(prefix), write_meta_graph=False)
                        checkpoints.prune(run, options.keep)
                        if histograms is not None:
                            writer.add_summary(session.run(histograms), step)
                        writer.flush()
                        if not stopped:
                            assessor.assess(step)
                            if not why and _out_of_patience(run, options):
                                why = "no gain"
                    why = team.agree(why)
                    if why:
                        return step, why


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
    team: Team,
) -> tuple[int, bool]:
    """Train from `step` to `until`; the step reached, and whether a signal to anyone ended it."""
    fetches = {
        "loss": ends.loss,
        "losses": ends.losses,
        "rate": ends.learning_rate,
        "stop": ends.stop,
    }
    since, counted = time.monotonic(), 0
    while step < until:
        # Several workers stop after the same step, once all know: they ask each other in it.
        if stop and team.size == 1:
            return step, True
        _, values = session.run(
            [ends.train_op, fetches], {ends.stopping: float(bool(stop))}, options=team.options()
        )
        step += 1
        counted += 1
        if not math.isfinite(values["loss"]):
            raise _not_finite(config, options, examples, step, values, team)
        bar.update(1, f"loss {values['loss']:.3f}")
        if values["stop"] > 0 and team.size > 1:
            return step, True
        if writer is not None and (step % LOG_EVERY == 0 or step == until):
            seconds = time.monotonic() - since
            scalars = {
                **values["losses"],
                "learning_rate": values["rate"],
                "global_step/sec": counted / seconds,
                "images/sec": counted * config.batch_size * team.size / seconds,
            }
            writer.add_summary(summaries.scalars(scalars), step)
            since, counted = time.monotonic(), 0
    return step, team.size == 1 and bool(stop)


def _not_finite(
    config: Any, options: Options, examples: int, step: int, values: dict[str, Any], team: Team
) -> UserError:
    parts = ", ".join(f"{name} {value:g}" for name, value in values["losses"].items())
    size = config.batch_size * team.size
    names = batches.file_names(
        config, seed=options.seed, examples=examples, first=(step - 1) * size, count=size
    )
    return UserError(
        f"the loss is {values['loss']} at step {step} ({parts}): lower the learning rate (--lr), "
        f"or look for boxes of no area in the labels; the batch was {', '.join(names)}"
    )


def _out_of_patience(run: Path, options: Options) -> bool:
    return options.patience is not None and best.without_gain(run) >= options.patience


def _say_start(
    config: Any, run: Path, ends: graph.Graph, examples: int, step: int, team: Team
) -> None:
    if step:
        say(f"resuming {shown(run)} from step {step}")
    elif ends.restored:
        restoration.say_fates(config.proto.train_config.fine_tune_checkpoint, ends.restored)
    else:
        say("from random weights: the config names no fine_tune_checkpoint")
    say(
        f"{config.name}: {examples} examples, batches of {config.batch_size}"
        + (f" on each of {team.size} workers, " if team.size > 1 else ", ")
        + f"steps {step} to {config.steps}, into {shown(run)}"
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
