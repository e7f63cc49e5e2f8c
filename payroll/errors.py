"""Refusals of this department."""

from rodcorp.errors import Conflict, NotFound


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
