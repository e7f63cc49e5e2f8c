"""Keeping two databases one: how far the copy is behind, how fast what was written to it comes
home, for how long nobody can write meanwhile, and whether all of it is there in the end. On two
files, with a real watcher where one is needed."""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.company import company_on_files
from tests.bench.harness import COUNT, RATIO, Line, milliseconds, percentile, seconds, seconds_of

ROOT = Path(__file__).resolve().parents[2]
UNITS = 300
THREADS = 6
RATE = 200
FOR_S = 6.0


def run() -> list[Line]:
    return [*_replay(), *_freeze(), *_lag(), *_memory(), *_both_ways()]


@contextmanager
def _company() -> Iterator[tuple[Any, Any, Any]]:
    """With a filled copy: the company, its source and an agent."""
    from agents.services.registry import register_agent
    from rodcorp.actors import Actor
    from rodcorp.databases.sync.feed import Feed
    from tests.sides.source import FileVersions

    with company_on_files() as company:
        source = FileVersions()
        source.install()
        agent = register_agent(
            actor=Actor.system("bench"), name="Ada", machine_hostname="h", machine_ip="127.0.0.1"
        )
        Feed(source).reseed()
        yield company, source, agent


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


def _replay() -> list[Line]:
    """Units a second: brought home, and written to the primary by one connection."""
    from rodcorp.databases import switching
    from rodcorp.databases.sync.healing import Healer

    ratios = []
    with _company() as (_, source, agent):
        for _ in range(5):
            direct = seconds_of(_award(agent, UNITS))
            switching.to_copy("bench")
            _award(agent, UNITS)()
            healed = seconds_of(lambda: Healer(source).heal("bench"))
            ratios.append(direct / healed)
    name = "replay, units a second / written directly by one connection"
    return [Line(name, statistics.median(ratios[1:]), 0.8, RATIO, smaller_is_better=False)]


def _freeze() -> list[Line]:
    """While six threads write."""
    from django.db import connections

    from rodcorp.databases import switching
    from rodcorp.databases.sync.healing import Healer

    frozen = []
    with _company() as (company, source, agent):
        over = threading.Event()

        def write() -> None:
            while not over.is_set():
                _award(agent, 1)()
                time.sleep(0.01)
            connections.close_all()

        threads = [threading.Thread(target=write) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            if company.mode == "primary":
                switching.to_copy("bench")
            time.sleep(0.3)
            if healed := Healer(source).heal("bench"):
                frozen.append(healed.frozen_s)
        over.set()
        for thread in threads:
            thread.join()
    name = f"nobody can write at the end of the way home, worst of {len(frozen)}"
    return [milliseconds(name, max(frozen), 0.2)]


def _lag() -> list[Line]:
    """From the commit on the primary until the copy has it, at 200 units a second."""
    from django.db import connections

    from rodcorp.databases import protection, units

    found: list[float] = []
    with _company() as (company, _, agent), _watcher(company):
        protection.PATIENCE_S = 5.0
        wait = protection.wait_for_copy

        def measured(unit: Any) -> bool:
            begun = time.perf_counter()
            arrived = wait(unit)
            found.append(time.perf_counter() - begun)
            return arrived

        units.wait_for_copy = measured  # type: ignore[assignment]
        end = time.monotonic() + FOR_S

        def write() -> None:
            while time.monotonic() < end:
                begun = time.monotonic()
                _award(agent, 1)()
                time.sleep(max(0.0, begun + 8 * THREADS / RATE / 8 - time.monotonic()))
            connections.close_all()

        threads = [threading.Thread(target=write) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        units.wait_for_copy = wait
        protection.PATIENCE_S = 0.25
    name = f"copy lag at {len(found) / FOR_S:.0f} units a second"
    return [
        seconds(f"{name}, p99", percentile(found, 99), 1.0),
        seconds("... median", percentile(found, 50)),
    ]


def _memory() -> list[Line]:
    """What the process holds over the last fifth of a replay of 100,000 entries beside what it
    holds over the first."""
    from agents.services.discussions import NewMessage, post_messages
    from rodcorp.actors import Actor
    from rodcorp.databases import hosts, journal, switching
    from rodcorp.databases.mode import Mode
    from rodcorp.databases.sync.replay import Replay

    actor = Actor.system("bench")
    with _company() as (company, source, agent):
        from django.db import connections

        switching.to_copy("bench")
        while journal.count(connections["sqlite"]) < 100_000:
            post_messages(
                actor=actor,
                messages=[NewMessage(agent=agent, topic="t", message=f"m{n}") for n in range(500)],
            )
        state = company.modes.read()
        company.modes.change(Mode.HEALING, state.epoch, "bench")
        hosts.raise_epoch(state.epoch + 1)
        replay, peaks = Replay(source, state.epoch + 1), []
        while journal.count(connections["sqlite"]):
            replay.run()
            peaks.append(_resident_pages())
    fifth = max(1, len(peaks) // 5)
    ratio = max(peaks[-fifth:]) / max(peaks[:fifth])
    return [Line("memory of a replay of 100000 entries, its end / its beginning", ratio, 1.2)]


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def _both_ways() -> list[Line]:
    """Eight processes write, the primary comes and goes, the watcher leads home each time."""
    from agents.models import Agent
    from rodcorp.databases.models import Conflict
    from rodcorp.databases.sync.compare import compare

    with _company() as (company, source, _), _watcher(company):
        writers = [_process(company, "tests.sides.writer", f"w{n}", 400, 8) for n in range(8)]
        while any(writer.poll() is None for writer in writers):
            time.sleep(0.8)
            company.link.cut()
            time.sleep(0.4)
            company.link.mend()
        lines = [line for each in writers for line in each.communicate()[0].splitlines()]
        answers = [json.loads(line) for line in lines]
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and (company.mode != "primary" or company.journal()):
            time.sleep(0.1)
        time.sleep(1.5)
        held = [str(key) for key in Agent.objects.using("mssql").values_list("pk", flat=True)]
        acknowledged = [answer["id"] for answer in answers if "id" in answer]
        differing = sum(1 for one in compare(source) if one.differing)
        conflicts = company.on("mssql", Conflict)
        switches = sum(1 for switch in company.modes.history(500) if switch.mode == "fallback")
    about = f"{len(answers)} units, {switches} times there and back, 64 other faults"
    return [
        Line(f"{about}: failed requests", len(answers) - len(acknowledged), 0, COUNT),
        Line("... lost", len(set(acknowledged) - set(held)), 0, COUNT),
        Line("... doubled", len(acknowledged) - len(set(acknowledged)), 0, COUNT),
        Line("... conflicts", conflicts, 0, COUNT),
        Line("... tables that differ afterwards", differing, 0, COUNT),
    ]


@contextmanager
def _watcher(company: Any) -> Iterator[None]:
    from rodcorp.databases.sync.watcher import last_report

    process = _process(company, "tests.sides.watch")
    while not ((report := last_report()) and report.pid == process.pid and report.pulls):
        time.sleep(0.05)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def _process(company: Any, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "RODCORP_DATA_DIR": str(company.directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
