"""What the server answers: the tokens of [MS-TDS] 2.2.7."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.tds.kinds import COLLATION, INTN, Kind, kind_of, write_kind, write_value

TDS_7_4 = 0x74000004
SERVER = "scripted"

# ENVCHANGE types, 2.2.7.9
DATABASE, PACKET_SIZE, COLLATING, BEGUN, COMMITTED, ROLLED_BACK, RESET = 1, 4, 7, 8, 9, 10, 18

# DONE status bits, 2.2.7.6
MORE, ERROR, COUNT, ATTENTION_SEEN = 0x01, 0x02, 0x10, 0x20
DONE, DONE_PROCEDURE, DONE_IN_PROCEDURE = 0xFD, 0xFE, 0xFF
COMMANDS = {"SELECT": 0xC1, "INSERT": 0xC3, "DELETE": 0xC4, "UPDATE": 0xC5}


class ServerError(Exception):
    """An error the server reports and survives; from class 20 on it also closes the connection."""

    def __init__(self, number: int, message: str, *, state: int = 1, severity: int = 16) -> None:
        super().__init__(number, message)
        self.number, self.message, self.state, self.severity = number, message, state, severity


@dataclass
class Result:
    """The outcome of one statement: rows (with `columns`), a count, or neither. One that
    `is_whole` is broken off by no fault."""

    command: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    count: int | None = None
    is_whole: bool = False
    tokens: bytes = field(default=b"", repr=False)


def short(text: str) -> bytes:
    """B_VARCHAR."""
    return bytes([len(text.encode("utf-16-le")) // 2]) + text.encode("utf-16-le")


def long(text: str) -> bytes:
    """US_VARCHAR."""
    return struct.pack("<H", len(text.encode("utf-16-le")) // 2) + text.encode("utf-16-le")


def _token(code: int, body: bytes) -> bytes:
    return bytes([code]) + struct.pack("<H", len(body)) + body


def message(error: ServerError) -> bytes:
    """ERROR (2.2.7.10), or INFO (2.2.7.13) below class 11."""
    body = struct.pack("<iBB", error.number, error.state, error.severity)
    body += long(error.message) + short(SERVER) + short("") + struct.pack("<I", 1)
    return _token(0xAA if error.severity > 10 else 0xAB, body)


def change(kind: int, new: bytes, old: bytes) -> bytes:
    return _token(0xE3, bytes([kind]) + new + old)


def text_change(kind: int, new: str, old: str) -> bytes:
    return change(kind, short(new), short(old))


def transaction_change(kind: int, descriptor: int) -> bytes:
    value = b"\x08" + struct.pack("<Q", descriptor)
    return change(kind, value, b"\0") if kind == BEGUN else change(kind, b"\0", value)


def login_accepted(database: str, packet_size: int) -> bytes:
    """No feature is acknowledged: no session recovery, no column encryption, no UTF-8."""
    program = short("Microsoft SQL Server")
    acknowledged = struct.pack(">BI", 1, TDS_7_4) + program + struct.pack(">BBH", 16, 0, 1000)
    return (
        text_change(DATABASE, database, "master")
        + message(ServerError(5701, f"Changed database context to '{database}'.", severity=0))
        + change(COLLATING, bytes([len(COLLATION)]) + COLLATION, b"\0")
        + _token(0xAD, acknowledged)
        + text_change(PACKET_SIZE, str(packet_size), str(packet_size))
    )


def columns(names: Sequence[str], kinds: Sequence[Kind]) -> bytes:
    """COLMETADATA, 2.2.7.4; every column may be NULL."""
    body = struct.pack("<BH", 0x81, len(names))
    for name, kind in zip(names, kinds, strict=True):
        body += struct.pack("<IH", 0, 0x0001) + write_kind(kind) + short(name)
    return body


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[bytes, list[bytes]]:
    """COLMETADATA and a ROW (2.2.7.19) for each row."""
    kinds = [kind_of(row[number] for row in rows) for number in range(len(names))]
    written = [
        b"\xd1" + b"".join(write_value(v, k) for v, k in zip(row, kinds, strict=True))
        for row in rows
    ]
    return columns(names, kinds), written


def done(token: int, status: int = 0, command: str = "", count: int | None = None) -> bytes:
    if count is not None:
        status |= COUNT
    return struct.pack("<BHHQ", token, status, COMMANDS.get(command, 0), count or 0)


def return_status(status: int = 0) -> bytes:
    return struct.pack("<Bi", 0x79, status)


def return_handle(name: str, handle: int) -> bytes:
    """RETURNVALUE, 2.2.7.18, of an output parameter that is an int."""
    kind = Kind(INTN, 4)
    head = struct.pack("<BH", 0xAC, 0) + short(name) + struct.pack("<BIH", 1, 0, 0)
    return head + write_kind(kind) + write_value(handle, kind)
