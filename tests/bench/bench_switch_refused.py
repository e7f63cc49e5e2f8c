"""From the call to the answer, where the call is the first to find that the primary refuses
connections: the probe, the switch and the work itself, on an eligible copy, in a process that is
warm. The primary is led home after each. The worst is for information: a switch waits for the disk
several times, and any of them may be slow."""

import statistics
import time
from collections.abc import Callable

from tests.bench.company import (
    company_on_a_server,
    lead_home,
    read_agents,
    why_no_driver,
    write_an_agent,
)
from tests.bench.harness import Line, milliseconds, seconds_of

BOUND_S = 0.010
SWITCHES = 21

# After so long a process asks the primary before it begins anything on it.
SILENCE_S = 0.3

CASES = {
    "a read": (read_agents, SILENCE_S),
    "a unit": (write_an_agent, SILENCE_S),
    "a read on a connection just reset": (read_agents, 0.0),
    "a unit on a connection just reset": (write_an_agent, 0.0),
}


def run() -> list[Line]:
    names = {case: f"refused -> {case} answered by the copy" for case in CASES}
    if why := why_no_driver():
        return [Line(name, None, BOUND_S * 1e3, "ms", why_not=why) for name in names.values()]
    found: dict[str, list[float]] = {case: [] for case in CASES}
    with company_on_a_server() as endpoint:
        for _ in range(SWITCHES + 1):
            for case, (work, silence_s) in CASES.items():
                found[case].append(_once(endpoint, work, silence_s))
    lines = []
    for case, name in names.items():
        times = found[case][1:]
        lines.append(
            milliseconds(f"{name}, median of {SWITCHES}", statistics.median(times), BOUND_S)
        )
        lines.append(milliseconds("... the worst", max(times)))
    return lines


def _once(endpoint, work: Callable[[], None], silence_s: float) -> float:
    work()
    time.sleep(silence_s)
    with endpoint.fail("connect", "refuse"):
        endpoint.kill_connections()
        taken = seconds_of(work)
    lead_home()
    return taken
