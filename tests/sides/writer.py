"""`python -m tests.sides.writer NAME COUNT FAULTS`: writes COUNT agents, one a unit, whatever
becomes of the link, and prints a JSON line with the id, the side it ended on and the seconds each
took. Of them FAULTS, spread evenly, meet a fault of the link, each in another phase.

With `--on-server` the primary is no file: faults are the server's business, and it may end sooner,
when standard input does. With `--paying AGENT` that agent gets a coin in each unit.
"""

import argparse
import itertools
import json
import os
import select
import sys
import time

PHASES = ["execute", "commit_before", "commit_after", "fetch"]
HOWS = ["reset", "end", "hang", "deadlock"]

# Seconds between two units: they load a server, and do not drown it.
REST_S = 0.1


def main(name: str, count: int, faults: int, *, on_server: bool, paying: str | None) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = (
        "rodcorp.settings" if on_server else "tests.sides.settings"
    )
    import django

    django.setup()
    from django.conf import settings

    from agents.models import Agent
    from payroll.services.ledger import award_rodcoins
    from rodcorp.actors import Actor
    from rodcorp.databases import failover
    from rodcorp.databases.units import run_in_unit
    from rodcorp.kit import rows

    if not on_server:
        failover.probe = settings.LINK.probe
    actor = Actor.system(name)
    kinds = itertools.cycle(itertools.product(PHASES, HOWS))
    every = count // faults if faults else count + 1

    def write(number):
        ended = {}

        def work(unit):
            ended["on"] = unit.alias
            agent = Agent(
                name=f"{name}-{number}", project="p", machine_hostname="h", machine_ip="::1"
            )
            key = str(rows.insert(agent).pk)
            if paying:
                paid = Agent.objects.get(name=paying)
                award_rodcoins(actor=actor, agent=paid, amount=1, description=agent.name)
            return key

        ended["id"] = run_in_unit(work, actor=actor, operation="test", key=f"{name}-{number}")
        return ended

    for number in range(count):
        if faults and number % every == 0:
            phase, how = next(kinds)
            settings.LINK.fail(phase, "reset" if phase == "commit_after" else how)
        begun = time.perf_counter()
        try:
            answer = write(number)
        except Exception as error:
            answer = {"failed": repr(error)}
        print(json.dumps({**answer, "seconds": time.perf_counter() - begun}), flush=True)
        if on_server and select.select([sys.stdin], [], [], REST_S)[0]:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("count", type=int)
    parser.add_argument("faults", type=int)
    parser.add_argument("--on-server", action="store_true")
    parser.add_argument("--paying")
    main(**vars(parser.parse_args()))
