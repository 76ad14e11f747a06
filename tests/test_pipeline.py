import threading
import time

import pytest

from hrstyle.pipeline import WORKERS, in_order


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
