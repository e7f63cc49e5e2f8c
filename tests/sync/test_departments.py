"""What each department's rules make of rows that were written on both sides."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import assume, given
from hypothesis import strategies as st

from agents.models import Agent
from payroll.models import LedgerAccount, PayCycle, RodCoinsTransaction
from payroll.services.ledger import award_rodcoins, balance_of
from rodcorp.actors import Actor, ActorKind
from rodcorp.databases import hosts, switching
from rodcorp.databases.models import Conflict
from rodcorp.databases.sync.healing import Healer
from rodcorp.databases.sync.replay import Replay
from rodcorp.people.models import User
from rodcorp.people.services import create_user, set_password
from tasks.models import Task, TaskDependency, TaskStatus
from tasks.services.creation import NewDependency, add_dependencies, create_task
from tasks.services.work import (
    assign_task,
    cancel_task,
    complete_task,
    update_task,
    update_task_status,
)
from tasks.sync import CLAIM, FINAL, STATE, merge_task


@pytest.fixture
def ada(source, make_agent):
    return make_agent("Ada")


@pytest.fixture
def task(ada, system):
    return create_task(actor=system, agent=ada, description="A task", priority="high")


@pytest.fixture
def away(company, task, feed):
    switching.to_copy("test")
    return company


@pytest.fixture
def home(source):
    return lambda: Healer(source).heal("test")


def there(model=Task, **values):
    return model._base_manager.using("mssql").get(**values)


def here():
    return Task.objects.using("sqlite").get()


def balance(alias="mssql"):
    return LedgerAccount.objects.using(alias).get(kind="wallet").balance


def test_a_task_only_this_side_completed_is_completed_and_paid_once(away, home, system, same):
    complete_task(actor=system, task=here())
    home()
    assert there().status == TaskStatus.COMPLETED
    assert balance() == 20
    same()


def test_a_task_both_sides_completed_is_completed_and_paid_once(away, home, system, feed, same):
    complete_task(actor=system, task=here())
    with away.writing_there():
        complete_task(actor=system, task=there())
    assert home().quarantined == 0
    assert there().status == TaskStatus.COMPLETED
    assert balance() == 20
    feed.pull()
    same()


def test_a_final_state_stands_over_an_open_one(away, home, system):
    complete_task(actor=system, task=here())
    with away.writing_there():
        update_task_status(
            actor=system, task=there(), status="in_progress", completion_percentage=50
        )
    home()
    assert there().status == TaskStatus.COMPLETED
    assert there().completion_percentage == 100
    assert away.on("mssql", Conflict) == 0


def test_a_round_that_each_side_paid_to_another_counts_for_the_primarys(
    away, home, make_agent, system, feed, same
):
    complete_task(actor=system, task=here())
    with away.writing_there():
        grace = make_agent("Grace")
        assign_task(actor=system, task=there(), agent=grace)
        complete_task(actor=system, task=there())
    home()
    assert there(RodCoinsTransaction).agent_id == grace.pk
    feed.pull()
    same()


def test_of_two_final_states_the_primarys_stands_and_the_reward_follows_it(
    away, home, system, feed, same
):
    complete_task(actor=system, task=here())
    with away.writing_there():
        cancel_task(actor=system, task=there())
    home()
    assert there().status == TaskStatus.CANCELLED
    assert balance() == 0
    kinds = RodCoinsTransaction.objects.using("mssql").values_list("transaction_type", flat=True)
    assert sorted(kinds) == ["earned", "reversal"]
    assert "stands" in there(Conflict, table_name="AgentTodoTracking").rule
    feed.pull()
    same()


@pytest.fixture
def claimed_there(away, make_agent, system):
    """Bo has completed it here, and there it is Grace who works on it."""
    assign_task(actor=system, task=here(), agent=make_agent("Bo"))
    complete_task(actor=system, task=here())
    with away.writing_there():
        grace = make_agent("Grace")
        lease = {"lease_token": uuid4(), "lease_until": timezone.now() + timedelta(hours=1)}
        Task.objects.using("mssql").update(agent=grace, **lease)
    return grace


def test_a_live_claim_on_the_primary_stands_over_a_completion(claimed_there, home, feed, same):
    home()
    assert (there().status, there().agent_id) == (TaskStatus.PENDING, claimed_there.pk)
    assert balance_of(there(Agent, name="Bo")) == 0
    assert "somebody has claimed it" in Conflict.objects.using("mssql").latest("recorded_at").rule
    feed.pull()
    same()


def test_who_holds_the_claim_is_paid_although_the_loser_had_been_paid(
    claimed_there, home, system, feed, same
):
    home()
    complete_task(actor=system, task=there())
    assert balance_of(claimed_there) == 20
    feed.pull()
    same()


def test_a_later_round_stands_over_an_earlier_one(away, home, system):
    complete_task(actor=system, task=here())
    update_task_status(actor=system, task=here(), status="in_progress")
    with away.writing_there():
        complete_task(actor=system, task=there())
    home()
    assert (there().status, there().round_number) == (TaskStatus.IN_PROGRESS, 2)
    assert balance() == 0


def test_a_reward_the_copy_never_saw_follows_the_state_that_stands(
    away, home, source, system, feed, same
):
    """The way home was given up after the task came here, and before what its completion paid."""
    update_task(actor=system, task=here(), title="Ours")
    with away.writing_there():
        complete_task(actor=system, task=there())
    epoch = away.modes.read().epoch
    hosts.raise_epoch(epoch)
    Replay(source, epoch).run()
    cancel_task(actor=system, task=here())
    home()
    assert there().status == TaskStatus.CANCELLED
    assert balance() == 0
    feed.pull()
    same()


def test_a_title_changed_here_and_a_status_changed_there_are_both_kept(away, home, system):
    from rodcorp.databases.units import run_in_unit
    from rodcorp.kit import rows

    run_in_unit(lambda unit: rows.change(here(), title="Ours"), actor=system, operation="test")
    with away.writing_there():
        complete_task(actor=system, task=there())
    home()
    assert (there().title, there().status) == ("Ours", TaskStatus.COMPLETED)
    assert away.on("mssql", Conflict) == 0


def test_a_unit_of_somebody_who_was_locked_out_meanwhile_is_a_conflict(
    company, task, feed, home, same, system
):
    user = create_user(actor=system, username="eve", password="correct-horse-9", role="supervisor")
    feed.pull()
    switching.to_copy("test")
    complete_task(actor=user.as_actor(), task=here())
    User.objects.using("mssql").filter(pk=user.pk).update(is_active=False)
    assert home().quarantined == 1
    assert there().status == TaskStatus.PENDING
    assert balance_or_none() in (None, 0)
    assert "locked out" in there(Conflict, table_name="AgentTodoTracking").rule
    feed.pull()
    same()


def test_a_password_that_both_sides_changed_is_told_without_either(
    company, task, feed, home, same, system
):
    user = create_user(actor=system, username="eve", password="correct-horse-9", role="viewer")
    feed.pull()
    switching.to_copy("test")
    set_password(actor=system, user=user, password="correct-horse-8")
    ours = User.objects.using("sqlite").get().password
    User.objects.using("mssql").update(password="theirs")
    home()
    told = there(Conflict)
    images = f"{told.base} {told.ours} {told.theirs}"
    assert told.lost == "password"
    assert images.count("sha256:") == 3
    assert ours not in images
    assert "theirs" not in images


def balance_or_none():
    found = LedgerAccount.objects.using("mssql").filter(kind="wallet").first()
    return found.balance if found else None


def test_a_unit_of_an_agent_who_was_retired_meanwhile_is_a_conflict(away, home, ada, system):
    agent = Actor(ActorKind.AGENT, str(ada.pk), "Ada")
    complete_task(actor=agent, task=here())
    type(ada).objects.using("mssql").filter(pk=ada.pk).update(status="retired")
    assert home().quarantined == 1
    assert there().status == TaskStatus.PENDING


def test_a_ledger_row_for_a_cycle_that_was_closed_meanwhile_is_booked_in_the_open_one(
    company, source, ada, feed, home, system, same
):
    PayCycle.objects.using("mssql").create(
        number=1, state="draft", starts_at=timezone.now(), ends_at=timezone.now()
    )
    feed.pull()
    switching.to_copy("test")
    paid = award_rodcoins(
        actor=system, agent=ada, amount=5, description="x", transaction_type="bonus"
    )
    PayCycle.objects.using("mssql").update(state="closed")
    home()
    row = there(RodCoinsTransaction)
    assert (row.cycle, row.occurred_at) == (2, paid.occurred_at)
    feed.pull()
    same()


def test_two_sides_that_linked_the_same_tasks_made_one_link(
    company, task, ada, feed, home, system, same
):
    other = create_task(actor=system, agent=ada, description="Another")
    feed.pull()
    switching.to_copy("test")
    link = [NewDependency(task.pk, other.pk)]
    add_dependencies(actor=system, dependencies=link)
    with company.writing_there():
        add_dependencies(actor=system, dependencies=link)
    healed = home()
    assert (healed.conflicts, healed.quarantined) == (0, 0)
    assert company.on("mssql", TaskDependency) == 1


def test_two_sides_that_spent_the_same_coins_overdraw_the_account_and_a_person_is_told(
    company, ada, feed, home, system, same
):
    coins = {"agent": ada, "amount": 5, "description": "x"}
    award_rodcoins(actor=system, transaction_type="earned", **coins)
    feed.pull()
    switching.to_copy("test")
    award_rodcoins(actor=system, transaction_type="deduction", **coins)
    with company.writing_there():
        award_rodcoins(actor=system, transaction_type="deduction", **coins)
    healed = home()
    assert (healed.conflicts, healed.quarantined) == (1, 0)
    assert balance() == -5
    told = there(Conflict)
    assert (told.table_name, told.row_key) == (
        "LedgerAccounts",
        there(LedgerAccount, kind="wallet").pk,
    )
    assert "overdrawn by 5" in told.rule
    feed.pull()
    same()


# --- the rule for tasks, on any rows --------------------------------------------------------------
MOMENTS = st.one_of(
    st.none(),
    st.sampled_from([timezone.now() + timedelta(hours=h) for h in (-2, -1, 1, 2)]),
)


@st.composite
def task_rows(draw):
    return {
        "id": 1,
        "title": draw(st.sampled_from("ab")),
        "agent_id": draw(st.sampled_from([None, 1, 2])),
        "lease_token": draw(st.sampled_from([None, "x", "y"])),
        "lease_until": draw(st.sampled_from(MOMENT_VALUES)),
        "attempt": draw(st.integers(0, 2)),
        "status": draw(st.sampled_from(TaskStatus.values)),
        "round_number": draw(st.integers(1, 3)),
        "completion_percentage": draw(st.sampled_from([0, 50, 100])),
        "review_state": draw(st.sampled_from(["none", "waiting"])),
        "started_at": None,
        "completed_at": draw(MOMENTS),
        "version": draw(st.integers(1, 5)),
    }


MOMENT_VALUES = [timezone.now() + timedelta(hours=h) for h in (-1, 1)]


def test_what_the_loser_of_a_claim_did_is_lost_with_it():
    soon = timezone.now() + timedelta(hours=1)
    base = {
        **dict.fromkeys(CLAIM | STATE, None),
        "id": 1,
        "attempt": 0,
        "round_number": 1,
        "status": TaskStatus.PENDING,
        "version": 1,
    }
    ours = {**base, "agent_id": 1, "lease_token": "x", "lease_until": soon, "attempt": 1}
    theirs = {**base, "agent_id": 2, "lease_token": "y", "lease_until": soon, "attempt": 1}
    verdict = merge_task(base, {**ours, "status": TaskStatus.COMPLETED}, theirs)
    assert verdict.values == {"round_number": 2, "version": 2}
    assert {"agent_id", "lease_token", "status"} <= verdict.lost


def merged(base, ours, theirs):
    return {**theirs, **merge_task(base, ours, theirs).values}


@given(task_rows(), task_rows())
def test_what_nobody_changed_here_stays_as_it_is_there(base, theirs):
    assert merged(base, base, theirs) == theirs


@given(task_rows(), task_rows())
def test_what_nobody_changed_there_becomes_ours(base, ours):
    result = merged(base, ours, base)
    assert {n: result[n] for n in result if n != "version"} == {
        n: ours[n] for n in ours if n != "version"
    }


@given(task_rows(), task_rows(), task_rows())
def test_a_group_is_never_torn_apart(base, ours, theirs):
    result = merged(base, ours, theirs)
    # the round may go on alone, when a claim wins over a completion
    for group in (CLAIM, STATE - {"round_number"}):
        image = {name: result[name] for name in group}
        assert image in ({n: ours[n] for n in group}, {n: theirs[n] for n in group})


@given(task_rows(), task_rows(), task_rows())
def test_no_state_goes_back(base, ours, theirs):
    """By round, then final over open."""

    def rank(row):
        return row["round_number"], row["status"] in FINAL

    assume(rank(ours) >= rank(base) and rank(theirs) >= rank(base))
    assert rank(merged(base, ours, theirs)) >= rank(theirs)


@given(task_rows(), task_rows(), task_rows())
def test_what_is_not_taken_is_told(base, ours, theirs):
    verdict = merge_task(base, ours, theirs)
    result = {**theirs, **verdict.values}
    untaken = {
        name
        for name in CLAIM | {"title"}
        if ours[name] != base[name] and result[name] != ours[name]
    }
    assert untaken <= verdict.lost


@given(task_rows(), task_rows(), task_rows())
def test_a_row_that_is_written_gets_a_higher_version(base, ours, theirs):
    verdict = merge_task(base, ours, theirs)
    if any(theirs[name] != value for name, value in verdict.values.items()):
        assert verdict.values["version"] > max(ours["version"], theirs["version"])
