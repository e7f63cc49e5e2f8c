"""Whether the ledger is what it was and adds up: every row is read again, and what follows from
the rows is computed anew, here and not by the database."""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db.models import Count

from agents.models import Agent
from payroll.models import (
    EARNING_TYPES,
    AccountKind,
    LedgerAccount,
    LedgerSeal,
    PayCycle,
    PayCycleState,
    RodCoinsTransaction,
    TransactionType,
)
from payroll.services.sealing import COLUMNS, Entry, Place, digest_of, entry_of, ledger_of
from rodcorp.databases.models import Conflict
from rodcorp.databases.snapshots import one_moment

T = TypeVar("T")

# Rows named in a statement; SQL Server takes 2,100 parameters.
_PART = 500

# Seals read at a time; each is some twenty kilobytes.
_SEALS = 50

_ID, _AGENT, _SOURCE, _TARGET, _AMOUNT, _TYPE = (
    COLUMNS.index(name)
    for name in ("id", "agent_id", "source_id", "target_id", "amount", "transaction_type")
)


class Kind(StrEnum):
    """What is wrong."""

    CHANGED = "row changed"
    REMOVED = "row removed"
    ADDED = "row added"
    REORDERED = "row reordered"
    SEAL_MISSING = "seal missing"
    SEAL_CHANGED = "seal changed"
    SEAL_OUT_OF_CHAIN = "seal out of chain"
    NOT_SEALED = "cycle not sealed"
    BALANCE = "balance"
    TOTAL = "total"
    ACCOUNT = "account"
    OVERDRAWN = "overdrawn"
    REVERSAL = "reversal"
    DIGEST = "digest not found"


@dataclass(frozen=True)
class Flaw:
    """`row` is the id of a row of the ledger, a seal, an account or an agent; `cycle` the number of
    a pay cycle. Either may not apply."""

    kind: Kind
    said: str
    row: UUID | None = None
    cycle: int | None = None


@dataclass
class Proof:
    """What was read, in which database, and what is wrong with it. `last_digest` vouches for all
    that is sealed."""

    database: str
    cycles: int = 0
    seals: int = 0
    transactions: int = 0
    accounts: int = 0
    agents: int = 0
    last_digest: str = ""
    flaws: list[Flaw] = field(default_factory=list)


class Track(Protocol):
    def __call__(self, items: Iterable[T], *, total: int, label: str) -> Iterable[T]: ...


def untracked(items: Iterable[T], *, total: int, label: str) -> Iterable[T]:
    return items


def prove(alias: str, *, known: str = "", track: Track = untracked) -> Proof:
    """Read the whole ledger of one database as it is at one moment. A digest that is `known` must
    still be that of a seal. About half a minute for a million rows."""
    with one_moment(alias):
        return _Prover(alias, track).run(known)


def prove_books(alias: str) -> list[Flaw]:
    """The part of it that is not about seals."""
    with one_moment(alias):
        return _Prover(alias, untracked).books()


