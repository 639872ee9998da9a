"""A bounded queue from many threads and event loops to threads: whoever finds it full waits, without polling."""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Queue(Generic[_T]):
    """At most `size` items; after `close` putting raises `RuntimeError`, and `get` gives None once it is empty."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[_T] = deque()
        self._waiting: deque[Future[None]] = deque()
        self._closed = False
        self._filled = threading.Condition()

    def put(self, item: _T) -> None:
        while (room := self._try(item)) is not None:
            try:
                room.result()
            except BaseException:
                self._give_up(room)
                raise

    async def put_async(self, item: _T) -> None:
        while (room := self._try(item)) is not None:
            try:
                await asyncio.wrap_future(room)
            except BaseException:
                self._give_up(room)
                raise

    def get(self) -> _T | None:
        with self._filled:
            while not self._items and not self._closed:
                self._filled.wait()
            item = self._items.popleft() if self._items else None
            self._wake_one()
            return item

    def close(self) -> None:
        with self._filled:
            self._closed = True
            self._filled.notify_all()
            while self._waiting:
                self._wake_one()

    def _try(self, item: _T) -> Future[None] | None:
        """None where the item was taken, else what is done when there may be room."""
        with self._filled:
            if self._closed:
                raise RuntimeError("the sandbox is closed")
            if len(self._items) < self._size:
                self._items.append(item)
                self._filled.notify()
                return None
            room: Future[None] = Future()
            self._waiting.append(room)
            return room

    def _wake_one(self) -> None:
        while self._waiting:
            room = self._waiting.popleft()
            if room.set_running_or_notify_cancel():
                room.set_result(None)
                return

    def _give_up(self, room: Future[None]) -> None:
        """Whoever waited was interrupted; had it been woken already, the next one is woken in its place."""
        with self._filled:
            if not room.cancel() and len(self._items) < self._size:
                self._wake_one()
