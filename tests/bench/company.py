"""A company whose primary comes and goes while somebody looks at the clock."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tds import driver


def why_no_driver() -> str:
    """Why the lines that need Microsoft's ODBC driver cannot be measured here, if they cannot."""
    missing = driver.missing()
    return f"the ODBC driver cannot be loaded ({missing})" if missing else ""


@contextmanager
def company_on_a_server() -> Iterator[Any]:
    """The scripted SQL Server, reached by the real driver with a query timeout of one second; the
    copy is complete."""
    from django.db import connections

    from rodcorp.databases import eligibility
    from tests.sides import server

    driver.register()
    with (
        tempfile.TemporaryDirectory(prefix="rodcorp-bench-") as directory,
        pytest.MonkeyPatch.context() as patch,
        server.company_on_a_server(Path(directory), patch) as endpoint,
    ):
        eligibility.note_complete(connections["sqlite"])
        yield endpoint


@contextmanager
def company_on_files() -> Iterator[Any]:
    """Two files, the first behind a link that breaks; the copy is complete."""
    from django.db import connections

    from rodcorp.databases import eligibility, hosts
    from tests.sides.company import company_on_two_sides

    with (
        tempfile.TemporaryDirectory(prefix="rodcorp-bench-") as directory,
        pytest.MonkeyPatch.context() as patch,
        company_on_two_sides(Path(directory), patch) as company,
    ):
        hosts.register()
        eligibility.note_complete(connections["sqlite"])
        yield company


def write_an_agent() -> None:
    """A unit of work: a row and its history."""
    from agents.models import Agent
    from rodcorp.actors import Actor
    from rodcorp.databases.units import Unit, run_in_unit
    from rodcorp.kit import rows

    def work(unit: Unit) -> None:
        rows.insert(
            Agent(
                name=f"agent {unit.id}", project="p", machine_hostname="h", machine_ip="127.0.0.1"
            )
        )

    run_in_unit(work, actor=Actor.system("bench"), operation="bench")


def read_agents() -> None:
    """What a page does to its rows: all of it on one side."""
    from agents.models import Agent
    from rodcorp.databases.repeatable import run_repeatable

    run_repeatable(lambda: list(Agent.objects.order_by("name")[:50]))


def lead_home() -> None:
    """Back to the primary, as the protocol says, also under load; but what was written to the copy
    meanwhile is of no interest here, and dropped."""
    from django.db import connections, transaction

    from rodcorp.databases import fence, hosts
    from rodcorp.databases.mode import Mode
    from rodcorp.databases.sessions import drop
    from rodcorp.databases.sides import mode_file

    modes, copy = mode_file(), connections["sqlite"]
    state = modes.read()
    if state.mode is Mode.PRIMARY or not modes.change(Mode.HEALING, state.epoch, "bench"):
        return
    drop("mssql")  # what is left of the connections that broke
    hosts.raise_epoch(state.epoch + 1)
    with transaction.atomic(using="sqlite"):  # noqa: TID251  the protocol's own
        with copy.cursor() as cursor:
            cursor.execute("DELETE FROM rodcorp_journal")
        fence.close(copy, state.epoch + 2)
    modes.change(Mode.PRIMARY, state.epoch + 1, "bench")  # unless somebody has finished it already
