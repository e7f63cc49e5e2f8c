"""The forms that move coins and judge work."""

import pytest

from agents.services.registry import retire_agent
from payroll.models import Evaluation, RodCoinsTransaction
from payroll.services.ledger import award_rodcoins, balance_of, reverse_transaction
from tests.pages import form_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(make_agent):
    return make_agent("Ada", project="apollo", team="Core", ai_model="claude")


@pytest.fixture
def award(ada, system):
    return award_rodcoins(actor=system, agent=ada, amount=50, description="work")


class TestAwarding:
    AWARD = {"transaction_type": "bonus", "amount": "7", "description": "Well done"}

    def test_it_shows_the_balance_and_pays(self, browser, ada, award):
        client = browser("payroll")
        page = client.get(f"/agents/{ada.pk}/award/")
        assert "50 RodCoins" in page.text
        sent = {**self.AWARD, "key": form_of(page.text)["key"]}
        response = client.post(f"/agents/{ada.pk}/award/", sent)
        assert response.url == f"/agents/{ada.pk}/"
        row = RodCoinsTransaction.objects.get(transaction_type="bonus")
        assert (row.amount, row.agent, row.actor_name) == (7, ada, "a-payroll")
        assert balance_of(ada) == 57

    def test_the_same_form_sent_twice_pays_once(self, browser, ada):
        client, url = browser("payroll"), f"/agents/{ada.pk}/award/"
        sent = {**self.AWARD, "key": form_of(client.get(url).text)["key"]}
        for _ in range(2):
            assert client.post(url, sent).status_code == 302
        assert balance_of(ada) == 7
        assert "already saved" in client.post(url, {**sent, "amount": "8"}).text
        assert balance_of(ada) == 7

    @pytest.mark.parametrize(
        ("typed", "field", "said"),
        [
            ({"amount": "0"}, "amount", "from 1 to"),
            ({"amount": "-5"}, "amount", "from 1 to"),
            ({"amount": "1.5"}, "amount", "whole number"),
            ({"amount": "99999999999999999999"}, "amount", "from 1 to"),
            ({"amount": ""}, "amount", "required"),
            ({"description": ""}, "description", "required"),
            ({"description": "x" * 501}, "description", "at most 500"),
            ({"description": "a\x00b"}, "description", "Null characters"),
            ({"transaction_type": "salary"}, "transaction_type", "valid choice"),
            ({"transaction_type": "deduction", "amount": "51"}, "amount", "holds 50"),
        ],
    )
    def test_a_refusal_is_at_its_field_and_nothing_typed_is_lost(
        self, browser, ada, award, typed, field, said
    ):
        sent = {**self.AWARD, **typed}
        form = browser().post(f"/agents/{ada.pk}/award/", sent).context["form"]
        assert list(form.errors) == [field]
        assert said in form.errors[field][0]
        assert {name: form[name].value() for name in sent} == sent
        assert RodCoinsTransaction.objects.count() == 1


class TestReversing:
    def test_a_row_is_reversed_once_with_its_reason(self, browser, award, ada):
        client, url = browser("payroll"), f"/ledger/{award.pk}/reverse/"
        key = form_of(client.get(f"/ledger/{award.pk}/").text)["key"]
        for _ in range(2):
            response = client.post(url, {"reason": "Paid twice", "key": key})
            assert response.url == f"/ledger/{award.pk}/"
        assert award.reversals.get().description == "Paid twice"
        assert balance_of(ada) == 0
        again = client.post(url, {"reason": "Again"})
        assert "already reversed" in again.text
        assert 'value="Again"' in again.text

    @pytest.mark.parametrize(("reason", "said"), [("", "required"), ("x" * 501, "at most 500")])
    def test_a_refusal_is_at_the_reason(self, browser, award, reason, said):
        response = browser().post(f"/ledger/{award.pk}/reverse/", {"reason": reason})
        assert said in response.context["form"].errors["reason"][0]
        assert not award.reversals.exists()

    def test_a_reversal_is_not_reversed(self, browser, award, system):
        undone = reverse_transaction(actor=system, transaction=award, reason="x")
        response = browser().post(f"/ledger/{undone.pk}/reverse/", {"reason": "Back"})
        assert "cannot be reversed" in response.text


class TestTransferring:
    def send(self, client, **typed):
        sent = {"amount": "5", "description": "Lunch", **typed}
        return client.post("/ledger/transfer/", sent)

    def test_coins_go_from_one_wallet_to_another(self, browser, award, ada, make_agent):
        grace = make_agent("Grace")
        client = browser("payroll")
        key = form_of(client.get("/ledger/transfer/").text)["key"]
        for _ in range(2):
            response = self.send(client, source=ada.pk, target=grace.pk, key=key)
        row = RodCoinsTransaction.objects.get(transaction_type="transfer")
        assert response.url == f"/ledger/{row.pk}/"
        assert (balance_of(ada), balance_of(grace)) == (45, 5)

    def test_refusals_are_at_their_fields(self, browser, award, ada, make_agent, system):
        grace = make_agent("Grace")
        client = browser()

        def errors(**typed):
            return self.send(client, **typed).context["form"].errors

        assert "must differ" in errors(source=ada.pk, target=ada.pk)["target"][0]
        assert "holds 0" in errors(source=grace.pk, target=ada.pk)["amount"][0]
        assert "from 1 to" in errors(source=ada.pk, target=grace.pk, amount="0")["amount"][0]
        retire_agent(actor=system, agent=grace)
        assert "in service" in errors(source=ada.pk, target=grace.pk)["target"][0]
        assert RodCoinsTransaction.objects.count() == 1


class TestEvaluating:
    def test_the_one_who_is_signed_in_judges(self, browser, ada):
        client, url = browser("supervisor"), f"/agents/{ada.pk}/evaluate/"
        key = form_of(client.get(url).text)["key"]
        for _ in range(2):
            response = client.post(url, {"score": "4.25", "notes": "Good\nwork", "key": key})
            assert response.url == f"/agents/{ada.pk}/"
        evaluation = Evaluation.objects.get()
        assert (str(evaluation.score), evaluation.notes) == ("4.25", "Good\nwork")
        assert (evaluation.evaluator_kind, evaluation.evaluator_name) == ("user", "a-supervisor")
        ada.refresh_from_db()
        # (5 x 3.00 + 4.25) / 6
        assert str(ada.performance_rating) == "3.21"

    @pytest.mark.parametrize(
        ("typed", "field", "said"),
        [
            ({"score": "5.01"}, "score", "from 0.00 to 5.00"),
            ({"score": "4.255"}, "score", "two decimals"),
            ({"score": "NaN"}, "score", "from 0.00 to 5.00"),
            ({"score": ""}, "score", "required"),
            ({"notes": "x" * 4001}, "notes", "at most 4000"),
        ],
    )
    def test_a_refusal_is_at_its_field_and_nothing_typed_is_lost(
        self, browser, ada, typed, field, said
    ):
        sent = {"score": "4", "notes": "Kept", **typed}
        form = browser().post(f"/agents/{ada.pk}/evaluate/", sent).context["form"]
        assert list(form.errors) == [field]
        assert said in form.errors[field][0]
        assert {name: form[name].value() for name in sent} == sent
        assert not Evaluation.objects.exists()
