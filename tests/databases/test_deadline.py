import threading
import time

import pytest

from rodcorp.databases.deadline import Deadline


@pytest.fixture
def release():
    event = threading.Event()
    yield event
    event.set()


def test_a_call_in_time_returns_what_it_returns():
    assert Deadline(30).run(lambda: 42) == 42
    assert Deadline(30).run(lambda: None) is None


def test_a_call_in_time_raises_what_it_raises():
    with pytest.raises(KeyError, match="x"):
        Deadline(30).run(lambda: {}["x"])


def test_a_late_call_is_left_alone(release):
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        Deadline(0.05).run(lambda: release.wait(30))
    assert time.monotonic() - started < 5


def test_a_late_result_is_thrown_away_and_one_in_time_is_not(release):
    thrown, told = [], threading.Event()

    def throw(result):
        thrown.append(result)
        told.set()

    assert Deadline(30).run(lambda: "kept", discard=throw) == "kept"
    with pytest.raises(TimeoutError):
        Deadline(0.05).run(lambda: release.wait(30) and "late", discard=throw)
    release.set()
    assert told.wait(30)
    assert thrown == ["late"]


def test_hanging_calls_are_few(release):
    deadline = Deadline(0.05, limit=2)
    for _ in range(2):
        with pytest.raises(TimeoutError, match="within"):
            deadline.run(lambda: release.wait(30))
    before = threading.active_count()
    with pytest.raises(TimeoutError, match="hang already"):
        deadline.run(lambda: 1)
    assert threading.active_count() == before


def test_calls_that_ended_do_not_count(release):
    deadline = Deadline(30, limit=1)
    for number in range(20):
        until = time.monotonic() + 10
        while True:  # the thread may need a moment to end after its answer was taken
            try:
                assert deadline.run(lambda number=number: number) == number
                break
            except TimeoutError:
                assert time.monotonic() < until
