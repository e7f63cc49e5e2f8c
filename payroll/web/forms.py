from django import forms

from agents.web.choices import AgentField
from payroll.services.ledger import AWARD_TYPES
from rodcorp.kit.web.forms import ServiceForm

_COINS = forms.NumberInput(attrs={"min": 1, "step": 1, "inputmode": "numeric"})
_TYPES = {
    "earned": "earned: for work done",
    "bonus": "bonus: on top of it",
    "adjustment": "adjustment: puts something right, counts as no earnings",
    "deduction": "deduction: takes coins back",
}


class AwardForm(ServiceForm):
    transaction_type = forms.ChoiceField(
        label="Type", choices=[(kind.value, _TYPES[kind.value]) for kind in AWARD_TYPES]
    )
    amount = forms.CharField(widget=_COINS, help_text="Whole RodCoins, without a sign.")
    description = forms.CharField(help_text="What it is for. It stays in the ledger.")


class TransferForm(ServiceForm):
    source = AgentField(label="From", empty_label="choose an agent")
    target = AgentField(label="To", empty_label="choose an agent")
    amount = forms.CharField(widget=_COINS, help_text="Whole RodCoins.")
    description = forms.CharField(help_text="What it is for. It stays in the ledger.")


class ReverseForm(ServiceForm):
    service_names = {"description": "reason"}

    reason = forms.CharField(help_text="It stays in the ledger, beside the reversal.")


class EvaluationForm(ServiceForm):
    service_names = {"performance_score": "score"}

    score = forms.CharField(
        widget=forms.NumberInput(attrs={"min": 0, "max": 5, "step": "0.01"}),
        help_text="0.00 to 5.00. It counts in the agent's rating beside all scores before.",
    )
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 5}), required=False)
