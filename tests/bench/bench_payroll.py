"""A payroll run of 10,000 agents, computed, approved and posted, against a bare `bulk_create` of
the rows it leaves: payslips, their lines and the payments."""

import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.bench.harness import Line, fresh_databases, ratio_of

AGENTS = 10_000
# Rows of the ledger that an agent has earned in the cycle, and its payslip explains.
AWARDS = 2

REPETITIONS = 5

STARTS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)


def run() -> list[Line]:
    from django.db import transaction

    fresh_databases()
    _found_company()
    _keep()
    run_payroll()
    rows = _rows_left()
    assert [len(values) for _, values in rows[:2]] == [AGENTS, AGENTS]

    def insert_bare() -> None:
        with transaction.atomic(using="sqlite"):  # noqa: TID251  the bare thing to compare with
            for model, values in rows:
                model._base_manager.using("sqlite").bulk_create(
                    [model(**row) for row in values], batch_size=500
                )

    ratio = ratio_of(run_payroll, insert_bare, before=_put_back, repetitions=REPETITIONS)
    count = sum(len(values) for _, values in rows)
    return [Line(f"payroll run of {AGENTS} agents / bulk_create of its {count} rows", ratio, 3.0)]


def run_payroll() -> None:
    from payroll.models import PayCycle
    from payroll.services.cycles import approve_cycle, compute_cycle, post_cycle
    from rodcorp.actors import Actor, ActorKind, Role

    cycle, system = PayCycle.objects.get(number=1), Actor.system("bench")
    compute_cycle(actor=system, cycle=cycle)
    approve_cycle(actor=Actor(ActorKind.USER, "b", "bench", role=Role.PAYROLL), cycle=cycle)
    post_cycle(actor=system, cycle=cycle)


def _found_company() -> None:
    """Every other agent has a salary of its own, the others are paid by their level; all of them
    are rated, and have earned something."""
    from agents.models import Agent
    from agents.services.registry import AgentDetails, NewAgent, register_agents
    from payroll.services.cycles import open_cycle
    from payroll.services.ledger import NewAward, award_many
    from payroll.services.salaries import add_bonus_rule, set_pay_scale, set_performance_band
    from rodcorp.actors import Actor

    system = Actor.system("bench")
    host = AgentDetails(machine_hostname="h", machine_ip="127.0.0.1", seniority="senior")
    agents = register_agents(
        actor=system, agents=[NewAgent(f"agent {number}", "p", host) for number in range(AGENTS)]
    )
    Agent.objects.update(performance_rating=Decimal("4.21"))
    set_pay_scale(actor=system, level="senior", base_salary=90, seniority_multiplier="1.25")
    set_performance_band(actor=system, minimum="4.00", multiplier="1.10")
    add_bonus_rule(actor=system, kind="per_task", label="Tasks", amount=5, effective_from=STARTS)
    add_bonus_rule(actor=system, kind="fixed", label="All", amount=2, effective_from=STARTS)
    _agree_salaries(agents[::2])
    for number in range(AWARDS):
        awards = [NewAward(agent, 10, f"award {number}") for agent in agents]
        award_many(actor=system, awards=awards)
    open_cycle(actor=system, starts_at=STARTS, ends_at=ENDS)


def _agree_salaries(agents: Any) -> None:
    from payroll.models import AccountKind, PayrollMaster
    from payroll.services.ledger import company_account
    from rodcorp.actors import Actor
    from rodcorp.databases.units import Unit, run_in_unit
    from rodcorp.kit import rows

    salaries = [
        PayrollMaster(
            agent=agent,
            base_salary=120,
            seniority_multiplier=None,
            performance_multiplier=None,
            bonus=10,
            effective_from=STARTS,
        )
        for agent in agents
    ]

    def work(unit: Unit) -> None:
        rows.insert_many(salaries)
        # the payments inserted bare point at it too
        company_account(AccountKind.PAYROLL)

    run_in_unit(work, actor=Actor.system("bench"), operation="bench")


def _rows_left() -> list[tuple[Any, list[dict[str, Any]]]]:
    """What the run made, by model, those others point at first."""
    from payroll.models import Payslip, PayslipLine, RodCoinsTransaction

    paid = RodCoinsTransaction.objects.filter(source_kind__in=["payslip", "recovery"])
    left = []
    for found in (paid, Payslip.objects.all(), PayslipLine.objects.all()):
        names = [field.attname for field in found.model._meta.concrete_fields]
        left.append((found.model, list(found.order_by().values(*names))))
    return left


def _kept() -> tuple[Path, Path]:
    """The company's file, and where it is kept as it was before the run."""
    from django.conf import settings

    file = Path(settings.DATABASES["sqlite"]["NAME"])
    return file, file.with_name("before-payroll.db")


def _keep() -> None:
    from django.db import connections

    connections.close_all()
    shutil.copy(*_kept())


def _put_back() -> None:
    from django.db import connections

    connections.close_all()
    file, kept = _kept()
    for left in file.parent.glob(f"{file.name}-*"):
        left.unlink()
    shutil.copy(kept, file)
