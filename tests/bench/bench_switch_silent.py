"""A primary that does not refuse but falls silent: what becomes of the request that waits for it
and of those that come after.

Each process takes the primary's word for a quarter of a second, so requests that begin in the first
moments of the silence are counted by themselves. The query timeout is one second.
"""

import time
from collections.abc import Callable

from tests.bench.company import (
    company_on_a_server,
    lead_home,
    read_agents,
    why_no_driver,
    write_an_agent,
)
from tests.bench.harness import Line, seconds
from tests.bench.requests import Arrivals, Request

NEW_S = 1.0
QUERY_TIMEOUT_S = 1.0
WAITING_S = 3 * QUERY_TIMEOUT_S + NEW_S

# For so long the last answer is news: what is sent within it is on its way already when the server
# falls silent, and waits as long as the driver does.
FRESH_S = 0.05

WORKS = [read_agents, write_an_agent]
EVERY_S = 0.05
FOR_S = 1.2

HOLES: dict[str, Callable] = {
    "SYNs vanish, open connections are silent": lambda endpoint: (
        endpoint.freeze(),
        endpoint.fail("connect", "drop"),
    ),
    "connections are accepted and nobody answers": lambda endpoint: endpoint.freeze(),
}


def run() -> list[Line]:
    if why := why_no_driver():
        return [
            Line("black hole: new requests", None, NEW_S, "s", why_not=why),
            Line("hung in mid-query: that request", None, WAITING_S, "s", why_not=why),
            Line("hung in mid-query: all others", None, NEW_S, "s", why_not=why),
        ]
    lines = []
    with company_on_a_server() as endpoint:
        for name, fall_silent in HOLES.items():
            lines += _black_hole(endpoint, name, fall_silent)
        lines += _hung(endpoint, "one session hangs", everything=False)
        lines += _hung(endpoint, "the whole server hangs", everything=True)
    return lines


def _black_hole(endpoint, name: str, fall_silent: Callable) -> list[Line]:
    found: list[Request] = []
    for has_connections in (True, False):
        _warm(endpoint, has_connections=has_connections)
        fall_silent(endpoint)
        arrivals = Arrivals()
        arrivals.keep_coming(WORKS, EVERY_S, until=lambda now: now > FOR_S)
        found += arrivals.all()
        _mend(endpoint)
    return _apart(f"black hole ({name}): a new request", found)


def _hung(endpoint, name: str, *, everything: bool) -> list[Line]:
    """A unit whose statement was taken and is not answered; others come as long as it waits."""
    _warm(endpoint, has_connections=True)
    fault = endpoint.fail("execute", "hang", times=1, matching="INSERT INTO .*GlobalAgentRegistry")
    waiting = Arrivals()
    thread = waiting.add(write_an_agent)
    assert fault.hit.wait(5)
    if everything:
        endpoint.freeze()
    others = Arrivals()
    others.keep_coming([read_agents], EVERY_S, until=lambda now: not thread.is_alive())
    [hung], rest = waiting.all(), others.all()
    _mend(endpoint)
    return [
        seconds(f"hung in mid-query ({name}): that request", hung.taken, WAITING_S),
        *_apart(f"hung in mid-query ({name}): another request", rest),
    ]


def _apart(name: str, found: list[Request]) -> list[Line]:
    early = [request.taken for request in found if request.begun < FRESH_S]
    late = [request.taken for request in found if request.begun >= FRESH_S]
    return [
        seconds(
            f"{name}, sent within {FRESH_S} s of the last answer, worst of {len(early)}",
            max(early, default=0.0),
            WAITING_S,
        ),
        seconds(f"{name}, worst of {len(late)}", max(late), NEW_S),
    ]


def _warm(endpoint, *, has_connections: bool) -> None:
    """Several connections open, or none, and the primary just heard of."""
    from rodcorp.databases import pool

    arrivals = Arrivals()
    for _ in range(6):
        arrivals.add(read_agents)
    arrivals.all()
    if not has_connections:
        pool.clear()


def _mend(endpoint) -> None:
    from rodcorp.databases import sides

    endpoint.clear()
    endpoint.thaw()
    endpoint.kill_connections()
    time.sleep(0.2)
    if not sides.current().is_primary:
        lead_home()
