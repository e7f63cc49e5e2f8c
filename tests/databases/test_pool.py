"""The pool by itself, with connections that are none."""

import gc
import os
import threading
import time
from itertools import count

import pytest

from rodcorp.databases import pool as pooling
from rodcorp.databases.pool import Figures, Pool
from rodcorp.errors import Busy


class Connection:
    def __init__(self, number):
        self.number, self.is_closed = number, False
        self.users = 0

    def close(self):
        self.is_closed = True


class Owner:
    """Stands for Django's connection, which is part of a cycle too."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def opened():
    return []


@pytest.fixture
def open_one(opened):
    numbers = count(1)

    def open_one():
        opened.append(Connection(next(numbers)))
        return opened[-1]

    return open_one


@pytest.fixture
def owner():
    return Owner()


def well(connection):
    """Nothing to clean."""


def badly(connection):
    raise OSError("it was dead")


def pool_of(limit, patience_s=0.0, **options):
    return Pool(limit, patience_s, well, **options)


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_connection_used_last_is_used_next(opened, open_one, owner):
    pool = pool_of(3)
    first, second = pool.lease(open_one, owner), pool.lease(open_one, owner)
    first.give_back(well)
    second.give_back(well)
    assert pool.lease(open_one, owner).connection is opened[1]
    assert pool.lease(open_one, owner).connection is opened[0]
    assert len(opened) == 2


def test_a_connection_is_cleaned_before_anybody_else_gets_it(open_one, owner):
    pool, cleaned = pool_of(1), []
    lease = pool.lease(open_one, owner)
    lease.give_back(cleaned.append)
    assert cleaned == [lease.connection]


def test_a_connection_that_cannot_be_cleaned_is_thrown_away(opened, open_one, owner):
    pool = pool_of(1)
    pool.lease(open_one, owner).give_back(badly)
    assert opened[0].is_closed
    assert pool.figures() == Figures(limit=1, drops=1)


def test_a_session_that_is_unlike_a_new_one_is_not_reused(opened, open_one, owner):
    pool = pool_of(1)
    lease = pool.lease(open_one, owner)
    lease.is_reusable = False
    lease.give_back(well)
    assert opened[0].is_closed
    assert pool.figures().idle == 0


def test_who_finds_none_is_refused_and_told_which_setting_it_was(open_one, owner):
    pool = pool_of(2, patience_s=0.05)
    leases = [pool.lease(open_one, owner) for _ in range(2)]
    with pytest.raises(Busy, match=r"MSSQL_MAX_CONNECTIONS is 2") as caught:
        pool.lease(open_one, owner)
    assert (caught.value.http_status, caught.value.code) == (503, "busy")
    assert caught.value.details["retry_after_s"] > 0
    assert pool.figures() == Figures(in_use=len(leases), limit=2, waits=1, refusals=1)


def test_who_waits_gets_the_next_one_that_is_given_back(opened, open_one, owner):
    pool = pool_of(1, patience_s=5)
    lease, got = pool.lease(open_one, owner), []
    waiter = in_thread(lambda: got.append(pool.lease(open_one, owner)))
    while not pool.figures().waits:
        time.sleep(0.001)
    begun = time.monotonic()
    lease.give_back(well)
    waiter.join()
    assert time.monotonic() - begun < 1
    assert got[0].connection is opened[0]
    assert pool.figures().refusals == 0


def test_who_waits_gets_the_room_of_one_that_is_thrown_away(opened, open_one, owner):
    pool = pool_of(1, patience_s=5)
    lease, got = pool.lease(open_one, owner), []
    waiter = in_thread(lambda: got.append(pool.lease(open_one, owner)))
    while not pool.figures().waits:
        time.sleep(0.001)
    lease.throw_away()
    waiter.join()
    assert got[0].connection is opened[1]
    assert opened[0].is_closed


def test_one_that_could_not_be_opened_takes_no_room(open_one, owner):
    def fails():
        raise ConnectionError

    pool = pool_of(1)
    for _ in range(3):
        with pytest.raises(ConnectionError):
            pool.lease(fails, owner)
    assert pool.figures() == Figures(limit=1)
    assert pool.lease(open_one, owner).connection.number == 1


def test_a_lease_ends_once(opened, open_one, owner):
    pool = pool_of(2)
    lease = pool.lease(open_one, owner)
    lease.give_back(well)
    lease.give_back(well)
    lease.throw_away()
    assert pool.figures() == Figures(idle=1, limit=2)
    assert not opened[0].is_closed


def test_an_owner_that_is_gone_gives_back(opened, open_one):
    pool = pool_of(1)
    cleaned = []
    pool._clean = cleaned.append
    pool.lease(open_one, Owner())
    gc.collect()
    assert pool.lease(open_one, Owner()).connection is opened[0]
    assert cleaned == opened


def test_a_thread_that_ended_without_giving_back_does_not_keep_others_waiting(opened, open_one):
    pool, kept = pool_of(1, patience_s=5), threading.local()

    def forget():
        kept.owner = Owner()
        pool.lease(open_one, kept.owner)

    gc.disable()  # as when nobody has made garbage for a while
    try:
        in_thread(forget).join()
        begun = time.monotonic()
        owner = Owner()
        assert pool.lease(open_one, owner).connection is opened[0]
    finally:
        gc.enable()
    assert time.monotonic() - begun < 1


def test_an_owner_that_gave_back_takes_nothing_with_it(opened, open_one, owner):
    pool, other = pool_of(1), Owner()
    pool.lease(open_one, other).give_back(well)
    lease = pool.lease(open_one, owner)
    del other
    gc.collect()
    with pytest.raises(Busy):
        pool.lease(open_one, owner)
    assert pool.figures().in_use == 1
    assert not lease.connection.is_closed


def test_one_that_nobody_used_for_five_minutes_is_closed(opened, open_one, owner):
    now = [0.0]
    pool = pool_of(3, clock=lambda: now[0])
    old, fresh = pool.lease(open_one, owner), pool.lease(open_one, owner)
    old.give_back(well)
    now[0] = 200.0
    fresh.give_back(well)
    now[0] = 301.0
    assert pool.lease(open_one, owner).connection is opened[1]
    assert [each.is_closed for each in opened] == [True, False]
    assert pool.figures() == Figures(in_use=1, limit=3)


def test_clearing_closes_the_idle_at_once_and_the_others_when_they_come_back(
    opened, open_one, owner
):
    pool = pool_of(3)
    idle, used = pool.lease(open_one, owner), pool.lease(open_one, owner)
    idle.give_back(well)
    pool.clear()
    assert [each.is_closed for each in opened] == [True, False]
    used.give_back(well)
    assert opened[1].is_closed
    later = pool.lease(open_one, owner)
    later.give_back(well)
    assert not opened[2].is_closed
    assert pool.figures() == Figures(idle=1, limit=3, drops=2)


def test_one_that_is_cleaned_while_the_others_are_cleared_is_not_kept(opened, open_one, owner):
    pool = pool_of(1)
    pool.lease(open_one, owner).give_back(lambda connection: pool.clear())
    assert opened[0].is_closed
    assert pool.figures().idle == 0


def test_eight_threads_never_share_a_connection_nor_exceed_the_limit(opened, open_one):
    pool, most, shared = pool_of(3, patience_s=30), [], []

    def work():
        owner = Owner()
        for turn in range(300):
            lease = pool.lease(open_one, owner)
            lease.connection.users += 1
            if lease.connection.users != 1:
                shared.append(lease.connection)
            most.append(pool.figures().in_use)
            lease.connection.users -= 1
            if turn % 50 == 49:
                lease.throw_away()
            else:
                lease.give_back(well)

    threads = [in_thread(work) for _ in range(8)]
    for thread in threads:
        thread.join()
    assert not shared
    assert max(most) <= 3
    figures = pool.figures()
    assert (figures.in_use, figures.refusals, figures.drops) == (0, 0, 48)
    assert sum(not each.is_closed for each in opened) == figures.idle <= 3


# Python's advice not to fork beside threads is what these are about.
forks = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def in_child(work):
    """What `work` returns in a fork of this process, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = str(work())
        except BaseException as error:
            answer = repr(error)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer


