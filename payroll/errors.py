"""Refusals of this department."""

from rodcorp.errors import Conflict, InvalidInput, NotFound, PermissionRefused


class TransactionNotFound(NotFound):
    code = "transaction_not_found"


class EvaluatorNotFound(NotFound):
    code = "evaluator_not_found"


class InsufficientFunds(Conflict):
    code = "insufficient_funds"


class AlreadyReversed(Conflict):
    code = "already_reversed"


class LedgerIsFinal(Conflict):
    """Somebody tried to change or delete a row of the ledger."""

    code = "ledger_is_final"


class CycleClosed(Conflict):
    """A row was to be booked in a pay cycle that takes no more."""

    code = "cycle_closed"


class PayCycleNotFound(NotFound):
    code = "pay_cycle_not_found"


class CycleOutOfOrder(Conflict):
    """The cycle is in another state than the one this step leads on from."""

    code = "cycle_out_of_order"


class SelfApproval(PermissionRefused):
    """Whoever computed a pay cycle cannot approve it."""

    code = "self_approval"


class DebtChanged(Conflict):
    """A debt is smaller than what the payslips were to recover of it."""

    code = "debt_changed"


class PayTooLarge(InvalidInput):
    code = "pay_too_large"
