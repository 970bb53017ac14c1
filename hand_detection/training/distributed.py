"""Several machines on one training, by TensorFlow's own servers and collective operations.

Each worker computes the gradients of its own part of every batch; an all-reduce makes their mean,
and every worker applies it to its own copy of the weights, which therefore stay alike. Worker 0,
the chief, also writes checkpoints, events and records. Batch norm uses each worker's own batch.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hand_detection import console
from hand_detection.api import compat
from hand_detection.console import UserError, say

START_LIMIT = 300  # seconds until all workers must be up
WAIT_LIMIT = 3600  # seconds for a worker that is there but does not take part: frozen, as it seems
LOOK_EVERY = 1.0  # second, after which a worker looks whether the others are still there
ENDS = ("", "signal", "last step", "no gain")  # why a training ends


@dataclass(frozen=True)
class Cluster:
    """Who takes part. `addresses` are HOST:PORT of all workers, the chief's first."""

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes the run."""
        return self.index == 0


def cluster_from_environment() -> Cluster | None:
    """The cluster that TF_CONFIG describes; None if it is not set or names one worker only.

    Raises:
        UserError: it is not what TensorFlow documents, or has roles that are not for this.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return None
    example = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    example += '"task": {"type": "worker", "index": 0}}'
    try:
        value = json.loads(text)
        jobs, task = value["cluster"], value["task"]
        kind, number = task["type"], int(task["index"])
        chiefs, workers = list(jobs.get("chief", [])), list(jobs.get("worker", []))
        addresses = tuple(chiefs + workers)
        for address in addresses:
            int(address.rpartition(":")[2])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"TF_CONFIG is not a cluster and a task, like {example}") from None
    if set(jobs) - {"chief", "worker"} or kind not in ("chief", "worker"):
        raise UserError("TF_CONFIG: only workers (and a chief) take part, no ps or evaluator")
    if not 0 <= number < len(jobs.get(kind, [])):
        raise UserError(f"TF_CONFIG: there is no {kind} {number} in its cluster")
    index = number if kind == "chief" else len(chiefs) + number
    return Cluster(addresses, index) if len(addresses) > 1 else None


