"""What tests of the endpoint share: connections with short patience, and errors read apart."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.tds import driver
from tests.tds.endpoint import Endpoint

MISSING = driver.missing()
MARKS = [
    pytest.mark.tsql_driver,
    pytest.mark.skipif(bool(MISSING), reason=f"NOT TESTED: the scripted endpoint ({MISSING})"),
]
LOGIN_S = QUERY_S = 1

# SQLSTATE, native number, ODBC function
Diagnosis = tuple[str, int, str]


class Client:
    """Opens connections and closes them, whatever state a fault left them in."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint, self.made = endpoint, []

    def __call__(self, *, autocommit: bool = False, **keywords: str) -> Any:
        connection = driver.register().connect(
            self.endpoint.connect_with(**keywords), timeout=LOGIN_S, autocommit=autocommit
        )
        connection.timeout = QUERY_S
        self.made.append(connection)
        return connection

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.endpoint.kill_connections()
        for connection in self.made:
            if not connection.closed:
                connection.close()


def seen(call: Callable[[], Any]) -> Diagnosis:
    """The error that `call` ends in."""
    with pytest.raises(driver.register().Error) as caught:
        call()
    return diagnosis(caught.value)


def diagnosis(error: Exception) -> Diagnosis:
    native, function = re.search(r"\((-?\d+)\) \((\w+)\)$", error.args[1]).groups()
    return error.args[0], int(native), function


def becomes_true(condition: Callable[[], bool], seconds: float = 2) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
