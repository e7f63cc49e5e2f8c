from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payroll.models import BonusRule, PayrollMaster, PayScale, PerformanceBand
from payroll.services.salaries import (
    add_bonus_rule,
    end_bonus_rule,
    remove_pay_scale,
    remove_performance_band,
    set_pay_scale,
    set_performance_band,
    set_salary,
)
from rodcorp.databases.ids import natural_id
from rodcorp.errors import Conflict, InvalidInput, NotFound, PermissionRefused

pytestmark = pytest.mark.django_db


def day(number):
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.fixture
def pay(system, make_agent):
    agent = make_agent()

    def pay(base_salary=100, since=None, **details):
        return set_salary(
            actor=system,
            agent=agent,
            base_salary=base_salary,
            **{"effective_from": day(since) if since else None, **details},
        )

    return pay


def periods():
    rows = PayrollMaster.objects.order_by("effective_from")
    return [
        (row.base_salary, row.effective_from.day, row.effective_to and row.effective_to.day)
        for row in rows
    ]


def test_a_salary_holds_until_further_notice(pay):
    pay(100, since=1)
    assert periods() == [(100, 1, None)]


def test_the_next_one_ends_it(pay):
    pay(100, since=1)
    pay(200, since=10)
    assert periods() == [(100, 1, 10), (200, 10, None)]


def test_one_in_between_holds_until_the_later_one(pay):
    pay(100, since=1)
    pay(300, since=20)
    pay(200, since=10)
    assert periods() == [(100, 1, 10), (200, 10, 20), (300, 20, None)]


def test_one_before_the_first_ends_where_that_begins(pay):
    pay(200, since=10)
    pay(100, since=1)
    assert periods() == [(100, 1, 10), (200, 10, None)]


def test_a_period_that_had_ended_stays_as_it_was(pay):
    first = pay(100, since=1)
    PayrollMaster.objects.filter(pk=first.pk).update(effective_to=day(5))
    pay(200, since=10)
    assert periods() == [(100, 1, 5), (200, 10, None)]


def test_the_same_moment_again_corrects_the_row(pay):
    first = pay(100, since=1)
    again = pay(150, since=1, bonus=5)
    assert again.pk == first.pk
    assert periods() == [(150, 1, None)]
    assert [row.history_type for row in first.history.order_by("history_date")] == ["+", "~"]


def test_without_a_moment_it_holds_from_now(pay):
    before = datetime.now(UTC)
    assert before <= pay().effective_from <= datetime.now(UTC)


def test_agents_do_not_end_each_others_salaries(pay, make_agent, system):
    pay(100, since=1)
    set_salary(actor=system, agent=make_agent("Eve"), base_salary=7, effective_from=day(10))
    assert periods() == [(100, 1, None), (7, 10, None)]


def test_multipliers_keep_two_decimals(pay):
    row = pay(seniority_multiplier="1.5", performance_multiplier=0.75)
    row.refresh_from_db()
    assert (row.seniority_multiplier, row.performance_multiplier) == (
        Decimal("1.50"),
        Decimal("0.75"),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_salary", -1),
        ("base_salary", 2.5),
        ("base_salary", 1_000_000_001),
        ("bonus", "many"),
        ("seniority_multiplier", "-0.01"),
        ("seniority_multiplier", "1.005"),
        ("performance_multiplier", "100.01"),
        ("performance_multiplier", float("nan")),
        ("performance_multiplier", True),
        ("performance_multiplier", "-1"),
        ("base_salary", True),
        ("base_salary", "1.0"),
        ("base_salary", float("nan")),
        ("base_salary", 2**63),
        ("bonus", None),
        ("bonus", -1),
        ("effective_from", "soon"),
    ],
)
def test_a_bad_value_is_refused_and_named(pay, field, value):
    with pytest.raises(InvalidInput, match=field) as refusal:
        pay(**{field: value})
    assert refusal.value.field == field
    assert not PayrollMaster.objects.exists()


