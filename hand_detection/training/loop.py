"""The loop: steps, checkpoints, evaluations, and an end when it is time for one."""

from __future__ import annotations

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hand_detection import batches, checkpoints, frames, pipeline, runs, schedule, tfrecords
from hand_detection.api import compat
from hand_detection.console import Progress, UserError, say, stop_signals
from hand_detection.evaluator import explain_misfit
from hand_detection.paths import shown
from hand_detection.training import best, graph, precision, record, report, restoration, summaries
from hand_detection.training.assessment import Assessor
from hand_detection.training.distributed import Cluster, Team
from hand_detection.training.towers import local_gpus

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
        distribute: whether each batch is split over all local GPUs.
        cluster: the workers that train together, this process one of them; None: alone.
    """

    seed: int
    evaluate_every: int
    keep: int
    best_by: str = "AP"
    patience: int | None = None
    histograms: bool = False
    precision: str = precision.FLOAT32
    overrides: dict[str, Any] = field(default_factory=dict)
    distribute: bool = False
    cluster: Cluster | None = None


def train(config: Any, run: Path, options: Options) -> bool:
    """Train `config` in the folder `run`, from its last checkpoint if it has one.

    Args:
        config: a pipeline.Pipeline.
        run: the run's folder; of several workers only the chief reads and writes it.
        options: see there.

    Returns:
        Whether the training is done, by its last step or for want of gain; False if a signal
        ended it before.

    Raises:
        UserError: something is missing or does not fit, or the loss is no longer finite.
    """
    records, examples = check(config)
    with Team(options.cluster) as team:
        job = _Job(config, run, options, records, examples, team)
        return _train_as_chief(job) if team.is_chief else _train_beside_chief(job)


def check(config: Any) -> tuple[list[Path], int]:
    """The training records, and how many examples they hold.

    Raises:
        UserError: they are missing or damaged, or the config asks for what they do not have.
    """
    reader = config.proto.train_input_reader
    records = pipeline.record_files(reader)
    examples = tfrecords.examples_in(records)
    if examples < 1:
        raise UserError(f"no examples in {shown(records[0])}: run ./create_tfrecords.sh again")
    pipeline.check_masks(config)
    pipeline.check_proposals(config)
    frames.require_fit(reader, records)
    return records, examples


@dataclass(frozen=True)
class _Job:
    """What all parts of a training go by."""

    config: Any
    run: Path
    options: Options
    records: list[Path]
    examples: int
    team: Team

    @property
    def batch_size(self) -> int:
        """Images a step, those of all workers."""
        return self.config.batch_size * self.team.size


def _train_as_chief(job: _Job) -> bool:
    config, run, options, team = job.config, job.run, job.options, job.team
    checkpoints.clear(run)
    last = checkpoints.latest(run)
    step = last[1] if last else 0
    why, already = "", ""
    if step >= config.steps and step in runs.validated(run):
        why, already = "last step", f"is at step {step} of {config.steps} already; more: --steps N"
    elif _out_of_patience(run, options):
        why, already = "no gain", f"stopped at step {step} already"
        already += "; on: a larger --patience, or none"
    if why and report.is_current(run):  # else killed between its last step and the report
        _meet(job, config.steps)
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
        records=job.records,
        examples=job.examples,
        first_step=step,
        workers=team.size,
    )
    if not why and _is_due(step, config, options) and step not in runs.validated(run):
        assessor.assess(step)  # killed while that was done
        if step >= config.steps:
            why = "last step"
        elif _out_of_patience(run, options):
            why = "no gain"
    _meet(job, config.steps if why else step)
    if not why:
        step, why = _train(job, assessor, last, step)
    record.end(run, step=step, seconds=time.monotonic() - started, why=why)
    if why == "signal":
        say(f"stopped at step {step}, saved; the same command goes on from there")
        return False
    reason = f", {options.patience} evaluations without gain" if why == "no gain" else ""
    say(f"trained to step {step}{reason}: {shown(run)}")
    say(f"report: {shown(report.write(run))}")
    return True


def _train_beside_chief(job: _Job) -> bool:
    step, why = _meet(job, 0), "last step"
    if step < job.config.steps:
        step, why = _train(job, None, None, step)
    say(f"worker {job.team.index} ends at step {step}: the chief keeps the run")
    return why != "signal"


def _meet(job: _Job, step: int) -> int:
    """The chief's `step`, from which all go on; at the config's last there is nothing to train.

    Raises:
        UserError: a worker has another config, seed, step interval or data.
    """
    team, options = job.team, job.options
    mine = (pipeline.digest(job.config.proto), options.seed, options.evaluate_every, job.examples)
    (step, *chiefs), *others = team.gather([step, *mine])
    for index, (_, *its) in enumerate(others, start=1):
        if its != chiefs:
            raise UserError(
                f"worker {index} has another config, seed, --eval-every or number of examples "
                f"than the chief ({its}, {chiefs}): start all with the same command and data"
            )
    if step >= job.config.steps:
        team.part()
    return step


def _train(
    job: _Job, assessor: Assessor | None, last: tuple[Path, int] | None, step: int
) -> tuple[int, str]:
    """Train on from `step`; the step reached, and why no further.

    Args:
        job: see there.
        assessor: the chief's; None on other workers.
        last: the run's last checkpoint, the chief's too.
        step: where to begin.
    """
    tf = compat.activate()
    config, run, options, team = job.config, job.run, job.options, job.team
    steps, every = config.steps, options.evaluate_every
    with tf.Graph().as_default(), tf.device(team.device), stop_signals() as stop:
        # On all workers alike: it goes into the order of the examples too, which they share.
        tf.set_random_seed(options.seed)
        dataset = batches.training_dataset(
            config,
            seed=options.seed,
            examples=job.examples,
            first=step * job.batch_size,
            workers=team.size,
            worker=team.index,
        )
        origin = last[0] if last else Path(config.proto.train_config.fine_tune_checkpoint)
        with (
            explain_misfit(origin),
            pipeline.explain_refusal(config),
            precision.gradients(options.precision),
        ):
            ends = graph.build(
                config,
                dataset,
                # Who is no chief gets the chief's weights.
                resumed=last is not None or not team.is_chief,
                team=team,
                devices=local_gpus() if options.distribute else (),
            )
        shared = team.share_variables()
        # A Saver of its own accord knows nothing of the checkpoints before a resumption.
        saver = tf.train.Saver(max_to_keep=None, save_relative_paths=True)
        histograms = summaries.histograms() if options.histograms else None
        with (
            frames.explain_damage(job.records),
            team.session(precision.session_config(options.precision)) as session,
            tf.summary.FileWriter(str(run / "train")) if assessor else nullcontext() as writer,
            Progress(steps, "train", "step", initial=step) as bar,
        ):
            with explain_misfit(origin):
                session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            if last is not None:
                with explain_misfit(last[0]):
                    saver.restore(session, str(last[0]))
            team.run(session, shared)
            session.run(ends.iterator.initializer)
            if assessor:
                _say_start(job, ends, step, resumed=last is not None)
                _write_settings(writer, config, options, step)
            while True:
                until = min(steps, (step // every + 1) * every)
                step, stopped = _run_steps(job, session, ends, writer, bar, step, until, stop)
                why = "signal" if stopped else "last step" if step >= steps else ""
                if assessor:
                    # Before the checkpoint, from which a run that is killed now will go on.
                    if histograms is not None:
                        writer.add_summary(session.run(histograms), step)
                    writer.flush()
                    prefix = run / f"{checkpoints.PREFIX}-{step}"
                    saver.save(session, str(prefix), write_meta_graph=False)
                    checkpoints.prune(run, options.keep)
                    if not stopped:
                        assessor.assess(step)
                        if not why and _out_of_patience(run, options):
                            why = "no gain"
                why = team.agree(why)
                if why:
                    return step, why


def _run_steps(
    job: _Job,
    session: Any,
    ends: graph.Graph,
    writer: Any,
    bar: Progress,
    step: int,
    until: int,
    stop: list[int],
) -> tuple[int, bool]:
    """Train from `step` to `until`; the step reached, and whether a signal to anyone ended it."""
    team = job.team
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
        _, values = team.run(session, [ends.train_op, fetches], {ends.stopping: float(bool(stop))})
        step += 1
        counted += 1
        if not math.isfinite(values["loss"]):
            team.part()  # all see it at this step
            raise _not_finite(job, step, values)
        bar.update(1, f"loss {values['loss']:.3f}")
        if values["stop"] > 0 and team.size > 1:
            return step, True
        if writer is not None and (step % LOG_EVERY == 0 or step == until):
            seconds = time.monotonic() - since
            scalars = {
                **values["losses"],
                "learning_rate": values["rate"],
                "global_step/sec": counted / seconds,
                "images/sec": counted * job.batch_size / seconds,
            }
            writer.add_summary(summaries.scalars(scalars), step)
            since, counted = time.monotonic(), 0
    return step, team.size == 1 and bool(stop)


def _not_finite(job: _Job, step: int, values: dict[str, Any]) -> UserError:
    parts = ", ".join(f"{name} {value:g}" for name, value in values["losses"].items())
    names = batches.file_names(
        job.config,
        seed=job.options.seed,
        examples=job.examples,
        first=(step - 1) * job.batch_size,
        count=job.batch_size,
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


def _say_start(job: _Job, ends: graph.Graph, step: int, *, resumed: bool) -> None:
    config = job.config
    if resumed:
        say(f"resuming {shown(job.run)} from step {step}")
    elif ends.restored:
        restoration.say_fates(config.proto.train_config.fine_tune_checkpoint, ends.restored)
    else:
        say("from random weights: the config names no fine_tune_checkpoint")
    where = f" on each of {job.team.size} workers" if job.team.size > 1 else ""
    say(
        f"{config.name}: {job.examples} examples, batches of {config.batch_size}{where}, "
        f"steps {step} to {config.steps}, into {shown(job.run)}"
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
