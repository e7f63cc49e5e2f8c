"""A company whose primary is the scripted SQL Server, reached by the real driver, and whose copy
is a file."""

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from agents.models import Agent
from payroll.models import LedgerAccount, RodCoinsTransaction
from rodcorp.databases import hosts, pool
from rodcorp.databases.models import Host, UnitMarker
from rodcorp.databases.primary import MSSQL
from tests.sides.company import aliases, lay_out
from tests.tds.endpoint import Endpoint
from tests.tds.orm import create_tables
from tests.tds.tls import Tls
from tests.tds.tokens import Result

MODELS = [UnitMarker, Host, Agent, Agent.history.model, LedgerAccount, RodCoinsTransaction]


def healthy(sql: str) -> Result:
    """Writable, and its clock is ours."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return Result("SELECT", ["a", "b", "c"], [("READ_WRITE", now, 0)])


@contextmanager
def company_on_a_server(
    directory: Path, monkeypatch: Any, *, tls: Tls | None = None, **parameters: Any
):
    """The endpoint; this host is registered there."""
    wanted = lay_out(directory)
    monkeypatch.setattr(settings, "DATA_DIR", directory)
    with Endpoint(script={"Updateability": healthy}, tls=tls) as endpoint:
        wanted[MSSQL] = endpoint.settings(**parameters)
        with aliases(wanted):
            create_tables(connections[MSSQL], MODELS)
            hosts.register()
            try:
                yield endpoint
            finally:
                # a fault still in force would make closing wait for the driver
                endpoint.clear()
                connections[MSSQL].close()
                pool.clear()