class Team:
    """This process among those that train together; alone without a cluster.

    All members build the same operations in the same order. From the moment that all are there
    until they part, a member that is gone ends the others with status 1 and a line that names it:
    a collective operation would wait for it for ever, in C++, where no exception reaches.

    Raises:
        UserError: the address of this worker cannot be listened at, or others do not come up.
    """

    def __init__(self, cluster: Cluster | None = None) -> None:
        self.addresses = cluster.addresses if cluster else ("",)
        self.index = cluster.index if cluster else 0
        self.size = len(self.addresses)
        self.is_chief = self.index == 0
        self.device = f"/job:worker/replica:0/task:{self.index}" if cluster else ""
        self._tf = tf = compat.activate()
        # On several GPUs, what has no kernel there runs on the CPU.
        self._config = tf.ConfigProto(allow_soft_placement=True)
        self._target, self._instances = "", 0
        self._parted = threading.Event()
        if cluster is None:
            return
        # As tf.distribute has it: who arranges the groups, and no session sees another's devices.
        self._config.experimental.collective_group_leader = "/job:worker/replica:0/task:0"
        self._config.device_filters.append(f"/job:worker/task:{self.index}")
        self._config.isolate_session_state = True
        try:
            self._server = tf.train.Server(
                {"worker": list(self.addresses)}, "worker", self.index, config=self._config
            )
        except tf.errors.OpError:
            raise UserError(
                f"worker {self.index} cannot listen at {self.addresses[self.index]}, as TF_CONFIG "
                "says: is the port in use, or the address another machine's?"
            ) from None
        self._target = self._server.target
        self._wait_for_all()
        threading.Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *exc: object) -> None:
        self.part()

    def part(self) -> None:
        """From here on every member goes its own way, and may end."""
        self._parted.set()

    def session(self, config: Any) -> Any:
        """A tf.Session of the default graph on this worker, with the tf.ConfigProto `config`."""
        own = self._tf.ConfigProto()
        own.CopyFrom(config)
        own.MergeFrom(self._config)
        return self._tf.Session(self._target, config=own)

    def run(self, session: Any, fetches: Any, feed: dict[Any, Any] | None = None) -> Any:
        """`session.run` of what takes all members.

        Raises:
            UserError: a member does not take part, though it is there.
        """
        errors = self._tf.errors
        try:
            return session.run(fetches, feed)
        except errors.OpError as error:
            if self.size > 1:
                time.sleep(4 * LOOK_EVERY)  # if it is for want of a member, this process ends here
            if self.size > 1 and isinstance(error, errors.DeadlineExceededError):
                raise UserError(
                    f"a worker did not take part for {WAIT_LIMIT} s: look which one hangs, and "
                    "start all workers again"
                ) from None
            raise

    def total(self, value: Any) -> Any:
        """The sum of all workers' `value`, a tensor of one shape and type on all of them."""
        if self.size == 1:
            return value
        self._instances += 1
        with self._tf.device(f"{self.device}/device:CPU:0"):
            return self._tf.raw_ops.CollectiveReduce(
                input=value,
                group_size=self.size,
                group_key=1,
                instance_key=self._instances,
                merge_op="Add",
                final_op="Id",
                subdiv_offsets=[0],
                timeout_seconds=WAIT_LIMIT,
            )

    def mean(self, values: Sequence[Any]) -> list[Any]:
        """The workers' means of float32 tensors, by a single all-reduce."""
        tf = self._tf
        if self.size == 1:
            return list(values)
        tensors = [tf.convert_to_tensor(value) for value in values]
        flat = self.total(tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0))
        parts = tf.split(
            flat / self.size, tf.stack([tf.size(tensor) for tensor in tensors]), num=len(tensors)
        )
        return [
            tf.reshape(part, tf.shape(tensor)) for part, tensor in zip(parts, tensors, strict=True)
        ]

    def share_variables(self) -> Any:
        """An op that gives all workers the chief's variables, those of the default graph."""
        tf = self._tf
        if self.size == 1:
            return tf.no_op()
        shared = []
        for dtype in (tf.float32, tf.int64):
            variables = [one for one in tf.global_variables() if one.dtype.base_dtype == dtype]
            if not variables:
                continue
            flat = tf.concat([tf.reshape(variable, [-1]) for variable in variables], 0)
            flat = self.total(flat if self.is_chief else tf.zeros_like(flat))
            parts = tf.split(flat, [one.shape.num_elements() for one in variables])
            shared += [
                tf.assign(variable, tf.reshape(part, variable.shape))
                for variable, part in zip(variables, parts, strict=True)
            ]
        return tf.group(*shared)

    def gather(self, values: Sequence[int]) -> list[list[int]]:
        """The whole numbers of each worker, in a graph and a session of their own."""
        if self.size == 1:
            return [list(values)]
        tf = self._tf
        rows = [list(values) if i == self.index else [0] * len(values) for i in range(self.size)]
        with tf.Graph().as_default(), tf.device(self.device):
            total = self.total(tf.constant(rows, tf.int64))
            with self.session(tf.ConfigProto()) as session:
                return self.run(session, total).tolist()

    def agree(self, why: str) -> str:
        """What ends the training, by any worker's opinion: then they part; "" to go on.

        Args:
            why: this worker's own opinion, one of `ENDS`.
        """
        [why, *_] = [ENDS[n] for [n] in self.gather([ENDS.index(why)]) if n] or [""]
        if why:
            self.part()
        return why

    def _named(self, indices: Sequence[int]) -> str:
        return ", ".join(
            f"{'the chief' if i == 0 else f'worker {i}'} ({self.addresses[i]})" for i in indices
        )

    def _missing(self) -> list[int]:
        """The workers at whose address nobody listens."""
        missing = []
        for i, address in enumerate(self.addresses):
            if i == self.index:
                continue
            host, _, port = address.rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
            except OSError:
                missing.append(i)
        return missing

    def _wait_for_all(self) -> None:
        deadline, told = time.monotonic() + START_LIMIT, None
        while missing := self._missing():
            if missing != told:
                say(f"worker {self.index} waits for {self._named(missing)}")
                told = missing
            if time.monotonic() > deadline:
                raise UserError(
                    f"{self._named(missing)} did not come up within {START_LIMIT} s: start every "
                    "worker of TF_CONFIG, and look whether the machines reach each other's ports"
                )
            time.sleep(LOOK_EVERY)
        say(f"worker {self.index} of {self.size}: all are there")

    def _watch(self) -> None:
        """End this process when another is gone, for its main thread may be waiting in C++."""
        before: list[int] = []
        while not self._parted.wait(LOOK_EVERY):
            missing = self._missing()
            # Twice in a row: a single try may fail, and who parted first is no longer there.
            if gone := sorted(set(missing) & set(before)):
                if self._parted.is_set():
                    return
                console.fail_at_once(
                    f"{self._named(gone)} is gone, so worker {self.index} stops too: look at its "
                    "last line, and start all workers again with the same command; they go on "
                    "from the last checkpoint"
                )
            before = missing


def average_gradients(
    optimizer: Any, team: Team, extras: Sequence[Any], *, colocate: bool
) -> list[Any]:
    """Make `optimizer` compute the gradients' means over the workers.

    Args:
        optimizer: a tf.train.Optimizer, changed in place.
        team: who takes part.
        extras: float32 scalars whose means are wanted too, in the same all-reduce.
        colocate: whether a gradient is computed on the device that its op is on.

    Returns:
        A list that holds, once the gradients were computed, the means of the loss and of `extras`.
    """
    compute, means = optimizer.compute_gradients, []

    def compute_gradients(loss: Any, *args: Any, **kwargs: Any) -> list[tuple[Any, Any]]:
        kwargs["colocate_gradients_with_ops"] = colocate
        pairs = compute(loss, *args, **kwargs)
        scalars = [loss, *extras]
        gradients = [gradient for gradient, _ in pairs if gradient is not None]
        values = team.mean([*scalars, *gradients])
        means[:] = values[: len(scalars)]
        rest = iter(values[len(scalars) :])
        return [(None if old is None else next(rest), variable) for old, variable in pairs]

    optimizer.compute_gradients = compute_gradients
    return means
