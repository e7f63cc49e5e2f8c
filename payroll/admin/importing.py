"""Awards from CSV."""

from agents.models import Agent
from payroll.models import RodCoinsTransaction, TransactionType
from payroll.services.ledger import NewAward, award_many, find_transaction
from rodcorp.actors import Actor
from rodcorp.databases.ids import natural_id
from rodcorp.kit import validation
from rodcorp.kit.admin.imports import Cells, Importer

_AWARD = "award"


class AwardImporter(Importer):
    columns = ("id", "key", "agent", "project", "amount", "transaction_type", "description")
    required = ("agent", "amount", "description")
    service_names = {"agent_name": "agent"}
    prefetches = ("agent",)
    help = (
        "Awards are added, never changed. The type is earned, bonus, adjustment or deduction; "
        "earned, if left out. With a key of your own choosing an award is paid once, however often "
        "the file is imported."
    )

    def find(self, cells: Cells) -> RodCoinsTransaction | None:
        if "id" in cells:
            return find_transaction(cells["id"])
        if "key" in cells:
            key = validation.text(cells["key"], "key", max_length=200)
            row_id = natural_id("transaction", _AWARD, key)
            return RodCoinsTransaction.objects.select_related("agent").filter(pk=row_id).first()
        return None

    def create(self, actor: Actor, cells: Cells) -> RodCoinsTransaction:
        award = NewAward(
            agent=Agent.objects.named(cells["agent"], project=cells.get("project")),
            amount=cells["amount"],
            description=cells["description"],
            transaction_type=cells.get("transaction_type", TransactionType.EARNED),
            key=cells.get("key"),
        )
        return award_many(actor=actor, awards=[award])[0]

    def value_of(self, row: RodCoinsTransaction, column: str) -> object:
        if column == "project":
            return row.agent.project if row.agent else None
        if column == "key":
            return row.source_key if row.source_kind == _AWARD else None
        return getattr(row, column)