def test_multipliers_left_out_are_left_to_scale_and_band(pay):
    row = pay(100)
    row.refresh_from_db()
    assert (row.seniority_multiplier, row.performance_multiplier) == (None, None)


def test_a_base_salary_left_out_is_that_of_the_scale(system, make_agent):
    set_pay_scale(actor=system, level="Senior", base_salary=300, seniority_multiplier="1.5")
    agent = make_agent(seniority="senior")
    row = set_salary(actor=system, agent=agent)
    assert (row.base_salary, row.seniority_multiplier) == (300, None)


@pytest.mark.parametrize(
    ("seniority", "why"),
    [(None, "Ada has no seniority level"), ("principal", "the level 'principal' has no pay scale")],
)
def test_a_base_salary_left_out_needs_a_scale(system, make_agent, seniority, why):
    set_pay_scale(actor=system, level="senior", base_salary=300, seniority_multiplier="1.5")
    with pytest.raises(InvalidInput, match=why) as refusal:
        set_salary(actor=system, agent=make_agent(seniority=seniority))
    assert refusal.value.field == "base_salary"


class TestPayScales:
    def test_a_level_that_has_one_gets_the_new_one(self, system):
        first = set_pay_scale(
            actor=system, level="Senior", base_salary=300, seniority_multiplier="1.5"
        )
        again = set_pay_scale(
            actor=system, level=" senior ", base_salary=350, seniority_multiplier="1.5"
        )
        assert (again.pk, again.level, again.base_salary) == (first.pk, "Senior", 350)
        assert [row.base_salary for row in first.history.order_by("history_date")] == [300, 350]

    def test_letters_of_any_script_count_without_their_case(self, system):
        for level in ("Ältester", "ältester"):
            set_pay_scale(actor=system, level=level, base_salary=1, seniority_multiplier=1)
        assert PayScale.objects.count() == 1

    def test_the_same_again_changes_nothing(self, system):
        for _ in range(2):
            scale = set_pay_scale(actor=system, level="x", base_salary=1, seniority_multiplier=1)
        assert scale.history.count() == 1

    def test_its_id_is_natural(self, system):
        scale = set_pay_scale(actor=system, level="Senior", base_salary=1, seniority_multiplier=1)
        assert scale.pk == natural_id("pay scale", "senior")

    def test_one_is_removed_and_its_history_stays(self, system):
        scale = set_pay_scale(actor=system, level="Senior", base_salary=1, seniority_multiplier=1)
        remove_pay_scale(actor=system, level="SENIOR")
        assert not PayScale.objects.exists()
        kinds = PayScale.history.filter(id=scale.pk).order_by("history_date")
        assert [row.history_type for row in kinds] == ["+", "-"]

    def test_one_that_is_not_there_is_not_removed(self, system):
        with pytest.raises(NotFound, match="'Senior' has no pay scale") as refusal:
            remove_pay_scale(actor=system, level="Senior")
        assert refusal.value.field == "level"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("level", ""),
            ("level", "x" * 51),
            ("base_salary", -1),
            ("base_salary", 0.5),
            ("base_salary", float("nan")),
            ("base_salary", 2**63),
            ("base_salary", None),
            ("seniority_multiplier", None),
            ("seniority_multiplier", -1),
            ("seniority_multiplier", "1.005"),
            ("seniority_multiplier", "NaN"),
            ("seniority_multiplier", "Infinity"),
            ("seniority_multiplier", 101),
        ],
    )
    def test_a_bad_value_is_refused_and_named(self, system, field, value):
        values = {"level": "x", "base_salary": 1, "seniority_multiplier": 1, field: value}
        with pytest.raises(InvalidInput, match=field) as refusal:
            set_pay_scale(actor=system, **values)
        assert refusal.value.field == field
        assert not PayScale.objects.exists()


