import threading
import time

import pytest

from hrstyle.pipeline import AHEAD, WORKERS, in_order, prefetched


def test_results_keep_the_order_and_errors_their_place():
    def invert(number):
        time.sleep(0.01 * (number % 3))
        return 1 / number

    futures = list(in_order(invert, [3, 1, 0, 2]))
    assert [f.result() for f in futures if f.exception() is None] == [1 / 3, 1, 1 / 2]
    with pytest.raises(ZeroDivisionError):
        futures[2].result()
    assert list(in_order(invert, [])) == []


def test_no_more_is_taken_than_can_be_worked_on():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    release = threading.Event()
    results = in_order(lambda _: release.wait(), items())
    threading.Timer(0.2, release.set).start()
    next(results).result()
    assert len(taken) == WORKERS + 1
    next(results).result()
    results.close()
    assert len(taken) <= WORKERS + 2


def test_work_goes_on_while_the_result_is_used():
    started = [threading.Event() for _ in range(3)]
    results = in_order(lambda number: started[number].set(), range(3))
    next(results)
    assert started[1].wait(5)


def test_what_nobody_waits_for_is_left():
    done = []

    def work(number):
        time.sleep(0.02)
        done.append(number)

    results = in_order(work, range(1000))
    next(results)
    results.close()
    assert len(done) <= 2 * WORKERS + 1


def test_prefetched_items_keep_their_order_and_an_error_its_place():
    def items():
        yield from range(5)
        raise ValueError("the sixth")

    results = prefetched(items())
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="the sixth"):
        next(results)
    assert list(prefetched(x for x in range(7))) == list(range(7))


def test_items_are_prefetched_in_another_thread_and_only_a_few():
    made = []
    third = threading.Event()

    def items():
        for number in range(100):
            made.append(threading.get_ident())
            if number == AHEAD - 1:
                third.set()
            yield number

    results = prefetched(items())
    next(results)
    assert third.wait(5)  # while the caller does nothing
    results.close()
    assert AHEAD <= len(made) <= AHEAD + 2
    assert set(made) != {threading.get_ident()}


def test_closing_the_results_waits_for_the_thread_and_closes_the_items():
    closed = []

    def items():
        try:
            for number in range(100):
                time.sleep(0.01)
                yield number
        finally:
            closed.append(True)

    results = prefetched(prefetched(items()))
    next(results)
    results.close()
    assert closed == [True]
