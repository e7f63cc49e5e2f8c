"""What a database error means: the one place that looks at an exception to decide what to do.

It is never decided by the exception's class: a deadlock arrives as a bare `django.db.Error`, a
server that is starting as a `ProgrammingError`, a wrong password as an `InterfaceError`, and some
of the driver's errors are not wrapped by Django at all. The numbers and SQLSTATEs are looked up in
`failure_codes`.

The whole chain of causes and contexts counts, because the first error is often the true one. So
run a unit again only after its `except` block has ended: inside it, the next error would carry this
one along and be taken for it.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import django.db
from django.core.exceptions import ImproperlyConfigured

from rodcorp.databases import failure_codes as codes
from rodcorp.databases.failure_codes import Check, Kind, Verdict

__all__ = ["Check", "Failure", "Kind", "Phase", "classify"]


class Phase(StrEnum):
    """What was being done. A write outside a transaction is COMMITTING: it may have happened."""

    CONNECTING = "connecting"
    READING = "reading"
    WRITING = "writing"
    COMMITTING = "committing"


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is what decided. `wait_s` is how long the server wants to be left alone."""

    kind: Kind
    code: str = ""
    check: Check = Check.NONE
    wait_s: float = 0.0
    if_it_persists: Kind | None = None

    @property
    def drops_connection(self) -> bool:
        """Whether the connection must be closed before anything else is done with it."""
        return self.check is not Check.NONE or self.kind in (
            Kind.UNAVAILABLE,
            Kind.OUTCOME_UNKNOWN,
            Kind.CONFIGURATION,
        )

    def after_probe(self, probed: "Failure | None") -> "Failure":
        """What it is, now that the primary was asked; `probed` is what the probe met, if anything.
        A commit stays unknown whatever the probe says: only its marker can tell."""
        if self.check is Check.NONE or self.kind is Kind.OUTCOME_UNKNOWN:
            return self
        if probed is not None:
            return probed
        if self.kind is Kind.UNCERTAIN and self.check is Check.PROBE:
            return Failure(Kind.PROGRAMMING, self.code)
        return Failure(Kind.TRANSIENT, self.code)


_RANKS = {
    Kind.OUTCOME_UNKNOWN: 7,
    Kind.CONFIGURATION: 6,
    Kind.FENCED: 5,
    Kind.UNAVAILABLE: 4,
    Kind.STORAGE: 3,
    Kind.TRANSIENT: 2,
    Kind.UNCERTAIN: 1,
}


def classify(error: BaseException, phase: Phase) -> Failure:
    """The gravest thing in the chain; among equals, the last that happened."""
    found = [failure for each in _chain(error) if (failure := _classify_one(each, phase))]
    return max(found, key=_gravity, default=Failure(Kind.FOREIGN))


def _gravity(failure: Failure) -> tuple[int, bool]:
    return _RANKS.get(failure.kind, 0), bool(failure.code)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all its causes and contexts, latest first, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [e for e in (current.__cause__, current.__context__) if e is not None]


def _is_raw(error: BaseException | None) -> bool:
    """Whether a driver raised it. pyodbc is not imported: it needs a system library."""
    return isinstance(error, sqlite3.Error) or any(
        base.__module__ == "pyodbc" for base in type(error).__mro__
    )


def _classify_one(error: BaseException, phase: Phase) -> Failure | None:
    if isinstance(error, ImproperlyConfigured):
        return Failure(Kind.CONFIGURATION, type(error).__name__)
    if isinstance(error, django.db.Error):
        if _is_raw(error.__cause__):
            return None  # the same again, and its cause knows more
    elif not _is_raw(error):
        return None
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return _of_sqlite(code, str(error))
    diagnosis = _Diagnosis.of(error)
    return _in_phase(_decide(diagnosis, error, phase), diagnosis, phase)


def _of_sqlite(code: int, text: str) -> Failure:
    name = f"SQLITE {code}"
    if codes.FENCED_TEXT in text:
        return Failure(Kind.FENCED, name)
    if code == sqlite3.SQLITE_CONSTRAINT_TRIGGER and text.startswith(codes.DUPLICATE_TEXT):
        code = sqlite3.SQLITE_CONSTRAINT_UNIQUE
    verdict = codes.SQLITE.get(code) or codes.SQLITE.get(code & 0xFF)
    return _failure(verdict or Verdict(Kind.PROGRAMMING), name)


# `[SQLSTATE] [vendor]...text (native) (Function); [SQLSTATE] [vendor]...text (native)`
_STATE = re.compile(r"\[([0-9A-Z]{5})\] ?\[")
_NATIVE = re.compile(r"\((-?\d+)\)(?= \(SQL|; \[|$)")