class TestPerformanceBands:
    def test_a_band_that_begins_there_gets_the_new_multiplier(self, system):
        first = set_performance_band(actor=system, minimum="4.5", multiplier="1.2")
        again = set_performance_band(actor=system, minimum=Decimal("4.50"), multiplier="1.25")
        assert (first.pk, again.multiplier) == (again.pk, Decimal("1.25"))
        assert first.history.count() == 2

    def test_its_id_is_natural(self, system):
        band = set_performance_band(actor=system, minimum=3, multiplier=1)
        assert band.pk == natural_id("performance band", Decimal("3.00"))

    def test_one_is_removed_and_its_history_stays(self, system):
        band = set_performance_band(actor=system, minimum=0, multiplier="0.9")
        remove_performance_band(actor=system, minimum="0.00")
        assert not PerformanceBand.objects.exists()
        assert PerformanceBand.history.filter(id=band.pk, history_type="-").count() == 1

    def test_one_that_is_not_there_is_not_removed(self, system):
        with pytest.raises(NotFound, match=r"begins at the rating 2\.00") as refusal:
            remove_performance_band(actor=system, minimum=2)
        assert refusal.value.field == "minimum"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("minimum", "5.01"),
            ("minimum", -1),
            ("minimum", "3.005"),
            ("minimum", float("nan")),
            ("minimum", None),
            ("multiplier", -1),
            ("multiplier", "NaN"),
            ("multiplier", 2**63),
            ("multiplier", None),
        ],
    )
    def test_a_bad_value_is_refused_and_named(self, system, field, value):
        values = {"minimum": 3, "multiplier": 1, field: value}
        with pytest.raises(InvalidInput, match=field) as refusal:
            set_performance_band(actor=system, **values)
        assert refusal.value.field == field
        assert not PerformanceBand.objects.exists()


