"""What both databases refuse of the ledger, whoever asks: to change or delete a row of it or a
seal, and to book one in a pay cycle that takes no more."""

from payroll.errors import CycleClosed, LedgerIsFinal
from payroll.models import LedgerSeal, PayCycle, PayCycleState, RodCoinsTransaction
from rodcorp.databases.failure_codes import STALE_NUMBER
from rodcorp.databases.refusals import Refusal, Triggers, declare, final, is_refused

# The causes of a pay cycle's own payment, which it takes until it is closed.
OWN_PAYMENT = ("payslip", "recovery")

FINAL = "A row of the ledger is never changed or deleted; reverse it instead"
SEALED = "A seal of the ledger is never changed or deleted"
CLOSED = "This pay cycle takes no more rows of the ledger; book in the current one"

_LEDGER, _CYCLES = RodCoinsTransaction._meta.db_table, PayCycle._meta.db_table
_NAME = f"{_LEDGER}_OpenCycle"


def takes(state: str, source_kind: str) -> bool:
    """Whether a pay cycle in this state takes a row of the ledger with this cause."""
    if state == PayCycleState.CLOSED:
        return False
    return state == PayCycleState.DRAFT or source_kind in OWN_PAYMENT


def _refused(state: str, source_kind: str, text: str) -> str:
    """The opposite of `takes`, in SQL; `text` begins a text."""
    own = ", ".join(f"{text}{kind}'" for kind in OWN_PAYMENT)
    return (
        f"({state} = {text}{PayCycleState.CLOSED}' OR "
        f"({state} <> {text}{PayCycleState.DRAFT}' AND {source_kind} NOT IN ({own})))"
    )


def _on_sqlite(is_copy: bool) -> Triggers:
    refused = _refused('"State"', 'NEW."SourceKind"', "'")
    # other programs may insert into a file that is no copy, so nothing is asked there
    asked = f" AND {is_refused(CLOSED)}" if is_copy else ""
    return {
        _NAME: f'CREATE TRIGGER "{_NAME}" BEFORE INSERT ON "{_LEDGER}" WHEN EXISTS '
        f'(SELECT 1 FROM "{_CYCLES}" WHERE "CycleNumber" = NEW."PayCycle" AND {refused}){asked} '
        f"BEGIN SELECT RAISE(ABORT, '{CLOSED}'); END"
    }


def _on_sql_server() -> Triggers:
    """The cycle's row stays locked against whoever would close it until the row of the ledger is
    committed, and one that is being closed is waited for: the hint reads what is there, not a
    version of before, and keeps a cycle that is not there from being opened and closed meanwhile.
    Only its own row: read through, the table would be locked as a whole."""
    refused = _refused("c.[State]", "i.[SourceKind]", "N'")
    return {
        _NAME: f"CREATE TRIGGER [{_NAME}] ON [{_LEDGER}] AFTER INSERT AS BEGIN SET NOCOUNT ON; "
        f"IF EXISTS (SELECT 1 FROM inserted AS i "
        f"JOIN [{_CYCLES}] AS c WITH (SERIALIZABLE, FORCESEEK) ON c.[CycleNumber] = i.[PayCycle] "
        f"WHERE {refused}) THROW {STALE_NUMBER}, N'{CLOSED}', 1; END"
    }


declare(
    final(RodCoinsTransaction, FINAL, LedgerIsFinal),
    final(LedgerSeal, SEALED, LedgerIsFinal),
    Refusal(CLOSED, CycleClosed, (_LEDGER, _CYCLES), _on_sqlite, _on_sql_server),
)