@pytest.fixture
def process(monkeypatch):
    """A process that has no pool yet."""
    monkeypatch.setattr(pooling, "_process", pooling._Process())
    return pooling._process


@forks
def test_a_child_neither_uses_nor_closes_its_parents_connections(process, opened, open_one, owner):
    pool = pooling.pool_for("here", lambda: pool_of(5))
    used, idle = pool.lease(open_one, owner), pool.lease(open_one, owner)
    idle.give_back(well)

    def work():
        used.give_back(badly)
        used.throw_away()
        pooling.clear()
        mine = pooling.pool_for("here", lambda: pool_of(5)).lease(open_one, owner)
        return used.is_ours, [each.is_closed for each in opened], mine.connection.number

    assert in_child(work) == "(False, [False, False, False], 3)"
    assert pool.figures() == Figures(in_use=1, idle=1, limit=5)


@forks
def test_a_child_is_not_stopped_by_a_lock_its_parent_held(process, open_one, owner):
    pool = pooling.pool_for("here", lambda: pool_of(5))
    with pool._changed, process.lock:
        assert in_child(lambda: pooling.figures().in_use) == "0"


def test_a_process_has_one_pool_until_the_settings_change(process, opened, open_one, owner):
    assert pooling.figures() == Figures()
    pool = pooling.pool_for("a", lambda: pool_of(5))
    pool.lease(open_one, owner).give_back(well)
    assert pooling.pool_for("a", lambda: pool_of(5)) is pool
    assert pooling.figures() == Figures(idle=1, limit=5)
    other = pooling.pool_for("b", lambda: pool_of(4))
    assert other is not pool
    assert opened[0].is_closed
    assert pooling.figures() == Figures(limit=4)


def test_the_pool_does_without_the_driver():
    import subprocess
    import sys

    code = "import sys, rodcorp.databases.pool; print('pyodbc' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
