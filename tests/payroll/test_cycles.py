"""Pay cycles: every step, every refusal, and what the payslips come from."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import Agent
from agents.services.registry import update_agent
from payroll.errors import CycleOutOfOrder, DebtChanged, SelfApproval
from payroll.models import (
    LedgerAccount,
    PayCycle,
    PayCycleStep,
    Payslip,
    PayslipLine,
    RodCoinsTransaction,
)
from payroll.services.cycles import (
    approve_cycle,
    close_cycle,
    compute_cycle,
    open_cycle,
    post_cycle,
    reopen_cycle,
)
from payroll.services.ledger import award_rodcoins, balance_of, reverse_transaction, transfer
from payroll.services.salaries import add_bonus_rule, set_pay_scale, set_performance_band
from rodcorp.actors import Actor
from rodcorp.databases.sides import active_alias
from rodcorp.databases.units import run_in_unit
from rodcorp.errors import Conflict, InvalidInput, PermissionRefused
from rodcorp.kit import rows
from tasks.services.creation import create_task
from tasks.services.work import complete_task, update_task_status
from tests.payroll.paying import (
    ANN,
    BOB,
    ENDS,
    IN_STATE,
    LATER,
    LONG_AGO,
    STARTS,
    SYSTEM,
    approved,
    assert_paid_once,
    award,
    closed,
    computed,
    draft,
    lines_of,
    owing,
    payslips,
    posted,
    rated,
    salary,
    state_of,
)

pytestmark = pytest.mark.django_db

STEPS = {
    "compute": lambda cycle: compute_cycle(actor=ANN, cycle=cycle),
    "reopen": lambda cycle: reopen_cycle(actor=ANN, cycle=cycle, reason="A wrong rule"),
    "approve": lambda cycle: approve_cycle(actor=BOB, cycle=cycle),
    "post": lambda cycle: post_cycle(actor=ANN, cycle=cycle),
    "close": lambda cycle: close_cycle(actor=ANN, cycle=cycle),
}
LEADS = {
    ("draft", "compute"): "computed",
    ("computed", "reopen"): "draft",
    ("computed", "approve"): "approved",
    ("approved", "reopen"): "draft",
    ("approved", "post"): "posted",
    ("posted", "close"): "closed",
}


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada", seniority="senior")


# --- the order of steps --------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "step"), LEADS)
def test_a_step_leads_on(state, step, ada):
    salary(ada)
    cycle = STEPS[step](IN_STATE[state]())
    assert cycle.state == state_of(cycle) == LEADS[state, step]


@pytest.mark.parametrize(
    ("state", "step"),
    [(state, step) for state in IN_STATE for step in STEPS if (state, step) not in LEADS],
)
def test_a_step_out_of_order_is_refused_and_says_what_comes_next(state, step, ada):
    salary(ada)
    cycle = IN_STATE[state]()
    hint = {
        "draft": "compute it next",
        "computed": "a person approves it next",
        "approved": "post it next",
        "posted": "close it next",
        "closed": "a correction is booked in the current cycle",
    }[state]
    before = (RodCoinsTransaction.objects.count(), PayCycleStep.objects.count(), payslips())
    with pytest.raises(CycleOutOfOrder, match=rf"Pay cycle 1 is {state} and cannot be .*{hint}"):
        STEPS[step](cycle)
    after = (RodCoinsTransaction.objects.count(), PayCycleStep.objects.count(), payslips())
    assert after == before
    assert state_of(cycle) == state


def test_each_step_says_who_made_it_and_when():
    cycle = reopen_cycle(actor=BOB, cycle=approved(), reason="A wrong rule")
    steps = PayCycleStep.objects.of_cycle(cycle)
    assert list(steps.values_list("state", "actor_name", "note")) == [
        ("draft", "Bob", "A wrong rule"),
        ("approved", "Bob", ""),
        ("computed", "Ann", ""),
        ("draft", "Ann", ""),
    ]
    moments = [step.happened_at for step in steps]
    assert moments == sorted(set(moments), reverse=True)


def test_the_latest_step_is_the_last_one_made_whatever_the_clock_says():
    cycle = draft()
    PayCycleStep.objects.update(happened_at=timezone.now() + timedelta(hours=3))
    computed(cycle)
    assert PayCycleStep.objects.of_cycle(cycle).first().state == "computed"


@pytest.mark.parametrize("step", STEPS)
def test_nobody_without_run_payroll_makes_a_step(step, make_agent, make_user):
    cycle = draft()
    service = {
        "compute": compute_cycle,
        "reopen": reopen_cycle,
        "approve": approve_cycle,
        "post": post_cycle,
        "close": close_cycle,
    }[step]
    more = {"reason": "x"} if step == "reopen" else {}
    for actor in (make_agent("Eve").as_actor(), make_user("supervisor").as_actor()):
        with pytest.raises(PermissionRefused, match="run_payroll"):
            service(actor=actor, cycle=cycle, **more)
    with pytest.raises(PermissionRefused, match="run_payroll"):
        open_cycle(actor=make_agent("Mallory").as_actor(), ends_at=LATER)


def test_a_step_with_what_somebody_saw_before_another_moved_it_is_a_conflict(ada):
    salary(ada)
    seen = computed()
    again = reopen_cycle(actor=ANN, cycle=PayCycle.objects.get(pk=seen.pk), reason="x")
    compute_cycle(actor=ANN, cycle=again)
    with pytest.raises(Conflict, match="Somebody else moved cycle 1 meanwhile"):
        approve_cycle(actor=BOB, cycle=seen)
    assert state_of(seen) == "computed"


def test_the_row_a_refused_step_was_given_is_as_it_was(ada):
    cycle = draft()
    with pytest.raises(CycleOutOfOrder):
        post_cycle(actor=ANN, cycle=cycle)
    assert (cycle.state, cycle.version) == ("draft", 1)


# --- opening -------------------------------------------------------------------------------------


def test_a_cycle_starts_where_the_last_one_ended():
    draft()
    second = open_cycle(actor=ANN, ends_at="2030-02-01")
    assert (second.number, second.starts_at) == (2, ENDS)


def test_the_first_cycle_starts_with_the_first_row_of_the_ledger(ada):
    row = award(ada)
    assert open_cycle(actor=ANN, ends_at=LATER).starts_at == row.created_at


@pytest.mark.parametrize(
    ("times", "field", "words"),
    [
        ({"ends_at": STARTS}, "ends_at", "after the cycle starts, 2030-01-15"),
        ({"ends_at": ENDS}, "ends_at", "after the cycle starts, 2030-01-15"),
        ({"ends_at": LATER, "starts_at": STARTS}, "starts_at", "before cycle 1 ends, 2030-01-15"),
        ({"ends_at": "soon"}, "ends_at", "must be a date"),
        ({"ends_at": None}, "ends_at", "must be a date"),
        ({"ends_at": LATER, "starts_at": "then"}, "starts_at", "must be a date"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused(times, field, words):
    draft()
    with pytest.raises(InvalidInput, match=words) as refusal:
        open_cycle(actor=ANN, **times)
    assert refusal.value.field == field
    assert PayCycle.objects.count() == 1


def test_one_key_opens_one_cycle():
    first = open_cycle(actor=ANN, starts_at=STARTS, ends_at=ENDS, key="k")
    assert open_cycle(actor=ANN, starts_at=STARTS, ends_at=ENDS, key="k").pk == first.pk
    assert PayCycle.objects.count() == 1


# --- what is booked where ------------------------------------------------------------------------


def test_what_is_booked_after_computing_is_the_next_cycles(ada):
    first = award(ada, 10)
    cycle = computed()
    second = award(ada, 7)
    assert (first.cycle, second.cycle) == (1, 2)
    assert lines_of(ada, cycle) == [("award", "earned", 10)]
    following = PayCycle.objects.get(number=2)
    assert (following.state, following.starts_at, following.ends_at) == ("draft", ENDS, LATER)


def test_a_next_cycle_that_is_there_stays_as_it_is():
    cycle = draft()
    open_cycle(actor=ANN, ends_at="2030-03-01")
    computed(cycle)
    assert list(PayCycle.objects.order_by("number").values_list("number", "state")) == [
        (1, "computed"),
        (2, "draft"),
    ]


def test_a_reopened_cycle_takes_rows_again_and_loses_its_payslips(ada):
    salary(ada)
    cycle = reopen_cycle(actor=ANN, cycle=approved(), reason="x")
    assert award(ada, 7).cycle == 1
    assert (Payslip.objects.count(), PayslipLine.objects.count()) == (0, 0)
    computed(cycle)
    assert lines_of(ada) == [("base", "agreed", 100), ("award", "earned", 7)]


@pytest.mark.parametrize(
    ("cycles", "number"),
    [
        ([], 1),
        (["closed"], 2),
        (["computed"], 2),
        (["closed", "draft"], 2),
        (["approved", "draft", "draft"], 2),
        (["posted", "computed", "draft"], 3),
    ],
)
def test_rows_are_booked_in_the_first_draft_or_after_the_last_cycle(cycles, number, system):
    def work(unit):
        for position, state in enumerate(cycles, start=1):
            days = timedelta(days=position)
            rows.insert(
                PayCycle(
                    number=position,
                    starts_at=STARTS + days,
                    ends_at=STARTS + days + timedelta(days=1),
                    state=state,
                )
            )

    run_in_unit(work, actor=system, operation="test")
    with CaptureQueriesContext(connections[active_alias()]) as queries:
        assert PayCycle.objects.current_number() == number
    assert len(queries) == (1 if "draft" in cycles else 2)


@pytest.mark.parametrize("state", ["computed", "approved", "posted", "closed"])
def test_a_cycle_is_computed_only_after_those_before_it_were_paid(state, ada):
    first = IN_STATE[state]()
    second = PayCycle.objects.get(number=2)
    if state in ("posted", "closed"):
        assert compute_cycle(actor=ANN, cycle=second).state == "computed"
        return
    with pytest.raises(CycleOutOfOrder, match=f"2 cannot be computed while cycle 1 is {state}"):
        compute_cycle(actor=ANN, cycle=second)
    assert state_of(first) == state


def test_a_cycle_is_closed_only_after_those_before_it(ada):
    posted()
    second = posted(PayCycle.objects.get(number=2))
    with pytest.raises(CycleOutOfOrder, match="while cycle 1 is posted: close it next"):
        close_cycle(actor=ANN, cycle=second)


# --- what a salary follows from ------------------------------------------------------------------


def test_a_salary_of_its_own_stands_before_the_scale(ada):
    set_pay_scale(actor=SYSTEM, level="senior", base_salary=500, seniority_multiplier="3")
    salary(ada, 100, "1.50", "1.10", bonus=9)
    computed()
    assert lines_of(ada) == [
        ("base", "agreed", 100),
        ("seniority", "agreed × 1.50", 50),
        ("performance", "agreed × 1.10", 15),
        ("bonus", "agreed", 9),
    ]


def test_multipliers_nobody_agreed_on_follow_from_level_and_rating(ada):
    set_pay_scale(actor=SYSTEM, level="Senior", base_salary=500, seniority_multiplier="1.50")
    set_performance_band(actor=SYSTEM, minimum="4.00", multiplier="1.10")
    set_performance_band(actor=SYSTEM, minimum="4.50", multiplier="2.00")
    rated(ada, "4.21")
    salary(ada, 100)
    computed()
    assert lines_of(ada) == [
        ("base", "agreed", 100),
        ("seniority", "Senior × 1.50", 50),
        ("performance", "rated 4.21: × 1.10", 15),
    ]


def test_without_a_salary_of_its_own_the_scale_says_all(ada):
    set_pay_scale(actor=SYSTEM, level="SENIOR", base_salary=80, seniority_multiplier="1.25")
    computed()
    assert lines_of(ada) == [("base", "scale of SENIOR", 80), ("seniority", "SENIOR × 1.25", 20)]


def test_nobody_is_paid_less_for_not_having_been_judged_yet(ada):
    set_performance_band(actor=SYSTEM, minimum="0.00", multiplier="0.50")
    salary(ada)
    computed()
    assert lines_of(ada) == [("base", "agreed", 100)]


def test_without_salary_and_scale_only_what_was_earned_is_explained(ada):
    add_bonus_rule(actor=SYSTEM, kind="fixed", label="All", amount=5, effective_from=LONG_AGO)
    award(ada, 12)
    cycle = computed()
    slip = Payslip.objects.get()
    assert lines_of(ada) == [("award", "earned", 12)]
    assert (slip.net, slip.due) == (12, 0)
    post_cycle(actor=ANN, cycle=approve_cycle(actor=BOB, cycle=cycle))
    assert balance_of(ada) == 12


def test_who_has_no_line_gets_no_payslip(ada, make_agent):
    salary(make_agent("Bo"))
    computed()
    assert [slip.agent.name for slip in Payslip.objects.all()] == ["Bo"]


@pytest.mark.parametrize(
    ("since", "paid"),
    [(STARTS, 300), (ENDS - timedelta(seconds=1), 300), (ENDS, 100), (LATER, 100)],
)
def test_what_is_in_force_at_the_end_of_the_cycle_is_paid(since, paid, ada):
    salary(ada, 100)
    salary(ada, 300, since=since)
    computed()
    assert Payslip.objects.get().net == paid


@pytest.mark.parametrize(
    ("since", "until", "amounts"),
    [
        (LONG_AGO, None, [100, 5]),
        (LONG_AGO, ENDS, [100, 5]),
        (LONG_AGO, ENDS - timedelta(seconds=1), [100]),
        (ENDS, None, [100]),
    ],
)
def test_a_bonus_rule_counts_if_it_is_in_force_at_the_end(since, until, amounts, ada):
    salary(ada)
    add_bonus_rule(
        actor=SYSTEM,
        kind="fixed",
        label="All",
        amount=5,
        effective_from=since,
        effective_to=until,
    )
    computed()
    assert [amount for _, _, amount in lines_of(ada)] == amounts


def test_a_rule_for_one_agent_is_nobody_elses(ada, make_agent):
    bo = make_agent("Bo")
    salary(ada)
    salary(bo)
    rule = {"kind": "fixed", "effective_from": LONG_AGO}
    add_bonus_rule(actor=SYSTEM, label="Bo's", amount=5, agent=bo, **rule)
    add_bonus_rule(actor=SYSTEM, label="Everybody's", amount=2, **rule)
    computed()
    assert [amount for _, _, amount in lines_of(ada)] == [100, 2]
    assert [amount for _, _, amount in lines_of(bo)] == [100, 2, 5]


def test_a_bonus_for_tasks_counts_those_of_the_cycle_that_stand(ada):
    salary(ada)
    add_bonus_rule(actor=SYSTEM, kind="per_task", label="Tasks", amount=3, effective_from=LONG_AGO)
    tasks = [
        create_task(actor=SYSTEM, agent=ada, description=f"{number}", reward=10)
        for number in range(3)
    ]
    for task in tasks:
        complete_task(actor=SYSTEM, task=task)
    update_task_status(actor=SYSTEM, task=tasks[0], status="in_progress")
    computed()
    assert ("bonus", "2 tasks × 3", 6) in lines_of(ada)
    late = create_task(actor=SYSTEM, agent=ada, description="late", reward=10)
    complete_task(actor=SYSTEM, task=late)
    post_cycle(actor=ANN, cycle=approve_cycle(actor=BOB, cycle=PayCycle.objects.get(number=1)))
    second = computed(PayCycle.objects.get(number=2))
    assert ("bonus", "1 task × 3", 3) in lines_of(ada, second)


def test_a_bonus_for_a_rating_needs_the_rating(ada, make_agent):
    bo = make_agent("Bo")
    for agent, rating in ((ada, "4.00"), (bo, "3.99")):
        salary(agent)
        rated(agent, rating)
    add_bonus_rule(
        actor=SYSTEM,
        kind="rating",
        label="Praised",
        amount=7,
        threshold="4.00",
        effective_from=LONG_AGO,
    )
    computed()
    assert lines_of(ada)[-1] == ("bonus", "rated 4.00, at least 4.00", 7)
    assert len(lines_of(bo)) == 1


def test_each_movement_has_a_line_with_its_reason_and_its_row(ada, make_agent):
    bo = make_agent("Bo")
    task = create_task(actor=SYSTEM, agent=ada, description="Write the report", reward=20)
    complete_task(actor=SYSTEM, task=task)
    award(ada, 4, "deduction", "Tiles bought outside the budget")
    mistake = award(ada, 6, "bonus", "Twice")
    reverse_transaction(actor=SYSTEM, transaction=mistake, reason="It was entered twice")
    transfer(actor=SYSTEM, source=ada, target=bo, amount=5, description="Half was yours")
    computed()
    found = PayslipLine.objects.filter(payslip__agent=ada).order_by("position")
    assert [(line.kind, line.basis, line.amount) for line in found] == [
        ("award", f"task {task.pk}, round 1", 20),
        ("deduction", "deduction", -4),
        ("award", "bonus", 6),
        ("reversal", "bonus taken back", -6),
    ]
    assert [line.label for line in found][1:] == [
        "Tiles bought outside the budget",
        "Twice",
        "It was entered twice",
    ]
    assert all(line.label == line.transaction.description for line in found)
    assert Payslip.objects.get(agent=ada).net == 16


@pytest.mark.parametrize(
    ("status", "when", "is_paid"),
    [
        ("active", None, True),
        ("inactive", STARTS - timedelta(days=1), True),
        ("retired", STARTS - timedelta(days=1), False),
        ("retired", STARTS + timedelta(days=1), True),
    ],
)
def test_who_was_retired_before_the_cycle_started_gets_no_salary(status, when, is_paid, ada):
    salary(ada)
    award(ada, 3)
    update_agent(actor=SYSTEM, agent=ada, status=status)
    if when:
        Agent.history.filter(history_type="~").update(history_date=when)
    computed()
    kinds = [kind for kind, _, _ in lines_of(ada)]
    assert kinds == (["base", "award"] if is_paid else ["award"])


def test_who_came_back_and_retired_again_in_the_cycle_is_paid(ada):
    salary(ada)
    for status in ("retired", "active", "retired"):
        update_agent(actor=SYSTEM, agent=ada, status=status)
    images = ada.history.filter(history_type="~").order_by("history_date")
    for image, days in zip(images, (-2, -1, 1), strict=True):
        moment = STARTS + timedelta(days=days)
        Agent.history.filter(pk=image.pk).update(history_date=moment)
    computed()
    assert lines_of(ada) == [("base", "agreed", 100)]


def test_who_was_retired_by_another_program_gets_no_salary(ada):
    salary(ada)
    Agent.objects.update(status="retired")
    Agent.history.all().delete()
    computed()
    assert lines_of(ada) == []


def test_who_is_registered_after_the_end_gets_no_salary(ada):
    salary(ada)
    Agent.objects.update(first_registered=ENDS)
    computed()
    assert not Payslip.objects.exists()


def test_computing_again_makes_the_same_rows(ada, make_agent):
    owing(ada, 30)
    award(ada, 3)
    for agent in (ada, make_agent("Bo")):
        salary(agent, 77, "1.37", "0.93", bonus=2)
    cycle = computed()
    first = payslips()
    reopen_cycle(actor=ANN, cycle=cycle, reason="x")
    computed(cycle)
    assert payslips() == first
    assert len(first) > 8


def test_payslips_do_not_follow_what_changes_after_computing(ada):
    salary(ada, 100)
    cycle = computed()
    salary(ada, 900)
    rated(ada, "5.00")
    post_cycle(actor=ANN, cycle=approve_cycle(actor=BOB, cycle=cycle))
    assert balance_of(ada) == 100


def test_computing_reads_and_writes_in_a_few_statements_however_many_agents(make_agent):
    counts = []
    for number in (1, 2):
        for name in range(40):
            salary(make_agent(f"{number}-{name}"))
        cycle = PayCycle.objects.filter(state="draft").first() or draft()
        with CaptureQueriesContext(connections[active_alias()]) as queries:
            computed(cycle)
        counts.append(len(queries))
        with CaptureQueriesContext(connections[active_alias()]) as queries:
            post_cycle(actor=ANN, cycle=approve_cycle(actor=BOB, cycle=cycle))
        counts.append(len(queries))
    assert counts[2] <= counts[0] + 2
    assert counts[3] <= counts[1] + 2


# --- approving -----------------------------------------------------------------------------------


def test_who_computed_cannot_approve(ada):
    cycle = computed()
    with pytest.raises(SelfApproval, match="Ann computed cycle 1, so somebody else") as refusal:
        approve_cycle(actor=ANN, cycle=cycle)
    assert refusal.value.http_status == 403
    assert state_of(cycle) == "computed"


def test_who_computed_first_may_approve_what_another_computed_later(ada):
    cycle = reopen_cycle(actor=BOB, cycle=computed(), reason="x")
    compute_cycle(actor=BOB, cycle=cycle)
    with pytest.raises(SelfApproval):
        approve_cycle(actor=BOB, cycle=cycle)
    assert approve_cycle(actor=ANN, cycle=cycle, note="Compared").state == "approved"
    assert PayCycleStep.objects.of_cycle(cycle).first().note == "Compared"


@pytest.mark.parametrize("actor", [Actor.system("nightly"), Actor.command("run_payroll")])
def test_only_a_person_approves(actor, ada):
    with pytest.raises(PermissionRefused, match="A person approves"):
        approve_cycle(actor=actor, cycle=computed())


@pytest.mark.parametrize("reason", ["", "  ", None, "x" * 501])
def test_reopening_needs_a_reason(reason, ada):
    cycle = computed()
    with pytest.raises(InvalidInput, match="reason"):
        reopen_cycle(actor=ANN, cycle=cycle, reason=reason)
    assert state_of(cycle) == "computed"


# --- posting -------------------------------------------------------------------------------------


def test_posting_pays_what_the_payslips_say(ada, make_agent):
    bo = make_agent("Bo")
    salary(ada, 100, "1.50")
    salary(bo, 70)
    award(ada, 5)
    cycle = posted()
    assert (balance_of(ada), balance_of(bo)) == (155, 70)
    assert Agent.objects.get(pk=ada.pk).total_rodcoins_earned == 155
    row = RodCoinsTransaction.objects.get(agent=ada, source_kind="payslip")
    assert (row.transaction_type, row.cycle, row.source.kind) == ("salary", 1, "payroll")
    assert row.source_key == str(Payslip.objects.get(agent=ada).pk)
    assert_paid_once(cycle)


def test_a_debt_is_recovered_from_the_salary(ada):
    owing(ada, 130)
    salary(ada, 100)
    first = posted()
    debt = LedgerAccount.objects.get(agent=ada, kind="debt")
    assert (balance_of(ada), debt.balance) == (0, -30)
    assert ("recovery", "of a debt of 130", -100) in lines_of(ada, first)
    second = posted(PayCycle.objects.get(number=2))
    debt.refresh_from_db()
    assert (balance_of(ada), debt.balance) == (70, 0)
    assert lines_of(ada, second)[-1] == ("recovery", "of a debt of 30", -30)
    assert Agent.objects.get().total_rodcoins_earned == 200
    for cycle in (first, second):
        assert_paid_once(cycle)


def test_a_debt_that_became_smaller_is_not_recovered_twice(ada):
    owing(ada, 50)
    salary(ada, 100)
    cycle = approved()
    advance = RodCoinsTransaction.objects.get(source_kind="advance")
    award(ada, 60)
    reverse_transaction(actor=SYSTEM, transaction=advance, reason="Given back at once")
    with pytest.raises(DebtChanged, match=r"Ada owes 0 RodCoins now.*recovers 50; re-open"):
        post_cycle(actor=ANN, cycle=cycle)
    assert not RodCoinsTransaction.objects.filter(source_kind="payslip").exists()
    reopen_cycle(actor=ANN, cycle=cycle, reason="The debt is paid")
    posted(cycle)
    assert balance_of(ada) == 110


def test_posting_again_pays_nothing_again(ada):
    salary(ada)
    cycle = posted()
    with pytest.raises(CycleOutOfOrder, match="is posted and cannot be posted: close it next"):
        post_cycle(actor=ANN, cycle=cycle)
    assert_paid_once(cycle)
    assert balance_of(ada) == 100


def test_posting_again_with_the_same_key_is_the_same_answer(ada):
    salary(ada)
    cycle = approved()
    seen = PayCycle.objects.get(pk=cycle.pk)
    first = post_cycle(actor=ANN, cycle=cycle, key="k")
    second = post_cycle(actor=ANN, cycle=seen, key="k")
    assert (second.pk, second.state, second.version) == (first.pk, "posted", first.version)
    assert balance_of(ada) == 100


def test_a_posting_that_fails_leaves_nothing(ada, make_agent):
    bo = make_agent("Bo")
    for agent in (ada, bo):
        salary(agent)
    award(bo, 1)
    cycle = approved()
    LedgerAccount.objects.filter(agent=bo, kind="wallet").update(balance=2**63 - 50)
    with pytest.raises(InvalidInput, match="largest balance"):
        post_cycle(actor=ANN, cycle=cycle)
    assert state_of(cycle) == "approved"
    assert balance_of(ada) == 0
    assert not RodCoinsTransaction.objects.filter(source_kind="payslip").exists()


def test_a_cycle_without_payslips_is_posted_too():
    assert posted().state == "posted"
    assert not RodCoinsTransaction.objects.exists()


# --- closing -------------------------------------------------------------------------------------


def test_closing_seals_opens_the_next_and_moves_the_agents_on(ada, make_agent):
    bo = make_agent("Bo")
    salary(ada)
    award(bo, 3)
    cycle = closed()
    assert sum(seal.row_count for seal in cycle.seals.all()) == 2
    assert PayCycle.objects.get(number=2).state == "draft"
    assert set(Agent.objects.values_list("current_pay_cycle", flat=True)) == {2}


def test_an_award_after_closing_is_booked_in_the_next_cycle(ada):
    cycle = closed()
    assert award(ada).cycle == cycle.number + 1


def test_a_back_dated_row_cannot_enter_a_closed_cycle(ada):
    cycle = closed()
    row = award_rodcoins(actor=SYSTEM, agent=ada, amount=5, description="x")
    assert not RodCoinsTransaction.objects.filter(cycle=cycle.number, pk=row.pk).exists()
    assert [seal.row_count for seal in cycle.seals.all()] in ([], [0])


def test_money_has_two_decimals_at_most_in_what_is_computed_from(ada):
    """A multiplier is exact; what is paid is whole coins."""
    salary(ada, 333, "1.33", "1.07")
    computed()
    slip = Payslip.objects.get()
    exact = 333 * Decimal("1.33") * Decimal("1.07")
    assert abs(slip.net - exact) <= 1