class _Prover:
    def __init__(self, alias: str, track: Track) -> None:
        self.alias, self._track = alias, track
        self.proof = Proof(alias)
        self._digests = {""}
        self._balances: dict[UUID, int] = defaultdict(int)
        self._totals: dict[UUID, int] = defaultdict(int)
        self._reversed_types = self._reversals()

    def run(self, known: str) -> Proof:
        cycles = PayCycle.objects.using(self.alias)
        closed = {each.number: each for each in cycles.filter(state=PayCycleState.CLOSED)}
        for number, rows in self._cycles(closed):
            if number in closed:
                entries = {}
                for row in self._counted(rows):
                    entry = entry_of(row)
                    entries[entry.id] = entry
                self._compare(closed[number], entries)
                self.proof.cycles += 1
            else:
                for _ in self._counted(rows):
                    pass
        self._look_for_stray_seals(closed)
        if known and known not in self._digests:
            self._note(Kind.DIGEST, f"no seal has the digest {known} any more")
        self._compare_books()
        return self.proof

    def books(self) -> list[Flaw]:
        for _, rows in self._cycles({}):
            for _ in self._counted(rows):
                pass
        self._compare_books()
        return self.proof.flaws

    def _note(
        self, kind: Kind, said: str, row: UUID | str | None = None, cycle: int | None = None
    ) -> None:
        key = UUID(row) if isinstance(row, str) else row
        self.proof.flaws.append(Flaw(kind, said, key, cycle))

    # --- reading --------------------------------------------------------------------------------
    def _cycles(self, closed: Iterable[int]) -> Iterator[tuple[int, Iterable[tuple[Any, ...]]]]:
        """The rows of each cycle, lowest number first."""
        ledger = RodCoinsTransaction.objects.using(self.alias).order_by()
        sizes = dict(ledger.values_list("cycle").annotate(rows=Count("pk")))
        for number in sorted({*sizes, *closed}):
            rows = ledger_of(self.alias, number)
            yield number, self._track(rows, total=sizes.get(number, 0), label=f"cycle {number}")

    def _counted(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Add each row up as it goes by."""
        balances, totals = self._balances, self._totals
        for row in rows:
            amount, transaction_type = row[_AMOUNT], row[_TYPE]
            balances[row[_SOURCE]] -= amount
            balances[row[_TARGET]] += amount
            if row[_AGENT] is not None:
                if transaction_type in EARNING_TYPES:
                    totals[row[_AGENT]] += amount
                elif self._reversed_types.get(row[_ID]) in EARNING_TYPES:
                    totals[row[_AGENT]] -= amount
            self.proof.transactions += 1
            yield row

    # --- seals ----------------------------------------------------------------------------------
    def _compare(self, cycle: PayCycle, entries: dict[str, Entry]) -> None:
        number = cycle.number
        ordered = LedgerSeal.objects.using(self.alias).filter(cycle=cycle).order_by("position")
        seals = ordered.iterator(chunk_size=_SEALS)
        before = len(self.proof.flaws)
        sealed = [each for seal in self._chained(number, seals) for each in seal]
        if entries and not sealed and len(self.proof.flaws) == before:
            self._note(
                Kind.NOT_SEALED,
                f"it is closed, and none of its {len(entries)} rows is sealed",
                cycle=number,
            )
            return
        is_whole = len(self.proof.flaws) == before
        gone = [key for key, _ in sealed if key not in entries]
        self._tell_of_gone(gone, number)
        for key, digest in sealed:
            if key in entries and entries[key].digest != digest:
                self._note(Kind.CHANGED, "it is not what was sealed", key, number)
        known = {key for key, _ in sealed}
        added = [key for key in entries if key not in known]
        if is_whole:
            for key in added:
                self._note(Kind.ADDED, "it was booked after the cycle was sealed", key, number)
        elif added:
            said = f"{len(added)} rows are in none of the seals that can be read"
            self._note(Kind.ADDED, said, cycle=number)
        there = [entries[key] for key, _ in sealed if key in entries]
        for entry in _out_of_order(there):
            self._note(Kind.REORDERED, "it has another place than when sealed", entry.id, number)

    def _chained(self, number: int, seals: Iterable[LedgerSeal]) -> Iterator[list[tuple[str, str]]]:
        """The rows of each seal of a cycle, as far as they can be read."""
        position = 0
        for seal in seals:
            position += 1
            self.proof.seals += 1
            is_next = seal.position == position
            if not is_next:
                missing = (
                    f"{position}"
                    if seal.position == position + 1
                    else (f"{position} to {seal.position - 1}")
                )
                self._note(Kind.SEAL_MISSING, f"seal {missing} of it is gone", cycle=number)
                position = seal.position
            if digest_of(seal, number) != seal.digest:
                said = f"seal {position} is not what it was"
                self._note(Kind.SEAL_CHANGED, said, seal.pk, number)
            if is_next and seal.previous != self.proof.last_digest:
                said = f"seal {position} does not follow the one before it"
                self._note(Kind.SEAL_OUT_OF_CHAIN, said, seal.pk, number)
            self.proof.last_digest = seal.digest
            self._digests.add(seal.digest)
            yield _read(seal.rows)

    def _look_for_stray_seals(self, closed: Iterable[int]) -> None:
        seals = LedgerSeal.objects.using(self.alias)
        strays = seals.exclude(cycle__state=PayCycleState.CLOSED)
        for key, number in strays.values_list("pk", "cycle__number"):
            said = "the cycle has a seal, and is not closed"
            self._note(Kind.SEAL_OUT_OF_CHAIN, said, key, number)

    def _tell_of_gone(self, gone: Sequence[str], number: int) -> None:
        ledger = RodCoinsTransaction.objects.using(self.alias)
        for start in range(0, len(gone), _PART):
            part = gone[start : start + _PART]
            now_in = dict(ledger.filter(pk__in=part).values_list("pk", "cycle"))
            for key in part:
                if UUID(key) in now_in:
                    said = f"it was moved to pay cycle {now_in[UUID(key)]}"
                    self._note(Kind.CHANGED, said, key, number)
                else:
                    self._note(Kind.REMOVED, "it was sealed and is gone", key, number)

    # --- books ----------------------------------------------------------------------------------
    def _reversals(self) -> dict[UUID, str]:
        """The type of what each row reverses. What is wrong with reversals is noted."""
        ledger = RodCoinsTransaction.objects.using(self.alias).order_by()
        of_rows = ledger.filter(reverses__isnull=False).values_list(
            *("pk", "cycle", "transaction_type", "amount", "source_id", "target_id", "reverses_id"),
            *("reverses__transaction_type", "reverses__amount"),
            *("reverses__source_id", "reverses__target_id"),
        )
        found: dict[UUID, str] = {}
        seen: dict[UUID, UUID] = {}
        for key, cycle, kind, amount, source, target, reverses, was, whole, payer, payee in of_rows:
            found[key] = was
            if kind != TransactionType.REVERSAL or was == TransactionType.REVERSAL:
                self._note(Kind.REVERSAL, f"a {kind} reverses a {was}", key, cycle)
            elif amount != whole:
                said = f"it takes back {amount} of {whole}"
                self._note(Kind.REVERSAL, said, key, cycle)
            elif (source, target) != (payee, payer):
                said = "it is not between the accounts of what it reverses"
                self._note(Kind.REVERSAL, said, key, cycle)
            if reverses in seen:
                said = f"{reverses} was reversed by {seen[reverses]} already"
                self._note(Kind.REVERSAL, said, key, cycle)
            seen[reverses] = key
        pointless = ledger.filter(reverses__isnull=True, transaction_type=TransactionType.REVERSAL)
        for key, cycle in pointless.values_list("pk", "cycle"):
            self._note(Kind.REVERSAL, "it says of no row that it reverses it", key, cycle)
        return found

    def _compare_books(self) -> None:
        accounts = LedgerAccount.objects.using(self.alias).select_related("agent").order_by()
        overdrawn = []
        for account in accounts.iterator(chunk_size=_PART):
            self.proof.accounts += 1
            balance = self._balances.pop(account.pk, 0)
            if account.agent_id is None:
                continue
            if (account.balance or 0) != balance:
                said = f"{account} holds {account.balance or 0}; by the ledger it is {balance}"
                self._note(Kind.BALANCE, said, account.pk)
            if account.kind == AccountKind.WALLET and min(balance, account.balance or 0) < 0:
                overdrawn.append(account)
        # every row takes from one account what it gives to another: what is left over was moved
        # from or to one that is not there
        for key, balance in self._balances.items():
            said = f"rows of the ledger move {balance:+} in account {key}, which is not there"
            self._note(Kind.ACCOUNT, said, key)
        self._tell_of_overdrawn(overdrawn)
        agents = Agent.objects.using(self.alias).order_by()
        fields = ("pk", "name", "total_rodcoins_earned")
        for key, name, stored in agents.values_list(*fields).iterator(chunk_size=_PART):
            self.proof.agents += 1
            total = self._totals.pop(key, 0)
            if (stored or 0) != total:
                said = f"{name} has earned {stored or 0}; by the ledger it is {total}"
                self._note(Kind.TOTAL, said, key)

    def _tell_of_overdrawn(self, wallets: Sequence[LedgerAccount]) -> None:
        """Two sides that spent the same coins leave one; a person knows of it then."""
        told = Conflict.objects.using(self.alias).filter(
            table_name=LedgerAccount._meta.db_table, resolved_at__isnull=True
        )
        known = set(told.values_list("row_key", flat=True)) if wallets else set()
        for wallet in wallets:
            if wallet.pk not in known:
                said = f"{wallet} holds {wallet.balance or 0}, and no conflict tells of it"
                self._note(Kind.OVERDRAWN, said, wallet.pk)


def _read(text: str) -> list[tuple[str, str]]:
    """Nothing of what is not as it was written: its seal was found to be changed."""
    try:
        return [(str(UUID(key)), str(digest)) for key, digest in json.loads(text)]
    except (TypeError, ValueError):
        return []


def _out_of_order(entries: Sequence[Entry]) -> list[Entry]:
    """The fewest rows that would have to move so that the rest is in order."""
    ends: list[Place] = []
    last: list[int] = []
    before: list[int] = []
    for number, entry in enumerate(entries):
        length = bisect_left(ends, entry.place)
        before.append(last[length - 1] if length else -1)
        if length == len(ends):
            ends.append(entry.place)
            last.append(number)
        else:
            ends[length], last[length] = entry.place, number
    stays = set()
    number = last[-1] if last else -1
    while number >= 0:
        stays.add(number)
        number = before[number]
    return [entry for number, entry in enumerate(entries) if number not in stays]
