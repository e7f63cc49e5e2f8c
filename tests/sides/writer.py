"""`python -m tests.sides.writer NAME COUNT FAULTS`: writes COUNT agents, one a unit, whatever
becomes of the link, and prints a JSON line with the id and the seconds each took. Of them FAULTS,
spread evenly, meet a fault of the link, each in another phase."""

import itertools
import json
import os
import sys
import time

PHASES = ["execute", "commit_before", "commit_after", "fetch"]
HOWS = ["reset", "end", "hang", "deadlock"]


def main(name: str, count: int, faults: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.sides.settings"
    import django

    django.setup()
    from django.conf import settings

    from agents.models import Agent
    from rodcorp.actors import Actor
    from rodcorp.databases import failover
    from rodcorp.databases.units import run_in_unit
    from rodcorp.kit import rows

    link = settings.LINK
    failover.probe = link.probe
    actor = Actor.system(name)
    kinds = itertools.cycle(itertools.product(PHASES, HOWS))
    every = count // faults if faults else count + 1

    def write(number):
        def work(unit):
            agent = Agent(
                name=f"{name}-{number}", project="p", machine_hostname="h", machine_ip="::1"
            )
            return str(rows.insert(agent).pk)

        return run_in_unit(work, actor=actor, operation="test", key=f"{name}-{number}")

    for number in range(count):
        if faults and number % every == 0:
            phase, how = next(kinds)
            link.fail(phase, "reset" if phase == "commit_after" else how)
        begun = time.perf_counter()
        try:
            answer = {"id": write(number)}
        except Exception as error:
            answer = {"failed": repr(error)}
        print(json.dumps({**answer, "seconds": time.perf_counter() - begun}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
