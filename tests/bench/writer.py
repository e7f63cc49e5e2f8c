"""`python -m tests.bench.writer NAME COUNT FAULTS REST_MS`: writes COUNT agents, one a unit, and
rests about that long after each. It begins when its input ends and then prints a JSON line of each
unit: its seconds, its id or how it failed, and what it met: a fault, a primary that was gone, or
nothing.

With MSSQL_HOST the primary is a server, and faults are its business. Else the company is on two
files, and FAULTS of the link are set, spread evenly over all phases of a unit and all ways to fail.
"""

import itertools
import json
import os
import random
import sys
import time

WAYS = ("reset", "end", "mute", "hang", "deadlock", "lock", "shutdown")
WRITES = ('INSERT INTO "UnitMarkers"', 'INSERT INTO "GlobalAgentRegistry"')

# phase, way, and in which statement
FAULTS = [
    *itertools.product(("execute",), WAYS, ("SELECT", *WRITES)),
    *itertools.product(("fetch", "commit_before"), WAYS, ("",)),
    *itertools.product(("commit_after",), ("reset", "end", "mute"), ("",)),
]


def main(name: str, count: int, faults: int, rest_s: float) -> None:
    on_a_server = "MSSQL_HOST" in os.environ
    os.environ["DJANGO_SETTINGS_MODULE"] = (
        "rodcorp.settings" if on_a_server else "tests.sides.settings"
    )
    import django

    django.setup()
    from django.conf import settings

    from agents.models import Agent
    from rodcorp.actors import Actor
    from rodcorp.databases.units import run_in_unit
    from rodcorp.kit import rows

    met = _what_the_engine_meets() if on_a_server else _what_the_link_does(settings.LINK)
    actor = Actor.system(name)
    dice = random.Random(name)
    kinds = itertools.cycle(dice.sample(FAULTS, len(FAULTS)))
    every = count // faults if faults else count + 1

    def write(label):
        def work(unit):
            assert not Agent.objects.filter(project="p", name=label).exists()
            agent = Agent(name=label, project="p", machine_hostname="h", machine_ip="127.0.0.1")
            return str(rows.insert(agent).pk)

        return run_in_unit(work, actor=actor, operation="bench", key=label)

    write(f"{name}-warm")
    print("ready", flush=True)
    sys.stdin.read()
    for number in range(count):
        if number % every == every - 1:
            phase, how, matching = next(kinds)
            settings.LINK.fail(phase, how, matching=matching)
        met.clear()
        begun = time.perf_counter()
        try:
            answer = {"id": write(f"{name}-{number}")}
        except Exception as error:
            answer = {"failed": repr(error)}
        taken = time.perf_counter() - begun
        print(json.dumps({**answer, "seconds": taken, "met": sorted(met)}), flush=True)
        if rest_s:
            time.sleep(rest_s * dice.uniform(0.5, 1.5))


def _what_the_engine_meets() -> set[str]:
    from rodcorp.databases import failover, units

    met: set[str] = set()
    drop, probe, switch_to_copy = units.drop, failover.probe, failover.switch_to_copy

    def noted_drop(alias):
        met.add("fault")
        drop(alias)

    def noted_probe(*args, **kwargs):
        answer = probe(*args, **kwargs)
        if not answer.is_good:
            met.add("gone")
        return answer

    def noted_switch(*args):
        met.add("gone")
        switch_to_copy(*args)

    units.drop = noted_drop
    failover.probe, failover.switch_to_copy = noted_probe, noted_switch
    return met


def _what_the_link_does(link) -> set[str]:
    from rodcorp.databases import failover

    met: set[str] = set()
    due = link.due

    def noted_due(phase, sql=""):
        how = due(phase, sql)
        if how:
            met.add("gone" if link.is_cut else "fault")
        return how

    link.due = noted_due
    failover.probe = link.probe
    return met


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]) / 1e3)
