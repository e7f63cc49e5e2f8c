import csv
from pathlib import Path

import pytest
from django import db
from django.core.exceptions import ImproperlyConfigured
from django.db.transaction import TransactionManagementError

from rodcorp.databases import failure_codes as codes
from rodcorp.databases.failures import Check, Failure, Kind, Phase, classify
from rodcorp.errors import Conflict

CONNECTING, READING, WRITING, COMMITTING = Phase
DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server]"
SERVER = f"{DRIVER}[SQL Server]"


def driver_class(name):
    """pyodbc's classes as Django leaves them when it does not wrap them; pyodbc itself needs a
    system library."""
    return type(name, (Exception,), {"__module__": "pyodbc"})


RawError = driver_class("ProgrammingError")


def wrapped(cls, *args):
    """As Django raises it: its own class, with the driver's error as the cause."""
    error = cls(*args)
    error.__cause__ = RawError(*args)
    return error


def after(error, *earlier):
    """`error`, raised while each of `earlier` was being handled."""
    current = error
    for each in earlier:
        current.__context__ = each
        current = each
    return error


def says(state, text, native=0, function="SQLExecDirectW", source=SERVER):
    return state, f"[{state}] {source}{text} ({native}) ({function})"


def lost(function="SQLExecDirectW"):
    text = says("08S01", "TCP Provider: Error code 0x68", 104, function, DRIVER)
    return wrapped(db.OperationalError, *text)


# What the driver was seen to say, in which phase, and what it means; `{D}` and `{S}` are its
# prefixes. Some of it was collected from servers, some from public reports.
with (Path(__file__).parent / "seen_errors.tsv").open(encoding="utf-8") as lines:
    SEEN = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
NAMES = [row["what"] for row in SEEN]


def arguments(row):
    return row["sqlstate"], row["message"].replace("{D}", DRIVER).replace("{S}", SERVER)


@pytest.mark.parametrize("row", SEEN, ids=NAMES)
def test_what_the_driver_says_has_a_meaning(row):
    found = classify(wrapped(db.Error, *arguments(row)), Phase(row["phase"]))
    assert (found.kind, found.code) == (row["kind"], row["code"])


@pytest.mark.parametrize("row", SEEN, ids=NAMES)
def test_its_class_and_its_wrapping_never_matter(row):
    args, phase = arguments(row), Phase(row["phase"])
    expected = classify(wrapped(db.Error, *args), phase)
    assert classify(RawError(*args), phase) == expected
    for cls in (db.DataError, db.OperationalError, db.IntegrityError, db.NotSupportedError):
        assert classify(wrapped(cls, *args), phase) == expected
        assert classify(cls(*args), phase) == expected


# The research's lists, written down once more on their own.
LISTED = {
    Kind.UNAVAILABLE: """
        6005 6006 17142 17187 17197 17830 17889 18401 18451 18461 596 921 922 924 926 927 941 942
        945 952 954 976 978 981 982 983 988 9001 3429 823 824 35250 3906 3908 9002 1105 1101 40613
        40197 40143 40540 40166 40020 42108 42109""",
    Kind.TRANSIENT: """
        1205 1222 1204 1203 1221 3960 3957 3950 3966 3947 3948 3935 3980 41301 41302 41305 41325
        41339 41839 8645 8651 8628 601 617 669 539 2021 2816 845 847 40501 10928 10929 10930 10936
        49918 49919 49920 40642 40648 40675 701 802""",
    Kind.CONFIGURATION: """
        18456 18450 18452 18470 18486 18487 18488 916 4064 911 229 230 262 297 300 17892 40532 40615
        40914""",
    Kind.DATA: "547 515 8115 8134 245 2628 8152",
    Kind.DUPLICATE: "2627 2601",
    Kind.PROGRAMMING: "208 207 102 3930 3998 334",
    Kind.UNCERTAIN: "4060",
}
NUMBERS = [(kind, int(number)) for kind, text in LISTED.items() for number in text.split()]


