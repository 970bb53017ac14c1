"""Stages of a job that run at the same time, each in a thread, a bounded way ahead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_LOOK = 0.1  # seconds between looks at whether to stop
_END = object()


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


@contextmanager
def in_thread(items: Iterable[Item], ahead: int, name: str) -> Iterator[Iterator[Item]]:
    """Make `items` in a thread, at most `ahead` of them before they are asked for.

    What raises there is raised where the next item is asked for. Leaving the block ends the
    thread after the item that it is making; a generator is closed in the thread itself.
    """
    queue: Queue = Queue(ahead)
    left = threading.Event()

    def put(item: object) -> bool:
        while not left.is_set():
            try:
                queue.put(item, timeout=_LOOK)
                return True
            except Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    break
            else:
                put(_END)
        except BaseException as error:
            put(_Failed(error))
        finally:
            if hasattr(items, "close"):
                items.close()

    def take() -> Iterator[Item]:
        while not left.is_set():
            try:
                item = queue.get(timeout=_LOOK)
            except Empty:
                continue
            if item is _END:
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        left.set()
        thread.join()


class Busy:
    """Counts the seconds in which a stage works, and its items."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.items = 0

    @contextmanager
    def working(self, items: int = 0) -> Iterator[None]:
        """Count the block's time, and `items` as done by it."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started
            self.items += items

    def making(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, with the time that making them takes counted."""
        source = iter(items)
        while True:
            with self.working():
                item = next(source, _END)
            if item is _END:
                return
            self.items += 1
            yield item

    @property
    def milliseconds(self) -> float:
        """An item's, on average."""
        return self.seconds * 1000 / max(1, self.items)
