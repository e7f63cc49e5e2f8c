import pytest

from agents.models import Agent
from payroll.models import (
    BonusRule,
    Evaluation,
    PayrollMaster,
    PayScale,
    PerformanceBand,
    RodCoinsTransaction,
)
from payroll.services.ledger import balance_of
from payroll.services.salaries import (
    add_bonus_rule,
    set_pay_scale,
    set_performance_band,
    set_salary,
)
from tests.pages import csv_of

pytestmark = pytest.mark.django_db

LEDGER = "/admin/payroll/rodcoinstransaction/"
EVALUATIONS = "/admin/payroll/evaluation/"
SALARIES = "/admin/payroll/payrollmaster/"
SCALES = "/admin/payroll/payscale/"
BANDS = "/admin/payroll/performanceband/"
RULES = "/admin/payroll/bonusrule/"


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
    # (5 x 3.00 + 4.50) / 6
    assert str(Agent.objects.get().performance_rating) == "3.25"


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


def test_what_a_salary_leaves_out_is_left_to_scale_and_band(browser, make_agent, system):
    set_pay_scale(actor=system, level="senior", base_salary=300, seniority_multiplier="1.5")
    agent = make_agent(seniority="senior")
    client = browser("payroll")
    client.post(f"{SALARIES}add/", {"agent": agent.pk, "bonus": "0"})
    row = PayrollMaster.objects.get()
    assert (row.base_salary, row.seniority_multiplier, row.performance_multiplier) == (
        300,
        None,
        None,
    )
    (line,) = csv_of(client, f"{SALARIES}export/")
    assert (line["seniority"], line["performance"]) == ("by pay scale", "by rating")


def test_a_salary_without_a_base_and_a_scale_is_refused_at_the_base(browser, agent):
    response = browser("payroll").post(f"{SALARIES}add/", {"agent": agent.pk, "bonus": "0"})
    errors = response.context["adminform"].form.errors
    assert "base_salary must be given" in str(errors["base_salary"])
    assert not PayrollMaster.objects.exists()


def test_a_multiplier_is_taken_off_a_salary(browser, agent, system):
    row = set_salary(actor=system, agent=agent, base_salary=100, seniority_multiplier=2, bonus=3)
    browser("payroll").post(
        f"{SALARIES}{row.pk}/change/",
        {
            "base_salary": "100",
            "seniority_multiplier": "",
            "performance_multiplier": "",
            "bonus": "3",
        },
    )
    row.refresh_from_db()
    assert (row.base_salary, row.seniority_multiplier, row.bonus) == (100, None, 3)


def test_a_pay_scale_is_set_changed_and_removed(browser):
    client = browser("payroll")
    form = {"level": "senior", "base_salary": "300", "seniority_multiplier": "1.5"}
    assert client.post(f"{SCALES}add/", form).status_code == 302
    scale = PayScale.objects.get()
    client.post(f"{SCALES}{scale.pk}/change/", {**form, "base_salary": "350"})
    scale.refresh_from_db()
    assert scale.base_salary == 350
    assert scale.history.latest("history_date").actor_name == "a-payroll"
    client.post(SCALES, {"action": "remove", "_selected_action": [scale.pk]})
    assert not PayScale.objects.exists()


def test_a_band_is_set_changed_and_removed(browser):
    client = browser("payroll")
    assert client.post(f"{BANDS}add/", {"minimum": "4.5", "multiplier": "1.2"}).status_code == 302
    band = PerformanceBand.objects.get()
    client.post(f"{BANDS}{band.pk}/change/", {"multiplier": "1.25"})
    band.refresh_from_db()
    assert str(band.multiplier) == "1.25"
    client.post(BANDS, {"action": "remove", "_selected_action": [band.pk]})
    assert not PerformanceBand.objects.exists()


def test_a_bonus_rule_is_added_and_ended(browser, agent):
    client = browser("payroll")
    form = {"kind": "rating", "label": "Top", "amount": "9", "threshold": "4.5", "agent": agent.pk}
    assert client.post(f"{RULES}add/", form).status_code == 302
    rule = BonusRule.objects.get()
    assert (rule.agent, str(rule.threshold), rule.effective_to) == (agent, "4.50", None)
    client.post(RULES, {"action": "end", "_selected_action": [rule.pk]})
    rule.refresh_from_db()
    assert rule.effective_to > rule.effective_from


def test_an_end_of_a_rule_is_set_and_only_made_earlier(browser, system):
    rule = add_bonus_rule(
        actor=system, kind="fixed", label="x", amount=1, effective_from="2026-01-01"
    )
    client = browser("payroll")

    def end(day):
        return client.post(
            f"{RULES}{rule.pk}/change/", {"effective_to_0": day, "effective_to_1": "00:00:00"}
        )

    assert end("2999-01-01").status_code == 302
    assert end("2998-01-01").status_code == 302
    refused = end("2999-01-01").context["adminform"].form.errors["effective_to"]
    assert "ends 2998-01-01 00:00 UTC already" in str(refused)
    rule.refresh_from_db()
    assert rule.effective_to.year == 2998


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("amount", "0", "from 1 to"),
        ("amount", "2.5", "whole number"),
        ("threshold", "4", "leave it out"),
        ("label", " ", "required"),
        ("kind", "monthly", "Select a valid choice"),
    ],
)
def test_a_bad_rule_is_refused_at_its_field(browser, field, value, said):
    form = {"kind": "fixed", "label": "x", "amount": "1", field: value}
    response = browser("payroll").post(f"{RULES}add/", form)
    assert said in str(response.context["adminform"].form.errors[field])
    assert not BonusRule.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "supervisor", "operator"])
def test_others_look_and_remove_nothing(browser, system, role):
    scale = set_pay_scale(actor=system, level="x", base_salary=1, seniority_multiplier=1)
    band = set_performance_band(actor=system, minimum=1, multiplier=1)
    rule = add_bonus_rule(actor=system, kind="fixed", label="x", amount=1)
    client = browser(role)
    for address, row, action in (
        (SCALES, scale, "remove"),
        (BANDS, band, "remove"),
        (RULES, rule, "end"),
    ):
        assert client.get(address).status_code == 200
        client.post(address, {"action": action, "_selected_action": [row.pk]})
    rule.refresh_from_db()
    assert (PayScale.objects.count(), PerformanceBand.objects.count()) == (1, 1)
    assert rule.effective_to is None