@pytest.mark.parametrize(("kind", "number"), NUMBERS)
def test_every_number_counts_wherever_it_stands(kind, number):
    first = RawError(*says("42000", "text", number))
    second = RawError(
        "42000", f"[42000] {SERVER}text (0) (SQLExecute); [42000] {SERVER}x ({number})"
    )
    assert classify(first, WRITING).kind is kind
    assert classify(second, WRITING).kind is kind


def test_no_number_is_in_the_table_twice():
    numbers = [number for _, group in codes._GROUPS for number in group]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize(
    "state", ["08001", "08003", "08007", "08S01", "08S02", "HYT01", "IMC01", "IMC06"]
)
def test_a_lost_link_is_unavailable_unless_it_was_committing(state):
    error = wrapped(db.Error, *says(state, "text", 12345))
    assert classify(error, WRITING) == Failure(Kind.UNAVAILABLE, state, Check.PROBE)
    assert classify(error, COMMITTING).kind is Kind.OUTCOME_UNKNOWN


@pytest.mark.parametrize("state", ["IM002", "IM003", "IM004", "28000"])
def test_a_driver_or_login_that_is_wrong_is_configuration(state):
    assert classify(RawError(*says(state, "text")), CONNECTING).kind is Kind.CONFIGURATION


@pytest.mark.parametrize("state", ["40003", "25S01", "HY117"])
def test_a_driver_that_does_not_know_leaves_the_outcome_open(state):
    assert classify(RawError(*says(state, "text")), WRITING).kind is Kind.OUTCOME_UNKNOWN


def test_what_users_wrote_is_not_believed():
    name = "x (1205) (SQLExecDirectW); [08S01] [Microsoft]y (18456) (SQLExecDirectW)"
    unique = says("23000", f"The duplicate key value is ({name}).", 2627)
    assert classify(wrapped(db.IntegrityError, *unique), WRITING).kind is Kind.DUPLICATE
    long = says("22001", f"Truncated value: 'certificate verify failed {name}'.", 2628)
    assert classify(wrapped(db.DataError, *long), COMMITTING).kind is Kind.DATA


@pytest.mark.parametrize(
    "text",
    ["The cursor's connection has been closed.", "Attempt to use a closed connection."],
)
def test_a_connection_somebody_closed_was_lost(text):
    assert classify(RawError(text), READING).kind is Kind.UNAVAILABLE
    assert classify(after(RawError(text), lost()), READING).kind is Kind.UNAVAILABLE


def test_the_second_statement_of_a_lost_transaction_is_no_mistake_of_the_application():
    error = db.ProgrammingError("Cannot open a new connection in an atomic block.")
    assert classify(error, WRITING) == Failure(
        Kind.UNAVAILABLE, "cannot open a new connection in an atomic block", Check.PROBE
    )


def test_a_lost_commit_is_found_behind_the_error_that_followed():
    assert classify(after(lost(), lost("SQLEndTran")), WRITING).kind is Kind.OUTCOME_UNKNOWN


def test_an_open_outcome_is_not_hidden_by_a_refused_reconnect():
    refused = wrapped(db.InterfaceError, *says("28000", "Login failed", 18456))
    assert classify(after(refused, lost("SQLEndTran")), COMMITTING).kind is Kind.OUTCOME_UNKNOWN
    assert classify(after(refused, lost()), WRITING).kind is Kind.CONFIGURATION


def test_the_first_error_explains_those_that_followed():
    deadlock = wrapped(db.Error, *says("40001", "deadlocked", 1205))
    doomed = wrapped(db.ProgrammingError, *says("42000", "cannot be committed", 3930))
    blocked = TransactionManagementError("You can't execute queries until the end of the block.")
    assert classify(after(blocked, doomed, deadlock), WRITING).code == "1205"


def test_a_refusal_of_ours_does_not_hide_the_error_it_was_raised_for():
    assert classify(after(Conflict("taken"), lost()), WRITING).kind is Kind.UNAVAILABLE


def test_what_is_no_database_error_is_left_alone():
    for error in (Conflict("[08S01] (1205) (SQLExecute)"), ValueError("x"), KeyError("08S01")):
        assert classify(error, WRITING) == Failure(Kind.FOREIGN)