class TestBonusRules:
    @pytest.fixture
    def add(self, system):
        def add(label="Launch", since=1, until=None, **details):
            return add_bonus_rule(
                actor=system,
                label=label,
                effective_from=day(since) if since else None,
                effective_to=day(until) if until else None,
                **{"kind": "fixed", "amount": 10, **details},
            )

        return add

    def test_it_holds_for_everybody_until_further_notice(self, add):
        add()
        rule = BonusRule.objects.get()
        assert (rule.agent, rule.amount, rule.effective_to) == (None, 10, None)
        assert rule.history.get().history_type == "+"

    def test_without_a_moment_it_holds_from_now(self, add):
        before = datetime.now(UTC)
        assert before <= add(since=None).effective_from <= datetime.now(UTC)

    def test_a_rating_rule_keeps_its_threshold(self, add):
        assert add(kind="rating", threshold="4.5").threshold == Decimal("4.50")

    @pytest.mark.parametrize(("since", "until"), [(1, None), (5, 6), (1, 3), (9, 20), (None, None)])
    def test_a_second_of_that_kind_and_label_at_one_time_is_refused(self, add, since, until):
        add(since=2, until=10)
        if since is None:
            add(since=20)
        with pytest.raises(Conflict, match="holds already, from 2026-01") as refusal:
            add(label="LAUNCH", since=since, until=until)
        assert refusal.value.field == "label"

    def test_one_after_the_other_is_fine(self, add):
        add(since=1, until=5)
        add(since=5, until=9)
        add(since=9)
        assert BonusRule.objects.count() == 3

    def test_other_labels_kinds_and_agents_do_not_collide(self, add, make_agent):
        add()
        add(label="Night shift")
        add(kind="per_task")
        add(agent=make_agent("Ada"))
        add(agent=make_agent("Eve"))
        assert BonusRule.objects.count() == 5

    def test_one_is_ended(self, add, system):
        rule = end_bonus_rule(actor=system, rule=add(), effective_to=day(9))
        assert rule.effective_to == day(9)
        assert [row.history_type for row in rule.history.order_by("history_date")] == ["+", "~"]
        add(since=9)

    def test_one_is_ended_now(self, add, system):
        before = datetime.now(UTC)
        rule = end_bonus_rule(actor=system, rule=add())
        assert before <= rule.effective_to <= datetime.now(UTC)

    def test_one_that_has_not_begun_never_holds(self, add, system):
        rule = add_bonus_rule(
            actor=system, kind="fixed", label="x", amount=1, effective_from="2999-01-01"
        )
        assert end_bonus_rule(actor=system, rule=rule).effective_to == rule.effective_from
        add(label="x", since=1)

    def test_an_end_is_made_earlier_but_not_later(self, add, system):
        rule = add(until=10)
        end_bonus_rule(actor=system, rule=rule, effective_to=day(5))
        for later in (day(5), day(6), None):
            with pytest.raises(Conflict, match="2026-01-05 00:00 UTC already") as refusal:
                end_bonus_rule(actor=system, rule=rule, effective_to=later)
            assert refusal.value.field == "effective_to"

    def test_none_ends_before_it_begins(self, add, system):
        with pytest.raises(InvalidInput, match="effective_to must not be before") as refusal:
            end_bonus_rule(actor=system, rule=add(since=5), effective_to=day(4))
        assert refusal.value.field == "effective_to"

    def test_the_same_key_adds_once(self, add):
        assert add(key="k").pk == add(key="k").pk
        assert BonusRule.objects.count() == 1

    @pytest.mark.parametrize(
        ("field", "details"),
        [
            ("kind", {"kind": "monthly"}),
            ("kind", {"kind": None}),
            ("label", {"label": " "}),
            ("label", {"label": "x" * 101}),
            ("amount", {"amount": 0}),
            ("amount", {"amount": -5}),
            ("amount", {"amount": 1.5}),
            ("amount", {"amount": float("nan")}),
            ("amount", {"amount": 2**63}),
            ("threshold", {"kind": "rating"}),
            ("threshold", {"kind": "rating", "threshold": "5.01"}),
            ("threshold", {"kind": "rating", "threshold": float("nan")}),
            ("threshold", {"kind": "fixed", "threshold": "4"}),
            ("effective_from", {"effective_from": "soon"}),
            ("effective_to", {"effective_to": "2025-12-31"}),
            ("effective_to", {"effective_to": "2026-01-01"}),
        ],
    )
    def test_a_bad_value_is_refused_and_named(self, system, field, details):
        given = {"kind": "fixed", "label": "x", "amount": 1, "effective_from": day(1), **details}
        with pytest.raises(InvalidInput, match=field) as refusal:
            add_bonus_rule(actor=system, **given)
        assert refusal.value.field == field
        assert not BonusRule.objects.exists()


def test_only_payroll_says_what_is_paid(make_agent, make_user, system):
    agent = make_agent()
    rule = add_bonus_rule(actor=system, kind="fixed", label="x", amount=1)
    calls = [
        lambda actor: set_salary(actor=actor, agent=agent, base_salary=1),
        lambda actor: set_pay_scale(actor=actor, level="x", base_salary=1, seniority_multiplier=1),
        lambda actor: set_performance_band(actor=actor, minimum=1, multiplier=1),
        lambda actor: add_bonus_rule(actor=actor, kind="fixed", label="y", amount=1),
        lambda actor: remove_pay_scale(actor=actor, level="x"),
        lambda actor: remove_performance_band(actor=actor, minimum=1),
        lambda actor: end_bonus_rule(actor=actor, rule=rule),
    ]
    others = [make_user(role).as_actor() for role in ("viewer", "supervisor", "operator")]
    for call in calls:
        for actor in (agent.as_actor(), *others):
            with pytest.raises(PermissionRefused, match="run_payroll"):
                call(actor)
    payroll = make_user("payroll").as_actor()
    for call in calls:
        call(payroll)
