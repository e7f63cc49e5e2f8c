"""From the call to the acknowledgement, for a unit whose connection was reset: by a primary that is
still there, and by one that is gone and refuses, so that the copy takes over.

Eight processes write at once, each a unit of two rows and a marker, and rest between units. Where
the primary stays their connections are reset one after another; where it goes all are at the same
moment, so that all eight come to the copy's one write lock together.
"""

import statistics
import time
from typing import Any

from tests.bench.company import company_on_a_server, lead_home, why_no_driver
from tests.bench.harness import Line, milliseconds, percentile
from tests.bench.writers import writers

BOUND_S = 0.100
UNITS = 90
REST_MS = 100

STAYS = "reset, the primary still there -> acknowledged"
GOES = "reset, the primary gone -> acknowledged by the copy"


def run() -> list[Line]:
    if why := why_no_driver():
        return [Line(name, None, BOUND_S * 1e3, "ms", why_not=why) for name in (STAYS, GOES)]
    stays, goes = _answers(_reset), _answers(_vanish_and_return)
    calm = [answer["seconds"] for answer in stays if not answer["met"]]
    met = {
        name: [answer["seconds"] for answer in answers if answer["met"]]
        for name, answers in {STAYS: stays, GOES: goes}.items()
    }
    return [
        *(_p99(name, times, BOUND_S) for name, times in met.items()),
        *(
            milliseconds(f"... {name}, median", statistics.median(times))
            for name, times in met.items()
        ),
        _p99("for comparison: a unit of theirs that met nothing", calm),
        milliseconds("... its median", statistics.median(calm)),
    ]


def _reset(endpoint) -> None:
    with endpoint.lock:
        wires = list(endpoint.wires.values())
    for wire in wires:
        wire.kill("rst")
        time.sleep(0.05)


def _vanish_and_return(endpoint) -> None:
    with endpoint.fail("connect", "refuse"):
        endpoint.kill_connections()
        time.sleep(0.25)
    lead_home()
    time.sleep(0.2)


def _answers(happen) -> list[dict[str, Any]]:
    from django.conf import settings

    with company_on_a_server() as endpoint:
        server = {
            "MSSQL_HOST": endpoint.host,
            "MSSQL_PORT": str(endpoint.port),
            "MSSQL_DATABASE": endpoint.database,
            "MSSQL_USER": endpoint.user,
            "MSSQL_PASSWORD": endpoint.password,
            "MSSQL_ENCRYPT": "no",
        }
        with writers(settings.DATA_DIR, units=UNITS, rest_ms=REST_MS, server=server) as started:
            started.begin()
            while started.are_busy:
                happen(endpoint)
            answers = started.answers()
    failed = [answer["failed"] for answer in answers if "failed" in answer]
    assert not failed, failed[:3]
    return answers


def _p99(name: str, times: list[float], bound_s: float | None = None) -> Line:
    return milliseconds(f"{name}, p99 of {len(times)}", percentile(times, 99), bound_s)
