"""Prefetching: threads compute the next results in advance, in order and in bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = min(8, os.cpu_count() or 1)
"""Number of threads, and of the items that are prefetched at most."""

AHEAD = 3
"""Number of items that `prefetched` computes in advance at most."""


def in_order(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Future[Result]]:
    """Yield `function(item)` for each item, computed in threads, in the order of the items.

    The caller's thread iterates over `items`. It reads one item ahead of the result that it yields;
    while that result is still being computed, it reads up to `WORKERS` ahead. An exception in
    `function` is raised by the `result()` of that item's future, and does not stop the others.
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
        finally:  # the caller has stopped iterating
            for future in ahead:
                future.cancel()


def prefetched(items: Generator[Item, None, None]) -> Generator[Item, None, None]:
    """Yield the items of a generator, which a thread of its own computes in advance.

    An exception in `items` is raised where the item would have been yielded. Close the result with
    `contextlib.closing` if the loop over it may end early: this also closes `items`.
    """
    end: Any = object()
    with closing(items), ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(next, items, end) for _ in range(AHEAD))
        try:
            while (item := ahead.popleft().result()) is not end:
                ahead.append(pool.submit(next, items, end))
                yield item
        finally:  # the caller has stopped iterating
            for future in ahead:
                future.cancel()
