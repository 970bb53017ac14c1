"""Spread work over processes or threads: results in order, few in flight, nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from typing import TypeVar

from hand_detection.console import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

IN_FLIGHT = 4  # items a worker may be ahead of the reader: what bounds the memory


def default_workers() -> int:
    """The processors that this process may use, at most 16."""
    if hasattr(os, "sched_getaffinity"):
        return min(16, len(os.sched_getaffinity(0)))
    return min(16, os.cpu_count() or 1)


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    *,
    threads: bool = False,
) -> Iterator[Result]:
    """Yield `function(item)` for every item, in the items' order, made by `workers` processes.

    `function` stands at the top of a module, and items and results can be pickled. With
    one worker everything happens in this process. With `threads` the workers are threads:
    right for work that decodes, hashes and writes, since C code lets the others run meanwhile,
    and nothing needs to be sent.

    Raises:
        UserError: a worker was killed; and whatever `function` raises.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pool = _pool(workers, threads)
    starting = nullcontext if threads else _interrupts_held
    try:
        pending = deque()
        for item in items:
            with starting():  # the first calls start the workers
                pending.append(pool.submit(function, item))
            if len(pending) >= IN_FLIGHT * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, most often because the memory ran out: "
            "try again with --workers 1"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(workers: int, threads: bool) -> Executor:
    if threads:
        return ThreadPoolExecutor(2 * workers)  # some wait for a disk, or for the interpreter
    # Spawned, not forked: a fork of a process with threads may hang.
    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done; for good in a process started in it.

    The terminal sends it to the workers too, even while Python starts in them; and one
    that comes here half-way through starting a worker would leave that one helpless.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    handler = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _start_worker() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns when the parent is gone, however it ended
        os._exit(1)