def test_a_chain_that_bites_its_tail_ends():
    first, second = lost(), lost()
    first.__context__, second.__context__ = second, first
    assert classify(first, WRITING).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ImproperlyConfigured("NAME is missing"), Kind.CONFIGURATION),
        (db.NotSupportedError("SQL Server v9 is not supported."), Kind.CONFIGURATION),
        (db.IntegrityError("no number"), Kind.DATA),
        (db.DataError("no number"), Kind.DATA),
        (db.DatabaseError("Save with update_fields did not affect any rows."), Kind.PROGRAMMING),
        (TransactionManagementError("broken"), Kind.PROGRAMMING),
        (db.OperationalError("never heard of"), Kind.UNCERTAIN),
        (db.OperationalError(), Kind.UNCERTAIN),
        (db.Error(7, None), Kind.PROGRAMMING),
    ],
)
def test_without_any_number_the_class_decides_only_how_to_raise(error, kind):
    assert classify(error, WRITING).kind is kind


@pytest.mark.parametrize(
    ("number", "wait_s"), [(40501, 10.0), (49918, 5.0), (10928, 5.0), (1205, 0.0), (701, 1.0)]
)
def test_a_throttled_server_is_left_alone_for_a_while(number, wait_s):
    assert classify(RawError(*says("42000", "text", number)), WRITING).wait_s == wait_s


def test_a_server_that_stays_out_of_memory_is_unavailable():
    assert classify(RawError(*says("42000", "text", 701)), WRITING).if_it_persists == "unavailable"
    assert classify(RawError(*says("40001", "text", 1205)), WRITING).if_it_persists is None


@pytest.mark.parametrize(
    ("error", "drops"),
    [
        (lost(), True),
        (RawError(*says("HYT00", "Query timeout expired")), True),
        (RawError(*says("40001", "deadlocked", 1205)), False),
        (RawError(*says("23000", "duplicate", 2627)), False),
        (RawError(*says("42000", "log full", 9002)), True),
    ],
)
def test_a_connection_is_dropped_when_it_may_be_broken(error, drops):
    assert classify(error, WRITING).drops_connection is drops


class TestAfterAProbe:
    GOOD = None
    DOWN = Failure(Kind.UNAVAILABLE, "refused")
    WRONG = Failure(Kind.CONFIGURATION, "18456")

    @pytest.mark.parametrize(
        ("first", "probed", "kind"),
        [
            (Failure(Kind.UNAVAILABLE, "08S01", Check.PROBE), DOWN, Kind.UNAVAILABLE),
            (Failure(Kind.UNAVAILABLE, "08S01", Check.PROBE), WRONG, Kind.CONFIGURATION),
            (Failure(Kind.UNAVAILABLE, "08S01", Check.PROBE), GOOD, Kind.TRANSIENT),
            (Failure(Kind.UNAVAILABLE, "9002"), GOOD, Kind.UNAVAILABLE),
            (Failure(Kind.TRANSIENT, "HYT00", Check.PROBE), DOWN, Kind.UNAVAILABLE),
            (Failure(Kind.TRANSIENT, "HYT00", Check.PROBE), GOOD, Kind.TRANSIENT),
            (Failure(Kind.TRANSIENT, "1205"), DOWN, Kind.TRANSIENT),
            (Failure(Kind.UNCERTAIN, "HY000", Check.PROBE), GOOD, Kind.PROGRAMMING),
            (Failure(Kind.UNCERTAIN, "HY000", Check.PROBE), DOWN, Kind.UNAVAILABLE),
            (Failure(Kind.UNCERTAIN, "4060", Check.MASTER), GOOD, Kind.TRANSIENT),
            (Failure(Kind.UNCERTAIN, "4060", Check.MASTER), WRONG, Kind.CONFIGURATION),
            (Failure(Kind.OUTCOME_UNKNOWN, "08S01", Check.PROBE), GOOD, Kind.OUTCOME_UNKNOWN),
            (Failure(Kind.OUTCOME_UNKNOWN, "08S01", Check.PROBE), DOWN, Kind.OUTCOME_UNKNOWN),
            (Failure(Kind.DUPLICATE, "2627"), DOWN, Kind.DUPLICATE),
        ],
    )
    def test_it_is_decided(self, first, probed, kind):
        assert first.after_probe(probed).kind is kind
