"""Sixteen threads at once on the embedded file: nothing lost, nothing twice, nothing locked."""

import random
import threading
from collections import Counter

import pytest
from django.db import connections
from django.db.models import Sum

from agents.models import Agent
from payroll.errors import InsufficientFunds
from payroll.models import LedgerAccount, RodCoinsTransaction
from payroll.services.ledger import award_rodcoins, balance_of
from rodcorp.errors import Conflict
from tasks.models import Task
from tasks.services.creation import NewTask, create_tasks
from tasks.services.work import update_task_status

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 16
ROUNDS = 12


def at_once(work, threads=THREADS):
    """Run `work(number)` in that many threads, started together; what they raised."""
    barrier, errors = threading.Barrier(threads), []

    def body(number):
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    running = [threading.Thread(target=body, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return errors


def ledger_balance(agent):
    account = LedgerAccount.objects.wallet_of(agent)
    rows = RodCoinsTransaction.objects
    received = rows.filter(target=account).aggregate(sum=Sum("amount"))["sum"] or 0
    paid = rows.filter(source=account).aggregate(sum=Sum("amount"))["sum"] or 0
    return received - paid


def test_awards_deductions_and_completions_at_once_add_up(make_agent, system):
    agents = [make_agent(f"agent-{number}") for number in range(4)]
    tasks = create_tasks(
        actor=system,
        tasks=[NewTask("work", agents[number % 4], reward=7) for number in range(40)],
    )
    expected, guard = Counter(), threading.Lock()

    def work(number):
        draw = random.Random(number)
        for _ in range(ROUNDS):
            agent = draw.choice(agents)
            amount, kind = draw.randint(1, 50), draw.choice(["earned", "bonus", "deduction"])
            try:
                award_rodcoins(
                    actor=system,
                    agent=agent,
                    amount=amount,
                    description="race",
                    transaction_type=kind,
                )
            except InsufficientFunds:
                continue
            with guard:
                expected[agent.pk] += -amount if kind == "deduction" else amount
        for task in draw.sample(tasks, len(tasks)):
            try:
                fresh = Task.objects.get(pk=task.pk)
                update_task_status(actor=system, task=fresh, status="completed")
            except Conflict:
                continue

    errors = at_once(work)

    assert errors == []
    for agent in agents:
        paid = 7 * Task.objects.filter(agent=agent, status="completed").count()
        assert balance_of(agent) == expected[agent.pk] + paid == ledger_balance(agent)
    assert RodCoinsTransaction.objects.filter(source_kind="task").count() == len(tasks)


def test_a_wallet_is_never_overdrawn_by_spends_at_once(make_agent, system):
    agent = make_agent()
    award_rodcoins(actor=system, agent=agent, amount=100, description="start")

    def spend(number):
        award_rodcoins(
            actor=system,
            agent=agent,
            amount=30,
            description="spend",
            transaction_type="deduction",
        )

    errors = at_once(spend)

    assert len(errors) == THREADS - 3
    assert all(isinstance(error, InsufficientFunds) for error in errors)
    assert balance_of(agent) == 10


def test_one_key_sent_by_all_pays_once(make_agent, system):
    agent = make_agent()

    def pay(number):
        award_rodcoins(actor=system, agent=agent, amount=5, description="once", key="k")

    assert at_once(pay) == []
    assert balance_of(agent) == 5


def test_a_task_completed_by_all_pays_once(make_agent, system):
    agent = make_agent()
    [task] = create_tasks(actor=system, tasks=[NewTask("work", agent, reward=9)])
    barrier = threading.Barrier(THREADS)

    def complete(number):
        mine = Task.objects.get(pk=task.pk)
        barrier.wait()
        update_task_status(actor=system, task=mine, status="completed")

    errors = at_once(complete)

    assert all(isinstance(error, Conflict) for error in errors)
    assert len(errors) == THREADS - 1
    assert balance_of(agent) == 9
    assert Agent.objects.get().total_rodcoins_earned == 9
