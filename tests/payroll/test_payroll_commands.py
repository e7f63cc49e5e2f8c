"""`run_payroll` and `close_cycle`."""

import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from payroll.models import PayCycle, PayCycleStep, RodCoinsTransaction
from payroll.services.cycles import approve_cycle, compute_cycle
from payroll.services.ledger import balance_of
from payroll.services.sealing import last_digest
from rodcorp.databases.sides import active_alias
from tests.payroll.paying import ANN, LONG_AGO, SYSTEM, award, draft, owing, posted, salary

pytestmark = pytest.mark.django_db

# both are over
PERIOD = {"starts_at": "2026-01-01", "ends_at": "2026-01-15"}


def run(*arguments, command="run_payroll"):
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def as_json(*arguments):
    return json.loads(run(*arguments, "--json"))


def steps(number=1):
    found = PayCycleStep.objects.filter(cycle__number=number).order_by("happened_at")
    return [(step.state, step.actor_kind) for step in found]


@pytest.fixture
def ada(make_agent):
    ada = make_agent("Ada")
    # in service when those cycles ended
    Agent.objects.update(first_registered=LONG_AGO)
    salary(ada, 100, "1.50")
    return ada


@pytest.fixture
def officer(make_user):
    return make_user("payroll", "olga")


def test_all_that_is_due_is_computed_and_then_waits_for_a_person(ada):
    draft(**PERIOD)
    said = run()
    assert "cycle 1 before: draft, 0 payslips, net 0, due 0, recovered 0, paid 0\n" in said
    assert "cycle 1 after: computed, 1 payslips, net 150, due 150, recovered 0, paid 0\n" in said
    assert "waits for approval: run_payroll --step approve --as USERNAME" in said
    assert balance_of(ada) == 0


def test_all_that_is_due_is_paid_where_a_person_approves(ada, officer):
    draft(**PERIOD)
    owing(ada, 40)
    [done] = as_json("--as", "olga")
    assert done == {
        "cycle": 1,
        "before": {
            "state": "draft",
            "payslips": 0,
            "net": 0,
            "due": 0,
            "recovered": 0,
            "paid": 0,
        },
        "after": {
            "state": "posted",
            "payslips": 1,
            "net": 70,
            "due": 110,
            "recovered": 40,
            "paid": 110,
        },
    }
    assert balance_of(ada) == 110
    assert steps() == [
        ("draft", "user"),
        ("computed", "command"),
        ("approved", "user"),
        ("posted", "command"),
    ]


def test_a_run_again_pays_nothing_again(ada, officer):
    draft(**PERIOD)
    run("--as", "olga")
    # the next cycle has ended too, and begins where nothing was paid yet
    PayCycle.objects.filter(number=2).update(ends_at="2030-01-01T00:00:00Z")
    assert run("--as", "olga") == "No pay cycle is due.\n"
    assert balance_of(ada) == 150


def test_several_cycles_that_are_due_are_run_in_order(ada, officer):
    draft(**PERIOD)
    PayCycle.objects.create(
        id="6f1c54a4-0000-4000-8000-00000000000a",
        number=2,
        starts_at="2026-01-15T00:00:00Z",
        ends_at="2026-01-29T00:00:00Z",
    )
    PayCycle.objects.create(
        id="6f1c54a4-0000-4000-8000-00000000000b",
        number=3,
        starts_at="2026-01-29T00:00:00Z",
        ends_at="2030-01-01T00:00:00Z",
    )
    assert [done["cycle"] for done in as_json("--as", "olga")] == [1, 2]
    assert balance_of(ada) == 300


def test_without_a_person_the_run_ends_at_the_first_cycle_that_waits(ada):
    draft(**PERIOD)
    assert [done["after"]["state"] for done in as_json()] == ["computed"]
    assert [done["after"]["state"] for done in as_json()] == ["computed"]


def test_a_cycle_that_has_not_ended_is_not_due_but_may_be_named(ada):
    draft()
    assert run() == "No pay cycle is due.\n"
    assert [done["after"]["state"] for done in as_json("--cycle", "1")] == ["computed"]


