"""Work done in threads ahead of who waits for it, in order and in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = min(8, os.cpu_count() or 1)
"""Threads, and how many items are taken ahead at most."""


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Future[Result]]:
    """`function` of each item, computed in threads; in the items' order.

    Items are taken in the caller's thread, one ahead of the result that is given, or, where the
    function is what takes long, up to `WORKERS`. What it raises is raised by that item's
    `result()`, and does not stop the others.
    """
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                while len(ahead) > WORKERS or (len(ahead) > 1 and ahead[0].done()):
                    yield ahead.popleft()
            while ahead:
                yield ahead.popleft()
        finally:  # nobody waits any longer
            for future in ahead:
                future.cancel()