@dataclass(frozen=True, slots=True)
class _Diagnosis:
    text: str
    states: tuple[str, ...]
    natives: frozenset[int]

    @classmethod
    def of(cls, error: BaseException) -> "_Diagnosis":
        arguments = [str(argument) for argument in error.args]
        text = " ".join(arguments)
        first = [argument for argument in arguments[:1] if re.fullmatch("[0-9A-Z]{5}", argument)]
        states = tuple(dict.fromkeys([*first, *_STATE.findall(text)]))
        return cls(text, states, frozenset(map(int, _NATIVE.findall(text))))

    @property
    def is_about_data(self) -> bool:
        """Such a message quotes what users wrote, so nothing else in it may be believed."""
        return bool(self.states) and self.states[0][:2] in ("21", "22", "23")

    @property
    def is_link(self) -> bool:
        return any(state.startswith("08") or state == "HYT00" for state in self.states)


def _decide(diagnosis: _Diagnosis, error: BaseException, phase: Phase) -> Failure:
    if diagnosis.is_about_data:
        duplicate = diagnosis.natives & codes.DUPLICATES
        code = str(min(duplicate)) if duplicate else diagnosis.states[0]
        return Failure(Kind.DUPLICATE if duplicate else Kind.DATA, code)
    by_text = _of_texts(diagnosis.text.lower(), codes.CONFIGURATION_TEXTS)
    return (
        by_text
        or _of_natives(diagnosis)
        or _of_texts(diagnosis.text.lower(), codes.TEXTS)
        or _of_states(diagnosis, phase)
        or _of_nothing(error)
    )


def _of_texts(text: str, table: dict[str, Verdict]) -> Failure | None:
    if "unexpected eof" in text:
        return None  # TLS's word for a link that was cut
    return next((_failure(verdict, part) for part, verdict in table.items() if part in text), None)


def _of_natives(diagnosis: _Diagnosis) -> Failure | None:
    """A login refused because of its database ends with 4060 and 18456 as well; the password is
    at fault only if nothing else is named."""
    known = {number for number in diagnosis.natives if number in codes.NATIVES}
    telling = known - {codes.LOGIN_FAILED, codes.CANNOT_OPEN_DATABASE} or known - {
        codes.LOGIN_FAILED
    }
    failures = [_failure(codes.NATIVES[number], str(number)) for number in telling or known]
    return max(failures, key=_gravity, default=None)


def _of_states(diagnosis: _Diagnosis, phase: Phase) -> Failure | None:
    failures = []
    for state in diagnosis.states:
        if state == "HYT00":
            failures.append(_of_timeout(diagnosis, phase))
        elif verdict := codes.STATES.get(state) or codes.STATES.get(state[:2]):
            failures.append(_failure(verdict, state))
        else:
            failures.append(Failure(Kind.PROGRAMMING, state))
    return max(failures, key=_gravity, default=None)


def _of_timeout(diagnosis: _Diagnosis, phase: Phase) -> Failure:
    """A server that hangs says the same as one that is busy; only a probe tells them apart."""
    login = phase is Phase.CONNECTING or "login timeout" in diagnosis.text.lower()
    if login or diagnosis.natives & codes.NETWORK:
        return Failure(Kind.UNAVAILABLE, "HYT00", Check.PROBE)
    kind = Kind.TRANSIENT if phase is Phase.READING else Kind.OUTCOME_UNKNOWN
    return Failure(kind, "HYT00", Check.PROBE)


def _of_nothing(error: BaseException) -> Failure:
    """No number, no SQLSTATE, no known text. The class only chooses among ways to raise."""
    if isinstance(error, django.db.NotSupportedError):
        return Failure(Kind.CONFIGURATION, type(error).__name__)
    if isinstance(error, django.db.OperationalError | django.db.InterfaceError):
        return Failure(Kind.UNCERTAIN, "", Check.PROBE)
    about_data = isinstance(error, django.db.IntegrityError | django.db.DataError)
    return Failure(Kind.DATA if about_data else Kind.PROGRAMMING)


def _in_phase(failure: Failure, diagnosis: _Diagnosis, phase: Phase) -> Failure:
    """A link that breaks during COMMIT leaves its outcome open. Django's own error then names
    another call; the one that was ending the transaction is further down the chain."""
    ending = phase is Phase.WRITING and "(SQLEndTran)" in diagnosis.text and diagnosis.is_link
    if failure.kind in (Kind.UNAVAILABLE, Kind.UNCERTAIN) and (phase is Phase.COMMITTING or ending):
        return replace(failure, kind=Kind.OUTCOME_UNKNOWN, check=Check.PROBE)
    return failure


def _failure(verdict: Verdict, code: str) -> Failure:
    return Failure(verdict.kind, code, verdict.check, verdict.wait_s, verdict.if_it_persists)