def test_each_step_can_be_made_alone(ada, officer):
    draft(**PERIOD)
    assert as_json("--step", "compute")[0]["after"]["state"] == "computed"
    assert as_json("--step", "approve", "--as", "olga")[0]["after"]["state"] == "approved"
    assert as_json("--step", "post")[0]["after"]["state"] == "posted"
    assert balance_of(ada) == 150


def test_a_step_may_be_made_in_a_users_name_and_is_then_not_approved_by_the_same(ada, officer):
    draft(**PERIOD)
    run("--step", "compute", "--as", "olga")
    assert steps()[-1] == ("computed", "user")
    with pytest.raises(CommandError, match="olga computed cycle 1, so somebody else"):
        run("--step", "approve", "--as", "olga")


def test_the_cycle_to_run_can_be_opened_with_it(ada):
    award(ada, 5)
    said = as_json("--step", "compute", "--ends-at", "2030-01-15")
    assert [done["cycle"] for done in said] == [1]
    assert PayCycle.objects.get(number=1).ends_at.year == 2030


def test_a_draft_that_ends_then_is_the_one_that_is_meant(ada):
    draft()
    assert as_json("--step", "compute", "--ends-at", "2030-01-15")[0]["cycle"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--step", "approve"], "name a user with the role payroll or admin with --as"),
        (["--step", "approve", "--as", "nobody"], "no user 'nobody'"),
        (["--step", "approve", "--as", "a-viewer"], "needs the permission 'run_payroll'"),
        (["--step", "post"], "No pay cycle is approved"),
        (["--step", "pay"], "step must be one of: compute, approve, post, all-that-is-due"),
        (["--cycle", "7"], "no pay cycle 7"),
        (["--cycle", "0"], "cycle must be a whole number from 1"),
        (["--cycle", "1.5"], "cycle must be a whole number from 1"),
        (["--ends-at", "2031-01-01"], "is a draft and ends 2030-01-29"),
        (["--ends-at", "soon"], "ends_at must be a date"),
    ],
)
def test_what_cannot_be_done_is_exit_code_1_and_says_what_to_do(arguments, words, ada, make_user):
    make_user("viewer")
    compute_cycle(actor=ANN, cycle=draft())
    with pytest.raises(CommandError, match=words) as refusal:
        run(*arguments)
    assert refusal.value.returncode == 1
    assert not RodCoinsTransaction.objects.filter(source_kind="payslip").exists()


def test_computing_where_no_cycle_is_a_draft_says_how_to_open_one(ada):
    with pytest.raises(CommandError, match=r"No pay cycle is draft\. Open one with --ends-at"):
        run("--step", "compute")


def test_closing_seals_and_prints_the_digest_to_keep(ada):
    posted()
    said = run(command="close_cycle")
    assert "Closed cycle 1: 1 rows of the ledger are sealed." in said
    assert re.search(r"elsewhere: ([0-9a-f]{64})\n", said)[1] == last_digest(active_alias())
    assert PayCycle.objects.get(number=1).state == "closed"


def test_a_cycle_can_be_closed_by_its_number(ada):
    posted()
    run("1", command="close_cycle")
    with pytest.raises(CommandError, match="is closed and cannot be closed"):
        run("1", command="close_cycle")


def test_closing_where_nothing_is_posted_is_refused(ada):
    cycle = approve_cycle(actor=ANN, cycle=compute_cycle(actor=SYSTEM, cycle=draft()))
    with pytest.raises(CommandError, match="No pay cycle is posted"):
        run(command="close_cycle")
    with pytest.raises(CommandError, match="is approved and cannot be closed: post it next"):
        run(str(cycle.number), command="close_cycle")


@pytest.mark.parametrize("command", ["run_payroll", "close_cycle"])
def test_the_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as left:
        run("--help", command=command)
    assert left.value.code == 0
    assert "cycle" in capsys.readouterr().out
