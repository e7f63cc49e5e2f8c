"""`python -m tests.bench.waiting AGENT RATE SECONDS`: awards that agent so many coins a second, one
a unit, and prints in JSON how many seconds each commit took to reach the copy, and how many all
took together. It prints `ready` and begins with the first line of its input."""

import json
import os
import sys
import threading
import time

# as many units may be on their way to the copy at a time
THREADS = 8


def main(agent_id: str, rate: float, for_s: float) -> None:
    on_a_server = "MSSQL_HOST" in os.environ
    os.environ["DJANGO_SETTINGS_MODULE"] = (
        "rodcorp.settings" if on_a_server else "tests.sides.settings"
    )
    import django

    django.setup()
    from django.conf import settings
    from django.db import connections

    from agents.models import Agent
    from payroll.services.ledger import award_rodcoins
    from rodcorp.actors import Actor
    from rodcorp.databases import failover, protection, units

    if not on_a_server:
        failover.probe = settings.LINK.probe
    # longer than an acknowledgement waits: what arrives late is to be seen
    protection.PATIENCE_S = 10.0
    wait = protection.wait_for_copy
    found = []

    def measured(unit):
        begun = time.perf_counter()
        arrived = wait(unit)
        found.append(time.perf_counter() - begun)
        return arrived

    units.wait_for_copy = measured
    actor = Actor.system("bench")
    agent = Agent.objects.get(pk=agent_id)

    def award():
        award_rodcoins(actor=actor, agent=agent, amount=1, description="x")

    def write(number):
        due = begun + number / rate
        while due < begun + for_s:
            time.sleep(max(0.0, due - time.monotonic()))
            award()
            due += THREADS / rate
        connections.close_all()

    award()
    found.clear()
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.monotonic()
    threads = [threading.Thread(target=write, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"lags": found, "took": time.monotonic() - begun}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
