"""Keeping two databases one: how far the copy is behind, how fast what was written to it comes
home, for how long nobody can write meanwhile, and whether all of it is there in the end. On two
files, and on a T-SQL server if there is one (MSSQL_HOST, a database without tables); with a real
watcher where one is needed."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.company import company_on_files
from tests.bench.harness import (
    COUNT,
    MILLISECONDS,
    RATIO,
    SECONDS,
    Line,
    milliseconds,
    percentile,
    seconds,
    seconds_of,
)
from tests.bench.server import SERVER, company_on_the_server, why_no_server

ROOT = Path(__file__).resolve().parents[2]
UNITS = 300
THREADS = 6
# more a second than a file takes: what is measured is its most, about 200
LAG_WRITERS, RATE, FOR_S = 2, 250, 6.0

# of the run in which the primary comes and goes
WRITERS, UNITS_EACH, FAULTS_EACH = 8, 1_250, 13
# as long as it may take a watcher that failed a few times in a row
HOME_AFTER_S = 300


class Place(NamedTuple):
    """A company with a filled copy and one agent, and how to start its watcher."""

    modes: Any
    source: Any
    agent: Any
    watch: list[object]
    environment: dict[str, str]
    # on two files
    company: Any = None


def run() -> list[Line]:
    lines = []
    for on, why_not, place in (
        ("", "", _on_files),
        (" on SQL Server", why_no_server(), _on_server),
    ):
        for name, bound, unit, measure in _FIGURES:
            if why_not:
                lines.append(Line(name + on, None, bound, unit, why_not=why_not))
                continue
            with place() as found:
                lines += measure(found, on)
    return lines


@contextmanager
def _on_files() -> Iterator[Place]:
    from tests.sides.source import FileVersions

    with company_on_files() as company:
        environment = {"RODCORP_DATA_DIR": str(company.directory)}
        source, watch = FileVersions(), ["-m", "tests.sides.watch"]
        agent = _filled(source)
        yield Place(company.modes, source, agent, watch, environment, company)


@contextmanager
def _on_server() -> Iterator[Place]:
    from rodcorp.databases.sides import mode_file
    from rodcorp.databases.sync.rowversions import RowVersions

    with company_on_the_server("bare") as directory:
        environment = {**SERVER, "RODCORP_DATA_DIR": str(directory)}
        source, watch = RowVersions(), ["manage.py", "databases", "watch"]
        yield Place(mode_file(), source, _filled(source), watch, environment)


def _filled(source: Any) -> Any:
    from agents.services.registry import register_agent
    from rodcorp.actors import Actor
    from rodcorp.databases.sync.feed import Feed

    source.install()
    agent = register_agent(
        actor=Actor.system("bench"), name="Ada", machine_hostname="h", machine_ip="127.0.0.1"
    )
    Feed(source).reseed()
    return agent


def _award(agent: Any, times: int) -> Callable[[], None]:
    from payroll.services.ledger import award_rodcoins
    from rodcorp.actors import Actor

    actor = Actor.system("bench")

    def work() -> None:
        for _ in range(times):
            award_rodcoins(
                actor=actor, agent=agent, amount=1, description="x", transaction_type="bonus"
            )

    return work


def _replay(place: Place, on: str) -> list[Line]:
    """Units a second: brought home, and written to the primary by one connection."""
    from rodcorp.databases import switching
    from rodcorp.databases.sync.healing import Healer

    ratios = []
    for _ in range(5):
        direct = seconds_of(_award(place.agent, UNITS))
        switching.to_copy("bench")
        _award(place.agent, UNITS)()
        healed = seconds_of(lambda: Healer(place.source).heal("bench"))
        ratios.append(direct / healed)
    return [Line(REPLAY + on, statistics.median(ratios[1:]), 0.8, RATIO, smaller_is_better=False)]


def _freeze(place: Place, on: str) -> list[Line]:
    """While six threads write."""
    from django.db import connections

    from rodcorp.databases import switching
    from rodcorp.databases.sync.healing import Healer

    frozen = []
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            _award(place.agent, 1)()
            time.sleep(0.01)
        connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        if place.modes.read().mode == "primary":
            switching.to_copy("bench")
        time.sleep(0.3)
        if healed := Healer(place.source).heal("bench"):
            frozen.append(healed.frozen_s)
    over.set()
    for thread in threads:
        thread.join()
    return [milliseconds(f"{FREEZE}{on}, worst of {len(frozen)}", max(frozen), 0.2)]


def _lag(place: Place, on: str) -> list[Line]:
    """From the commit on the primary until the copy has it."""
    work = "-m", "tests.bench.waiting", place.agent.pk, RATE / LAG_WRITERS, FOR_S
    with _watcher(place):
        writers = [_process(place, *work) for _ in range(LAG_WRITERS)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        answers = [json.loads(writer.communicate()[0]) for writer in writers]
    found = [lag for answer in answers for lag in answer["lags"]]
    rate = len(found) / max(answer["took"] for answer in answers)
    name = f"{LAG}{on}, {rate:.0f} units a second"
    return [
        seconds(f"{name}, p99", percentile(found, 99), 1.0),
        seconds("... median", percentile(found, 50)),
    ]


def _memory(place: Place, on: str) -> list[Line]:
    """What the process holds over the last fifth of a replay of 100,000 entries beside what it
    holds over the first."""
    from django.db import connections

    from agents.services.discussions import NewMessage, post_messages
    from rodcorp.actors import Actor
    from rodcorp.databases import hosts, journal, switching
    from rodcorp.databases.mode import Mode
    from rodcorp.databases.sync.replay import Replay

    actor = Actor.system("bench")
    switching.to_copy("bench")
    new = [NewMessage(agent=place.agent, topic="t", message=f"m{n}") for n in range(500)]
    while journal.count(connections["sqlite"]) < 100_000:
        post_messages(actor=actor, messages=new)
    state = place.modes.read()
    place.modes.change(Mode.HEALING, state.epoch, "bench")
    hosts.raise_epoch(state.epoch + 1)
    replay, peaks = Replay(place.source, state.epoch + 1), []
    while journal.count(connections["sqlite"]):
        replay.run()
        peaks.append(_resident_pages())
    fifth = max(1, len(peaks) // 5)
    ratio = max(peaks[-fifth:]) / max(peaks[:fifth])
    return [Line(MEMORY + on, ratio, 1.2)]


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def _both_ways(place: Place, on: str) -> list[Line]:
    """Eight processes write, the primary comes and goes, the watcher leads home each time."""
    if place.company is None:
        why_not = "on a server tests/sync/test_server_dies.py does it"
        return [Line(BOTH_WAYS + on, None, 0, COUNT, why_not=why_not)]
    from agents.models import Agent
    from rodcorp.databases.models import Conflict
    from rodcorp.databases.sync.compare import compare

    company = place.company
    with _watcher(place):
        work = "-m", "tests.sides.writer"
        writers = [
            _process(place, *work, f"w{number}", UNITS_EACH, FAULTS_EACH)
            for number in range(WRITERS)
        ]
        readers = [ThreadPoolExecutor(1).submit(writer.communicate) for writer in writers]
        while not all(reader.done() for reader in readers):
            time.sleep(1.5)
            company.link.cut()
            time.sleep(0.4)
            company.link.mend()
        answers = [json.loads(line) for each in readers for line in each.result()[0].splitlines()]
        deadline = time.monotonic() + HOME_AFTER_S
        while company.mode != "primary" or company.journal():
            assert time.monotonic() < deadline, f"{company.journal()} changes are not home"
            time.sleep(0.1)
        time.sleep(1.5)
        held = [str(key) for key in Agent.objects.using("mssql").values_list("pk", flat=True)]
        acknowledged = [answer["id"] for answer in answers if "id" in answer]
        differing = sum(1 for one in compare(place.source) if one.differing)
        conflicts = company.on("mssql", Conflict)
        switches = sum(1 for switch in company.modes.history(500) if switch.mode == "fallback")
    faults = WRITERS * FAULTS_EACH
    about = f"{len(answers)} units, {switches} times there and back, {faults} other faults"
    return [
        Line(f"{about}: failed requests", len(answers) - len(acknowledged), 0, COUNT),
        Line("... lost", len(set(acknowledged) - set(held)), 0, COUNT),
        Line("... doubled", len(acknowledged) - len(set(acknowledged)), 0, COUNT),
        Line("... conflicts", conflicts, 0, COUNT),
        Line("... tables that differ afterwards", differing, 0, COUNT),
    ]


REPLAY = "replay, units a second / written directly by one connection"
FREEZE = "nobody can write at the end of the way home"
LAG = "copy lag"
MEMORY = "memory of a replay of 100000 entries, its end / its beginning"
BOTH_WAYS = "the primary comes and goes under 8 processes"

_FIGURES: list[tuple[str, float, str, Callable[[Place, str], list[Line]]]] = [
    (REPLAY, 0.8, RATIO, _replay),
    (FREEZE, 200, MILLISECONDS, _freeze),
    (LAG, 1.0, SECONDS, _lag),
    (MEMORY, 1.2, RATIO, _memory),
    (BOTH_WAYS, 0, COUNT, _both_ways),
]


@contextmanager
def _watcher(place: Place) -> Iterator[None]:
    from rodcorp.databases.sync.watcher import last_report

    process = _process(place, *place.watch)
    while not ((report := last_report()) and report.pid == process.pid and report.pulls):
        assert process.poll() is None, "the watcher has ended"
        time.sleep(0.05)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def _process(place: Place, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **place.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
