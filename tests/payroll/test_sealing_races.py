"""Payments while pay cycles are closed: none lands in a sealed cycle, and none is lost."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter

import pytest
from django.db import connections

from payroll.models import LedgerSeal, PayCycle, RodCoinsTransaction
from payroll.proof import prove
from payroll.services.ledger import award_rodcoins, balance_of
from payroll.services.rebuilding import rebuild_balances
from rodcorp.databases.sides import active_alias
from tests.payroll.tampering import SYSTEM, close, open_cycle

THREADS = 8
AWARDS = 25
CLOSINGS = 6


def sealed_rows():
    sealed = Counter()
    for number, rows in LedgerSeal.objects.values_list("cycle__number", "rows"):
        sealed.update((number, key) for key, _ in json.loads(rows))
    return sealed


def nothing_is_lost(paid):
    """`paid` are the ids somebody was told of."""
    booked = {(row.cycle, str(row.pk)) for row in RodCoinsTransaction.objects.all()}
    assert sorted(key for _, key in booked) == sorted(paid)
    closed = set(PayCycle.objects.filter(state="closed").values_list("number", flat=True))
    assert Counter(row for row in booked if row[0] in closed) == sealed_rows()
    proof = prove(active_alias())
    assert (proof.flaws, proof.transactions) == ([], len(paid))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("meanwhile", [close, lambda number: rebuild_balances(actor=SYSTEM)])
def test_payments_at_once_with_closing_or_rebuilding(make_agent, meanwhile):
    agents = [make_agent(f"agent-{number}") for number in range(3)]
    open_cycle(1)
    begin, paid, failed = threading.Barrier(THREADS + 1), [], []
    paying = threading.Semaphore(0)

    def pay(number):
        try:
            begin.wait()
            for turn in range(AWARDS):
                row = award_rodcoins(
                    actor=SYSTEM, agent=agents[turn % 3], amount=1, description=f"{number}/{turn}"
                )
                paid.append(str(row.pk))
                paying.release()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    running = [threading.Thread(target=pay, args=(number,)) for number in range(THREADS)]
    for thread in running:
        thread.start()
    begin.wait()
    for number in range(1, CLOSINGS + 1):
        # so that some are paid before, between and after
        for _ in range(THREADS * AWARDS // (CLOSINGS + 2)):
            assert paying.acquire(timeout=60)
        meanwhile(number)
    for thread in running:
        thread.join()

    assert failed == []
    assert len(paid) == THREADS * AWARDS
    nothing_is_lost(paid)
    assert sum(map(balance_of, agents)) == THREADS * AWARDS


_PAY = """
import sys
from rodcorp.manager import DatabaseManager
manager = DatabaseManager()
print("ready", flush=True)
sys.stdin.readline()
for turn in range(40):
    row = manager.award_rodcoins("Ada", 1, "work", "earned")
    print(row["TransactionUUID"] if isinstance(row, dict) else row, flush=True)
"""

_CLOSE = """
import sys
from rodcorp.manager import DatabaseManager
DatabaseManager()
from tests.payroll.tampering import close
print("ready", flush=True)
for line in sys.stdin:
    close(int(line))
    print("closed", flush=True)
"""

_PREPARE = """
from rodcorp.manager import DatabaseManager
DatabaseManager().register_agent("Ada", "Core", "x", "claude", "x", "mid")
from tests.payroll.tampering import open_cycle
open_cycle(1)
"""

_CHECK = """
import json
from rodcorp.manager import DatabaseManager
DatabaseManager()
from payroll.models import RodCoinsTransaction, LedgerSeal
from payroll.proof import prove
from rodcorp.databases.sides import active_alias
print(json.dumps({
    "flaws": [flaw.said for flaw in prove(active_alias()).flaws],
    "rows": [str(key) for key in RodCoinsTransaction.objects.values_list("pk", flat=True)],
    "cycles": sorted(set(RodCoinsTransaction.objects.values_list("cycle", flat=True))),
    "sealed": sum(LedgerSeal.objects.values_list("row_count", flat=True)),
}))
"""


@pytest.fixture
def run(repository, home_of_processes):
    """Starts Python with a company of its own."""
    environment = {
        **os.environ,
        "RODCORP_DATA_DIR": str(home_of_processes),
        "RODCORP_SAMPLE_DATA": "0",
        "DJANGO_SETTINGS_MODULE": "rodcorp.settings",
    }
    started = []

    def run(code):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=repository,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_processes_that_pay_while_another_closes(run):
    prepared = run(_PREPARE)
    prepared.communicate(timeout=120)
    assert prepared.returncode == 0
    payers, closer = [run(_PAY) for _ in range(3)], run(_CLOSE)
    for process in (*payers, closer):
        assert process.stdout.readline() == "ready\n"
    for process in payers:
        process.stdin.write("\n")
        process.stdin.flush()
    paid = []
    for number in range(1, 5):
        # a payment of each, then a cycle is over
        paid += [process.stdout.readline().strip() for process in payers]
        closer.stdin.write(f"{number}\n")
        closer.stdin.flush()
        assert closer.stdout.readline() == "closed\n"
    for process in payers:
        paid += process.stdout.read().split()
        assert process.wait(120) == 0
    found = json.loads(run(_CHECK).communicate(timeout=120)[0])
    assert found["flaws"] == []
    assert sorted(found["rows"]) == sorted(paid)
    assert len(paid) == 120
    assert len(found["cycles"]) > 1
    assert found["sealed"] >= 3
