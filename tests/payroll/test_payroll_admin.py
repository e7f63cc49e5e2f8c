import pytest

from agents.models import Agent
from payroll.models import Evaluation, PayrollMaster, RodCoinsTransaction
from payroll.services.ledger import balance_of
from payroll.services.salaries import set_salary

pytestmark = pytest.mark.django_db

LEDGER = "/admin/payroll/rodcoinstransaction/"
EVALUATIONS = "/admin/payroll/evaluation/"
SALARIES = "/admin/payroll/payrollmaster/"


@pytest.fixture
def agent(make_agent):
    return make_agent()


def award(to, **changes):
    form = {"agent": to.pk, "amount": "7", "transaction_type": "bonus", "description": "work"}
    return {**form, **changes}


def test_an_award_is_paid_and_signed(browser, agent):
    assert browser("payroll").post(f"{LEDGER}add/", award(agent)).status_code == 302
    row = RodCoinsTransaction.objects.get()
    assert (balance_of(agent), row.actor_name, row.actor_address) == (7, "a-payroll", "127.0.0.1")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("amount", "0", "from 1 to"),
        ("amount", "-3", "from 1 to"),
        ("amount", "2.5", "whole number"),
        ("description", "  ", "required"),
        ("transaction_type", "salary", "Select a valid choice"),
        ("agent", "", "required"),
    ],
)
def test_a_bad_award_is_refused_at_its_field(browser, agent, field, value, said):
    response = browser("payroll").post(f"{LEDGER}add/", award(agent, **{field: value}))
    assert said in str(response.context["adminform"].form.errors[field])
    assert not RodCoinsTransaction.objects.exists()


def test_a_deduction_the_wallet_cannot_cover_is_refused_at_the_amount(browser, agent):
    response = browser("payroll").post(f"{LEDGER}add/", award(agent, transaction_type="deduction"))
    assert "holds 0 RodCoins; 7 are needed" in str(
        response.context["adminform"].form.errors["amount"]
    )
    assert balance_of(agent) == 0


def test_whoever_is_signed_in_is_the_evaluator(browser, agent):
    browser("supervisor").post(
        f"{EVALUATIONS}add/", {"agent": agent.pk, "score": "4.5", "notes": "Careful"}
    )
    row = Evaluation.objects.get()
    assert (row.evaluator_kind, row.evaluator_name) == ("user", "a-supervisor")
    assert str(Agent.objects.get().performance_rating) == "4.50"


def test_a_score_out_of_range_is_refused_at_its_field(browser, agent):
    response = browser().post(f"{EVALUATIONS}add/", {"agent": agent.pk, "score": "5.01"})
    assert "from 0.00 to 5.00" in str(response.context["adminform"].form.errors["score"])
    assert not Evaluation.objects.exists()


def test_a_salary_is_set_from_now_on(browser, agent, system):
    earlier = set_salary(actor=system, agent=agent, base_salary=100, effective_from="2026-01-01")
    browser("payroll").post(
        f"{SALARIES}add/",
        {
            "agent": agent.pk,
            "base_salary": "200",
            "seniority_multiplier": "1.25",
            "performance_multiplier": "1",
            "bonus": "0",
        },
    )
    earlier.refresh_from_db()
    present = PayrollMaster.objects.get(effective_to=None)
    assert (present.base_salary, earlier.effective_to) == (200, present.effective_from)


def test_a_salary_is_corrected(browser, agent, system):
    row = set_salary(actor=system, agent=agent, base_salary=100, bonus=3)
    form = {"base_salary": "150", "seniority_multiplier": "1", "performance_multiplier": "1"}
    response = browser("payroll").post(f"{SALARIES}{row.pk}/change/", {**form, "bonus": "3"})
    assert response.status_code == 302
    row = PayrollMaster.objects.get()
    assert (row.base_salary, row.bonus) == (150, 3)
    assert row.history.latest("history_date").actor_name == "a-payroll"
