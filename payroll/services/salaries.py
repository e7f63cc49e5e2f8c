"""What agents are paid a cycle, and since when."""

from decimal import Decimal

from agents.models import Agent
from payroll.models import PayrollMaster
from rodcorp.actors import Actor, Permission
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service

MAX_SALARY = 1_000_000_000
MAX_MULTIPLIER = 100


@service("payroll.set_salary", needs=Permission.MOVE_COINS)
def set_salary(
    *,
    actor: Actor,
    agent: Agent,
    base_salary: object,
    seniority_multiplier: object = 1,
    performance_multiplier: object = 1,
    bonus: object = 0,
    effective_from: object = None,
    key: str | None = None,
) -> PayrollMaster:
    """Set what the agent is paid from a moment (now, if not given) until the next row begins.

    The row that was in force then ends there. A row that begins at the same moment is corrected
    instead.
    """
    values = {
        "base_salary": _coins(base_salary, "base_salary"),
        "seniority_multiplier": _multiplier(seniority_multiplier, "seniority_multiplier"),
        "performance_multiplier": _multiplier(performance_multiplier, "performance_multiplier"),
        "bonus": _coins(bonus, "bonus"),
    }
    since = open_unit().now
    if effective_from is not None:
        since = validation.moment(effective_from, "effective_from")
    # locked, so that two new rows cannot both end the same old one
    known = PayrollMaster.objects.select_for_update().filter(agent=agent)
    present = known.filter(effective_from=since).first()
    if present is not None:
        return rows.change(present, **values)
    before = known.filter(effective_from__lt=since).order_by("-effective_from").first()
    after = known.filter(effective_from__gt=since).order_by("effective_from").first()
    if before is not None and (before.effective_to is None or before.effective_to > since):
        rows.change(before, effective_to=since)
    return rows.insert(
        PayrollMaster(
            id=natural_id("salary", agent.pk, since.isoformat()),
            agent=agent,
            effective_from=since,
            effective_to=after.effective_from if after else None,
            **values,
        )
    )


def _coins(value: object, field: str) -> int:
    return validation.integer(value, field, minimum=0, maximum=MAX_SALARY)


def _multiplier(value: object, field: str) -> Decimal:
    return validation.two_decimals(value, field, maximum=MAX_MULTIPLIER)
