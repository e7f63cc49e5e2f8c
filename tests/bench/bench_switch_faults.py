"""Ten thousand units in eight processes, with faults in every phase of a unit while the primary
goes, comes back and is led home, again and again: how many requests failed, how many rows are there
twice, and how many acknowledged ones are not there."""

import time
from collections import Counter
from typing import Any

from tests.bench.company import company_on_files
from tests.bench.harness import COUNT, Line
from tests.bench.writers import PROCESSES, writers
from tests.sides.home import lead_home

UNITS = 10_000
FAULTS = 100
EACH = UNITS // PROCESSES
FAULTS_EACH = 16

# without a rest they would starve whoever leads them home of the copy's one write lock
REST_MS = 5
UP_S, DOWN_S = 0.3, 0.2


def run() -> list[Line]:
    from django.db import connections

    with company_on_files() as company:
        connections.close_all()
        with writers(company.directory, units=EACH, faults=FAULTS_EACH, rest_ms=REST_MS) as started:
            started.begin()
            cuts = 0
            while started.are_busy:
                time.sleep(UP_S)
                company.link.cut()
                time.sleep(DOWN_S)
                company.link.mend()
                cuts += lead_home(company)
            answers = started.answers()
        lead_home(company)
        faults = cuts + sum("fault" in answer["met"] for answer in answers)
        assert len(answers) == UNITS
        assert faults >= FAULTS, f"only {faults} faults"
        what = f"{UNITS} units with {faults} faults, {cuts} of them a primary that was gone"
        failed = sum("failed" in answer for answer in answers)
        doubled, lost = _doubled_and_lost(answers)
    return [
        Line(f"{what}: failed requests", failed, 0, COUNT),
        Line("... rows that are there twice", doubled, 0, COUNT),
        Line("... acknowledged rows that are not there", lost, 0, COUNT),
    ]


def _doubled_and_lost(answers: list[dict[str, Any]]) -> tuple[int, int]:
    """On the primary, where all is now. A unit writes an agent, its history and a marker; so did
    one of each process before the counting began."""
    from agents.models import Agent
    from rodcorp.databases.models import UnitMarker

    acknowledged = Counter(answer["id"] for answer in answers if "id" in answer)
    units = len(acknowledged) + PROCESSES
    held = Agent.objects.using("mssql").exclude(name__endswith="-warm")
    agents = Counter(str(key) for key in held.values_list("pk", flat=True))
    names = Counter(Agent.objects.using("mssql").values_list("name", flat=True))
    images = Counter(Agent.history.using("mssql").values_list("id", flat=True))
    markers = UnitMarker.objects.using("mssql").count()
    twice = sum(
        sum(count - 1 for count in found.values()) for found in (acknowledged, names, images)
    )
    lost = len(set(acknowledged) - set(agents)) + max(0, units - len(images), units - markers)
    return twice + len(set(agents) - set(acknowledged)) + max(0, markers - units), lost
