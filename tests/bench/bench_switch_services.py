"""A service call through the engine against the same service's work on bare SQLite.

Through the engine: the copy in mode fallback, with the unit of work, the fence, the marker and the
journal's triggers. Bare: the body of the same service, checks, history and ledger included, on the
same rows in a file with the same pragmas, in one plain transaction: no mode file, no fence, no
marker, no digest, no check of what SQL Server would refuse, and no triggers. So the ratio is what
two databases cost; `bench_units` has what the services themselves cost. The faster the disk, the
greater it is.

With a T-SQL server (MSSQL_HOST, a database without tables) the same is measured there: in mode
primary through the engine, and with mssql-django as it comes.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.bench.company import company_on_files
from tests.bench.harness import Line, ratio_of
from tests.bench.server import company_on_the_server, why_no_server

SINGLE, BULK = 1.25, 3.0
# enough for the write-ahead log to be emptied on both sides of a ratio
CALLS = 300
ROWS = 1_000
REPETITIONS = 11
BARE = "bare"

Call = Callable[[], object]


class Work:
    """One call, as a program makes it and bare."""

    def __init__(self, name: str, bound: float, service: Any, inputs: Callable[[], dict]) -> None:
        self.name, self.bound, self.service, self.inputs = name, bound, service, inputs

    @property
    def calls(self) -> int:
        return CALLS if self.bound == SINGLE else 1

    def through_the_engine(self) -> None:
        from rodcorp.actors import Actor

        actor, inputs = Actor.system("bench"), self.inputs()
        for _ in range(self.calls):
            self.service(actor=actor, **inputs)

    def bare(self) -> None:
        from rodcorp.actors import Actor

        actor, inputs = Actor.system("bench"), self.inputs()
        for _ in range(self.calls):
            with _plain_transaction(actor):
                self.service.__wrapped__(actor=actor, **inputs)


class Heartbeat(Work):
    """No unit of work; bare it is one statement, without a transaction around it."""

    def bare(self) -> None:
        from django.db.models import Q
        from django.utils import timezone

        from agents.models import Agent

        agent = self.inputs()["agent"]
        for _ in range(self.calls):
            now = timezone.now()
            earlier = Q(last_seen__lt=now) | Q(last_seen__isnull=True)
            Agent.objects.using(BARE).filter(earlier, pk=agent.pk).update(last_seen=now)


def run() -> list[Line]:
    return [*_on_the_copy(), *_on_the_server()]


def _on_the_copy() -> list[Line]:
    with company_on_files() as company:
        company.link.cut()
        _register()
        assert company.mode == "fallback"
        with _bare_file(company.directory) as before:
            return [
                Line(
                    f"{work.name} on the copy: through the engine / on bare SQLite",
                    ratio_of(
                        work.through_the_engine,
                        work.bare,
                        before=before,
                        repetitions=REPETITIONS,
                    ),
                    work.bound,
                )
                for work in _works()
            ]


def _on_the_server() -> list[Line]:
    what = "on SQL Server: through the engine / with mssql-django as it comes"
    if why := why_no_server():
        return [Line(f"service calls {what}", None, SINGLE, why_not=why)]
    with company_on_the_server(BARE):
        _register()
        return [
            Line(
                f"{work.name} {what}",
                ratio_of(work.through_the_engine, work.bare, before=lambda: None),
                work.bound,
            )
            for work in _works()
        ]


def _works() -> list[Work]:
    from agents.models import Agent
    from agents.services.discussions import NewMessage, post_message, post_messages
    from agents.services.presence import heartbeat
    from payroll.services.ledger import award_rodcoins
    from tasks.services.creation import NewTask, create_tasks

    text = "One message of an ordinary length, as agents send them."

    def agent() -> Any:
        return Agent.objects.get()

    def award() -> dict:
        return {"agent": agent(), "amount": 1, "description": "Measured"}

    def message() -> dict:
        return {"agent": agent(), "topic": "Bench", "message": text, "sentiment": "neutral"}

    def tasks() -> dict:
        return {"tasks": [NewTask(f"{text} {number}") for number in range(ROWS)]}

    def messages() -> dict:
        new = NewMessage("Bench", text, agent(), sentiment="neutral")
        return {"messages": [new] * ROWS}

    return [
        Work("award_rodcoins", SINGLE, award_rodcoins, award),
        Work("post_message", SINGLE, post_message, message),
        Heartbeat("heartbeat", SINGLE, heartbeat, lambda: {"agent": agent()}),
        Work(f"create_tasks, {ROWS} rows", BULK, create_tasks, tasks),
        Work(f"post_messages, {ROWS} rows", BULK, post_messages, messages),
    ]


def _register() -> None:
    from agents.services.registry import register_agent
    from rodcorp.actors import Actor

    register_agent(
        actor=Actor.system("bench"), name="Ada", machine_hostname="host", machine_ip="127.0.0.1"
    )


@contextmanager
def _plain_transaction(actor: Any) -> Iterator[None]:
    """What the services ask of a unit of work is there; none of what the engine does is."""
    from django.db import transaction
    from django.utils import timezone

    from rodcorp.databases.current import open_now
    from rodcorp.databases.sides import NO_EPOCH, Side
    from rodcorp.databases.units import Unit

    unit = Unit(uuid4(), "bench", actor, Side(BARE, NO_EPOCH), timezone.now())
    with transaction.atomic(using=BARE):  # noqa: TID251  the bare thing to compare with
        token = open_now.set(unit)
        try:
            yield
        finally:
            open_now.reset(token)


@contextmanager
def _bare_file(directory: Path) -> Iterator[Callable[[], None]]:
    """The alias of a file like the copy but without triggers; what puts both back."""
    from django.db import connections

    from rodcorp.databases import journal

    copy = Path(connections["sqlite"].settings_dict["NAME"])
    bare = directory / "bare.db"
    connections.settings[BARE] = {**connections.settings["sqlite"], "NAME": str(bare)}
    pristine = {copy: directory / "copy.pristine", bare: directory / "bare.pristine"}
    connections["sqlite"].cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connections["sqlite"].close()
    for kept in pristine.values():
        shutil.copy(copy, kept)

    def put_back() -> None:
        for alias, file in (("sqlite", copy), (BARE, bare)):
            connections[alias].close()
            for left in directory.glob(f"{file.name}*"):
                left.unlink()
            shutil.copy(pristine[file], file)
            connections[alias].ensure_connection()

    shutil.copy(copy, bare)
    with connections[BARE].cursor() as cursor:
        for name in journal.installed(connections[BARE]):
            cursor.execute(f'DROP TRIGGER "{name}"')
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connections[BARE].close()
    shutil.copy(bare, pristine[bare])
    try:
        yield put_back
    finally:
        connections[BARE].close()
        del connections[BARE]
        del connections.settings[BARE]
