"""A SQL Server that tests may end, hang and bring back, with commands of the operator's:

MSSQL_TEST_KILL      ends it at once, as `docker kill NAME` does
MSSQL_TEST_START     starts it again, as `docker start NAME` does
MSSQL_TEST_FREEZE    makes it hang, with its connections open, as `docker pause NAME` does
MSSQL_TEST_CONTINUE  lets it go on, as `docker unpause NAME` does
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rodcorp.databases import failover
from tests.environment import SERVER
from tests.processes import wait_for

KILL, START, FREEZE, CONTINUE = (
    f"MSSQL_TEST_{what}" for what in ("KILL", "START", "FREEZE", "CONTINUE")
)
MISSING = [name for name in ("MSSQL_HOST", KILL, START, FREEZE, CONTINUE) if not SERVER.get(name)]

# Seconds for a command, and for a server that was killed to be up again.
PATIENCE_S = 180

needs_a_server_to_kill = [
    pytest.mark.mssql,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"NOT TESTED: a T-SQL server that dies ({', '.join(MISSING)} not set)",
    ),
]


class Server:
    def __init__(self) -> None:
        self._way_back = ""

    def kill(self) -> None:
        self._way_back = START
        _run(KILL)

    def freeze(self) -> None:
        self._way_back = CONTINUE
        _run(FREEZE)

    def bring_back(self) -> None:
        """From either."""
        if self._way_back:
            _run(self._way_back)
        self._way_back = ""


@contextmanager
def mortal_server() -> Iterator[Server]:
    """Well again afterwards, whatever a test left it in."""
    server = Server()
    try:
        yield server
    finally:
        server.bring_back()
        wait_for(lambda: failover.look().is_good, PATIENCE_S)


def _run(variable: str) -> None:
    """What it prints is not read: what a server inherits stays open as long as it runs."""
    subprocess.run(
        SERVER[variable],
        shell=True,
        check=True,
        timeout=PATIENCE_S,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
