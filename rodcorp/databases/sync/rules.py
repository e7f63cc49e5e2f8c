"""What a department says about its tables: how rows written on both sides become one.

Each department declares its rules in its `sync` module; a replicated model without a rule is an
error at start. Names of columns are Django's (`attname`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from django.db import models
from django.utils.module_loading import autodiscover_modules

from rodcorp.databases.models import Conflict, UnitMarker
from rodcorp.databases.replicated import replicated_models

# A row as Django reads it, by attname.
Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What becomes of one row's change. `values` are written to the primary; of each column in
    `lost` the copy's value is not, and a person is told. `note` says which rule decided."""

    values: Row = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    note: str = ""


# (base, ours, theirs) -> verdict, for an update of a row that is there on both sides
Merge = Callable[[Row, Row, Row], Verdict]

# A row, and what is wrong with it.
Flaw = tuple[type[models.Model], UUID, str]


@dataclass(frozen=True)
class Rule:
    """`append_only`: inserted if absent, never changed; the primary's row stands.
    `derived`: columns that follow from other rows; never copied, never merged.
    `latest`: columns of which the later value stands.
    `groups`: columns that only make sense together; merged as one.
    `prepare`: changes a row of the copy before it is inserted on the given alias.
    `after_insert`: applies rows that were really inserted to derived columns, on the given alias.
    `rebuild`: makes the derived columns that follow from this table anew, on the given alias.
    `merge`: instead of the column by column merge.
    `after_loss`: called in the primary's transaction with the copy's row and the primary's, when
    something of the copy's was lost.
    `after_win`: the same, with the primary's row as it was and as it became, when something of the
    copy's was taken.
    `flaws`: what a person must be told of rows that were inserted on the given alias, once their
    whole unit is applied: a row of some model, and why.
    `retire`: instead of deleting a row others point at: the columns that say it is out of use.
    """

    model: type[models.Model]
    append_only: bool = False
    derived: frozenset[str] = frozenset()
    latest: frozenset[str] = frozenset()
    groups: tuple[frozenset[str], ...] = ()
    after_insert: Callable[[str, Sequence[Row]], None] | None = None
    prepare: Callable[[str, Row], Row] | None = None
    rebuild: Callable[[str], None] | None = None
    merge: Merge | None = None
    after_loss: Callable[[str, Row, Row], None] | None = None
    after_win: Callable[[str, Row, Row], None] | None = None
    flaws: Callable[[str, Sequence[Row]], Iterable[Flaw]] | None = None
    retire: Mapping[str, Any] | None = None


_RULES: dict[type[models.Model], Rule] = {
    # replay may replace an answer nobody got, so not append-only
    UnitMarker: Rule(UnitMarker),
    Conflict: Rule(Conflict),
}


def declare(*rules: Rule) -> None:
    """In a department's `sync` module."""
    for rule in rules:
        assert rule.model not in _RULES, f"two rules for {rule.model._meta.label}"
        _RULES[rule.model] = rule


# Why somebody of this kind may not act any more, on the given alias; empty if they may.
ActorCheck = Callable[[str, str], str]
_ACTORS: dict[str, ActorCheck] = {}


def declare_actor(kind: str, check: ActorCheck) -> None:
    """In a department's `sync` module."""
    _ACTORS[kind] = check


def reason_against(caller: str, alias: str) -> str:
    """Why a marker's caller may not act any more; empty if they may."""
    rules()
    kind, _, id_ = caller.partition(":")
    return _ACTORS[kind](alias, id_) if kind in _ACTORS else ""


@cache
def rules() -> dict[str, Rule]:
    """The rule of every replicated table, parents before those who point at them. Raises
    `LookupError` for a model without one."""
    autodiscover_modules("sync")
    ordered = _parents_first(replicated_models())
    return {model._meta.db_table: _rule_of(model) for model in ordered}


def _rule_of(model: type[models.Model]) -> Rule:
    if model in _RULES:
        return _RULES[model]
    if hasattr(model, "history_id"):
        return Rule(model, append_only=True)
    raise LookupError(f"{model._meta.label} has no rule in its department's sync module.")


def _parents_first(wanted: Sequence[type[models.Model]]) -> list[type[models.Model]]:
    ordered: list[type[models.Model]] = []

    def visit(model: type[models.Model], under: tuple[type[models.Model], ...]) -> None:
        if model in ordered or model in under or model not in wanted:
            return
        for each in model._meta.concrete_fields:
            parent = each.related_model if getattr(each, "db_constraint", False) else None
            if isinstance(parent, type):
                visit(parent, (*under, model))
        ordered.append(model)

    for model in sorted(wanted, key=lambda model: model._meta.db_table):
        visit(model, ())
    return ordered
