"""What agents are paid a cycle, and since when."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import Q

from agents.models import Agent
from payroll.models import BonusKind, BonusRule, PayrollMaster, PayScale, PerformanceBand
from rodcorp.actors import Actor, Permission
from rodcorp.databases.fields import fold
from rodcorp.databases.ids import natural_id
from rodcorp.databases.units import open_unit
from rodcorp.errors import Conflict, InvalidInput, NotFound
from rodcorp.kit import rows, validation
from rodcorp.kit.services import service

MAX_SALARY = 1_000_000_000
MAX_MULTIPLIER = 100


@service("payroll.set_salary", needs=Permission.RUN_PAYROLL)
def set_salary(
    *,
    actor: Actor,
    agent: Agent,
    base_salary: object = None,
    seniority_multiplier: object = None,
    performance_multiplier: object = None,
    bonus: object = 0,
    effective_from: object = None,
    key: str | None = None,
) -> PayrollMaster:
    """Set what the agent is paid from a moment (now, if not given) until the next row begins.

    Without a multiplier the pay scale of the agent's seniority level, or the band of its rating,
    says it in each cycle. Without a base salary it is the present one of that pay scale.

    The row that was in force then ends there. A row that begins at the same moment is corrected
    instead.
    """
    values = {
        "base_salary": _base_salary(base_salary, agent),
        "seniority_multiplier": _own_multiplier(seniority_multiplier, "seniority_multiplier"),
        "performance_multiplier": _own_multiplier(performance_multiplier, "performance_multiplier"),
        "bonus": _coins(bonus, "bonus"),
    }
    since = _moment(effective_from, "effective_from")
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


@service("payroll.set_pay_scale", needs=Permission.RUN_PAYROLL)
def set_pay_scale(
    *, actor: Actor, level: object, base_salary: object, seniority_multiplier: object
) -> PayScale:
    """Say what a seniority level is paid a cycle, in whole coins, and its multiplier. A level that
    has a scale gets the new one."""
    name = _level(level)
    values = {
        "base_salary": _coins(base_salary, "base_salary"),
        "seniority_multiplier": _multiplier(seniority_multiplier, "seniority_multiplier"),
    }
    present = _scale(name)
    if present is not None:
        return rows.change(present, **values)
    return rows.insert(PayScale(id=natural_id("pay scale", name), level=name, **values))


@service("payroll.remove_pay_scale", needs=Permission.RUN_PAYROLL)
def remove_pay_scale(*, actor: Actor, level: object) -> None:
    """Take a level's scale away; agents without a multiplier of their own then have none by their
    seniority. Raises `NotFound`."""
    name = _level(level)
    present = _scale(name)
    if present is None:
        raise NotFound(f"The seniority level '{name}' has no pay scale.", field="level")
    rows.delete_many([present])


@service("payroll.set_performance_band", needs=Permission.RUN_PAYROLL)
def set_performance_band(*, actor: Actor, minimum: object, multiplier: object) -> PerformanceBand:
    """Say by what ratings from `minimum` (0.00 to 5.00) up to the next band multiply the salary. A
    band that begins there already gets the new multiplier."""
    rating = validation.score(minimum, "minimum")
    factor = _multiplier(multiplier, "multiplier")
    present = PerformanceBand.objects.select_for_update().filter(minimum=rating).first()
    if present is not None:
        return rows.change(present, multiplier=factor)
    row_id = natural_id("performance band", rating)
    return rows.insert(PerformanceBand(id=row_id, minimum=rating, multiplier=factor))


@service("payroll.remove_performance_band", needs=Permission.RUN_PAYROLL)
def remove_performance_band(*, actor: Actor, minimum: object) -> None:
    """Take the band away that begins at that rating; the one below it then reaches further. Raises
    `NotFound`."""
    rating = validation.score(minimum, "minimum")
    present = PerformanceBand.objects.filter(minimum=rating).first()
    if present is None:
        raise NotFound(f"No performance band begins at the rating {rating}.", field="minimum")
    rows.delete_many([present])


@service("payroll.add_bonus_rule", needs=Permission.RUN_PAYROLL)
def add_bonus_rule(
    *,
    actor: Actor,
    kind: object,
    label: object,
    amount: object,
    agent: Agent | None = None,
    threshold: object = None,
    effective_from: object = None,
    effective_to: object = None,
    key: str | None = None,
) -> BonusRule:
    """Pay coins a cycle on top of the salary, to one agent or, without one, to everybody.

    `threshold` (0.00 to 5.00) is what a rule of kind `rating` needs, and no other takes. It holds
    from a moment (now, if not given) until `effective_to`, which is no longer part of it, or until
    further notice. Raises `Conflict` while a rule of that kind and label holds.
    """
    rule = BonusRule(
        id=open_unit().new_id(),
        agent=agent,
        kind=validation.choice(kind, "kind", BonusKind.values),
        label=validation.text(label, "label", max_length=100),
        amount=validation.integer(amount, "amount", minimum=1, maximum=MAX_SALARY),
        effective_from=_moment(effective_from, "effective_from"),
    )
    rule.threshold = _threshold(threshold, rule.kind)
    if effective_to not in (None, ""):
        rule.effective_to = validation.moment(effective_to, "effective_to")
        if rule.effective_to <= rule.effective_from:
            raise InvalidInput(
                f"effective_to must be later than effective_from, {_shown(rule.effective_from)}.",
                field="effective_to",
            )
    # locked, so that two alike cannot both find the other missing
    known = BonusRule.objects.select_for_update().filter(agent=agent, kind=rule.kind)
    _refuse_a_second(rule, known)
    return rows.insert(rule)


@service("payroll.end_bonus_rule", needs=Permission.RUN_PAYROLL)
def end_bonus_rule(*, actor: Actor, rule: BonusRule, effective_to: object = None) -> BonusRule:
    """Let a rule hold no longer, from a moment on (now, if not given). One that has not begun never
    will. It can end earlier than was said, never later."""
    rule = BonusRule.objects.select_for_update().get(pk=rule.pk)
    until = _moment(effective_to, "effective_to")
    if effective_to in (None, ""):
        until = max(until, rule.effective_from)
    if until < rule.effective_from:
        raise InvalidInput(
            f"effective_to must not be before the rule begins, {_shown(rule.effective_from)}.",
            field="effective_to",
        )
    if rule.effective_to is not None and rule.effective_to <= until:
        raise Conflict(
            f"This rule ends {_shown(rule.effective_to)} already; add a new one to go on.",
            field="effective_to",
        )
    return rows.change(rule, effective_to=until)


def _refuse_a_second(rule: BonusRule, known: Iterable[BonusRule]) -> None:
    """Two rules alike at the same moment would pay the same thing twice."""
    for other in known:
        ends_before = other.effective_to is not None and other.effective_to <= rule.effective_from
        begins_after = rule.effective_to is not None and rule.effective_to <= other.effective_from
        is_never = other.effective_to == other.effective_from
        if fold(other.label) != fold(rule.label) or ends_before or begins_after or is_never:
            continue
        until = f" until {_shown(other.effective_to)}" if other.effective_to else ""
        raise Conflict(
            f"A {rule.kind} rule '{other.label}' holds already, from "
            f"{_shown(other.effective_from)}{until}; end it first, or choose another label.",
            field="label",
        )


def _base_salary(value: object, agent: Agent) -> int:
    if value not in (None, ""):
        return _coins(value, "base_salary")
    scale = _scale(agent.seniority) if agent.seniority else None
    if scale is None:
        why = f"the level '{agent.seniority}' has no pay scale"
        if not agent.seniority:
            why = f"{agent.name} has no seniority level"
        raise InvalidInput(f"base_salary must be given: {why}.", field="base_salary")
    return scale.base_salary


def _scale(level: str) -> PayScale | None:
    # the database's own comparison ignores the case of ASCII only, the id the case of all letters
    named = Q(pk=natural_id("pay scale", level)) | Q(level=level)
    return PayScale.objects.select_for_update().filter(named).first()


def _level(value: object) -> str:
    return validation.text(value, "level", max_length=50)


def _threshold(value: object, kind: str) -> Decimal | None:
    if kind == BonusKind.RATING:
        return validation.score(value, "threshold")
    if value not in (None, ""):
        raise InvalidInput(
            f"threshold is for rules of kind 'rating'; leave it out of one of kind '{kind}'.",
            field="threshold",
        )
    return None


def _moment(value: object, field: str) -> datetime:
    return open_unit().now if value in (None, "") else validation.moment(value, field)


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _coins(value: object, field: str) -> int:
    return validation.integer(value, field, minimum=0, maximum=MAX_SALARY)


def _own_multiplier(value: object, field: str) -> Decimal | None:
    return None if value in (None, "") else _multiplier(value, field)


def _multiplier(value: object, field: str) -> Decimal:
    return validation.two_decimals(value, field, maximum=MAX_MULTIPLIER)
