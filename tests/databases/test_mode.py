import multiprocessing
import os
import sqlite3
import threading
import time
from collections import Counter

import pytest

from rodcorp.databases.mode import (
    FILE,
    HISTORY_LENGTH,
    PROBE_FILE,
    Mode,
    ModeFile,
    Switch,
)

NEXT = {Mode.PRIMARY: Mode.FALLBACK, Mode.FALLBACK: Mode.HEALING, Mode.HEALING: Mode.FALLBACK}
PROCESSES = 8
EPOCHS = 40


@pytest.fixture
def file(tmp_path):
    made = ModeFile(tmp_path)
    yield made
    made.close()


def test_a_new_file_says_primary(file):
    state = file.read()
    assert (state.mode, state.epoch) == (Mode.PRIMARY, 1)
    assert abs(state.since - time.time()) < 10


def test_a_file_made_again_begins_where_it_is_told(tmp_path):
    file = ModeFile(tmp_path, first_mode=Mode.FALLBACK, first_epoch=7)
    assert file.read()[:2] == (Mode.FALLBACK, 7)
    file.close()
    again = ModeFile(tmp_path, first_mode=Mode.PRIMARY, first_epoch=1)
    assert again.read()[:2] == (Mode.FALLBACK, 7)
    again.close()


def test_a_switch_raises_the_epoch_and_says_why(file):
    assert file.change(Mode.FALLBACK, 1, "08S01 and no answer")
    state = file.read()
    assert (state.mode, state.epoch, state.reason) == (Mode.FALLBACK, 2, "08S01 and no answer")


def test_who_comes_late_changes_nothing(file):
    assert file.change(Mode.FALLBACK, 1, "first")
    assert not file.change(Mode.FALLBACK, 1, "second")
    assert not file.change(Mode.PRIMARY, 1, "not even what is not allowed")
    assert file.read().reason == "first"
    assert len(file.history()) == 1


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ([], Mode.PRIMARY),
        ([], Mode.HEALING),
        ([Mode.FALLBACK], Mode.FALLBACK),
        ([Mode.FALLBACK], Mode.PRIMARY),
        ([Mode.FALLBACK, Mode.HEALING], Mode.HEALING),
    ],
)
def test_there_is_no_way_back_but_through_healing(file, path, to):
    for mode in path:
        assert file.change(mode, file.read().epoch, "on the way")
    before = file.read()
    with pytest.raises(ValueError, match=f"from {before.mode} to {to}"):
        file.change(to, before.epoch, "a short cut")
    assert file.read() == before


def test_healing_ends_on_either_side(file):
    for mode in (Mode.FALLBACK, Mode.HEALING, Mode.FALLBACK, Mode.HEALING, Mode.PRIMARY):
        assert file.change(mode, file.read().epoch, "round")
    assert file.read()[:2] == (Mode.PRIMARY, 6)


def test_the_history_tells_every_switch_the_latest_first(file):
    file.change(Mode.FALLBACK, 1, "down")
    file.change(Mode.HEALING, 2, "up")
    latest, first = file.history()
    assert latest == Switch(Mode.FALLBACK, Mode.HEALING, 3, latest.at, "up")
    assert first == Switch(Mode.PRIMARY, Mode.FALLBACK, 2, first.at, "down")
    assert file.history(limit=1) == [latest]


def test_the_history_and_its_reasons_are_bounded(file):
    for _ in range(HISTORY_LENGTH + 5):
        state = file.read()
        assert file.change(NEXT[state.mode], state.epoch, "x" * 10_000)
    history = file.history(limit=10_000)
    assert len(history) == HISTORY_LENGTH
    assert history[0].epoch == HISTORY_LENGTH + 6
    assert max(len(switch.reason) for switch in history) <= 500


def test_the_epoch_never_goes_back_not_even_by_hand(file, tmp_path):
    file.change(Mode.FALLBACK, 1, "down")
    connection = sqlite3.connect(tmp_path / FILE)
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        connection.execute("UPDATE mode SET mode = 'primary', epoch = 1")
    connection.close()


def test_a_switch_survives_a_power_loss(file):
    connection = file._connection()
    assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
    assert connection.isolation_level is None


def test_another_process_file_sees_the_switch_at_once(file, tmp_path):
    other = ModeFile(tmp_path)
    assert other.read().mode is Mode.PRIMARY
    file.change(Mode.FALLBACK, 1, "down")
    assert other.read().mode is Mode.FALLBACK
    other.close()


def race(directory, barrier, won):
    file = ModeFile(directory)
    barrier.wait()
    while (state := file.read()).epoch < EPOCHS + 1:
        if file.change(NEXT[state.mode], state.epoch, f"{os.getpid()}"):
            won.put((state.epoch + 1, os.getpid()))
    file.close()


def test_of_eight_racing_processes_exactly_one_wins_each_epoch(tmp_path):
    """The file is made by whoever is first, too."""
    context = multiprocessing.get_context("spawn")
    barrier, won = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=race, args=(tmp_path, barrier, won)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    wins = [won.get(timeout=60) for _ in range(EPOCHS)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert won.empty()
    assert Counter(epoch for epoch, _ in wins) == dict.fromkeys(range(2, EPOCHS + 2), 1)
    file = ModeFile(tmp_path)
    told = {(switch.epoch, int(switch.reason)) for switch in file.history()}
    file.close()
    assert told == set(wins)


def test_threads_may_share_it(file):
    wins, barrier = [], threading.Barrier(8)

    def change():
        barrier.wait()
        wins.append(file.change(Mode.FALLBACK, 1, "down"))
        file.close()

    threads = [threading.Thread(target=change) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == [False] * 7 + [True]


def test_a_forked_process_opens_the_file_for_itself(file):
    mine = file._connection()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        same = file._connection() is mine
        os.write(write_end, f"{same} {file.read().mode}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read_end, 100) == b"False primary"
    os.close(read_end)
    os.close(write_end)
    assert file._connection() is mine


def test_nobody_has_looked_at_first(file):
    assert file.last_probe(within_s=60) is None


def test_all_processes_share_the_last_look(file, tmp_path):
    file.record_probe(is_good=False)
    file.record_probe(is_good=True)
    other = ModeFile(tmp_path)
    found = other.last_probe(within_s=60)
    assert found.is_good is True
    assert abs(found.at - time.time()) < 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [PROBE_FILE]


def test_an_old_look_does_not_count(file, monkeypatch):
    file.record_probe(is_good=True)
    now = time.time()
    monkeypatch.setattr("rodcorp.databases.mode.time.time", lambda: now + 3)
    assert file.last_probe(within_s=2) is None
    assert file.last_probe(within_s=60) is not None


def test_a_look_from_the_future_does_not_count(file, monkeypatch):
    file.record_probe(is_good=True)
    now = time.time()
    monkeypatch.setattr("rodcorp.databases.mode.time.time", lambda: now - 3600)
    assert file.last_probe(within_s=60) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"at": "x"}', '{"at": 1}'])
def test_a_spoilt_file_is_no_look_at_all(file, tmp_path, content):
    (tmp_path / PROBE_FILE).write_text(content)
    assert file.last_probe(within_s=60) is None
