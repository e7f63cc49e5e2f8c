"""What a client says, read from bytes: packets, PRELOGIN, LOGIN7, batches, calls, transactions.

Sections are those of [MS-TDS]. Integers are little-endian, except in a packet's header and in
PRELOGIN's option table.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.tds.kinds import Reader, read_kind, read_value

# Packet types, 2.2.3.1.1
BATCH, RPC, ANSWER, ATTENTION, TRANSACTION, LOGIN, PRELOGIN = 1, 3, 4, 6, 14, 16, 18
FINAL = 0x01
RESET_CONNECTION = 0x08 | 0x10
HEADER = 8
SMALLEST_PACKET = 4096

# PRELOGIN options, 2.2.6.5
VERSION, ENCRYPTION, INSTANCE, THREAD, MARS = range(5)
TERMINATOR = 0xFF
ENCRYPT_OFF, ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED, ENCRYPT_REQUIRED = range(4)

# Transaction manager requests, 2.2.6.9
TM_BEGIN, TM_COMMIT, TM_ROLLBACK, TM_SAVE = 5, 7, 8, 9

PROCEDURES = {
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}


def packets(kind: int, payload: bytes, size: int, *, final: bool = True) -> bytes:
    """A message cut into packets; not `final` when more of it follows."""
    room = size - HEADER
    pieces = [payload[start : start + room] for start in range(0, len(payload), room)] or [b""]
    cut = bytearray()
    for number, piece in enumerate(pieces, 1):
        status = FINAL if final and number == len(pieces) else 0
        cut += struct.pack(">BBHHBB", kind, status, len(piece) + HEADER, 0, number % 256, 0)
        cut += piece
    return bytes(cut)


@dataclass(frozen=True)
class Prelogin:
    """2.2.6.5. What the client wants of encryption and MARS."""

    options: dict[int, bytes]

    @property
    def encryption(self) -> int:
        return self.options.get(ENCRYPTION, b"\x02")[0]

    @property
    def mars(self) -> bool:
        return self.options.get(MARS, b"\0")[:1] == b"\x01"

    @classmethod
    def read(cls, body: bytes) -> "Prelogin":
        options, at = {}, 0
        while body[at] != TERMINATOR:
            option, start, length = struct.unpack_from(">BHH", body, at)
            options[option] = body[start : start + length]
            at += 5
        return cls(options)


def prelogin_answer(encryption: int) -> bytes:
    """Version 16.0.1000 (SQL Server 2022), the encryption chosen, no MARS."""
    values = {
        VERSION: struct.pack(">BBHH", 16, 0, 1000, 0),
        ENCRYPTION: bytes([encryption]),
        INSTANCE: b"\0",
        THREAD: b"",
        MARS: b"\0",
    }
    table, data = b"", b""
    for option, value in values.items():
        table += struct.pack(">BHH", option, 5 * len(values) + 1 + len(data), len(value))
        data += value
    return table + bytes([TERMINATOR]) + data


@dataclass(frozen=True)
class Login:
    """2.2.6.4. The bits and names of a LOGIN7, and the features it asks for."""

    user: str
    password: str = field(repr=False)
    database: str
    application: str
    server: str
    host: str
    packet_size: int
    read_only_intent: bool
    flags: tuple[int, int, int, int]
    features: dict[int, bytes]
    encrypted: bool = False
    raw: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, body: bytes, *, encrypted: bool) -> "Login":
        flags = struct.unpack_from("<4B", body, 24)

        def text(at: int) -> str:
            start, length = struct.unpack_from("<HH", body, at)
            return body[start : start + 2 * length].decode("utf-16-le")

        start, length = struct.unpack_from("<HH", body, 44)
        return cls(
            user=text(40),
            password=_clear(body[start : start + 2 * length]),
            database=text(68),
            application=text(48),
            server=text(52),
            host=text(36),
            packet_size=struct.unpack_from("<I", body, 8)[0],
            read_only_intent=bool(flags[2] & 0x20),  # TypeFlags.fReadOnlyIntent
            flags=flags,
            features=_features(body) if flags[3] & 0x10 else {},  # OptionFlags3.fExtension
            encrypted=encrypted,
            raw=body,
        )


def _clear(hidden: bytes) -> str:
    """Each byte had its halves swapped and was XORed with A5 (2.2.6.4)."""
    return bytes(((byte ^ 0xA5) >> 4 | (byte ^ 0xA5) << 4) & 0xFF for byte in hidden).decode(
        "utf-16-le"
    )


def _features(body: bytes) -> dict[int, bytes]:
    [pointer] = struct.unpack_from("<H", body, 56)
    [at] = struct.unpack_from("<I", body, pointer)
    features = {}
    while body[at] != TERMINATOR:
        feature, length = struct.unpack_from("<BI", body, at)
        features[feature] = body[at + 5 : at + 5 + length]
        at += 5 + length
    return features


def _skip_headers(reader: Reader) -> None:
    """ALL_HEADERS, 2.2.5.3: the transaction descriptor, which a session here knows anyway."""
    [length] = reader.unpack("<I")
    reader.take(length - 4)


def read_batch(body: bytes) -> str:
    reader = Reader(body)
    _skip_headers(reader)
    return reader.rest().decode("utf-16-le")


@dataclass
class Argument:
    name: str
    value: Any
    output: bool = False


@dataclass
class Call:
    """One procedure call of an RPC request (2.2.6.6)."""

    procedure: str
    arguments: list[Argument]

    def statement(self, text: int, declared: int) -> tuple[str, dict[str, Any]]:
        """The SQL and its parameters, of a call that carries both."""
        has = len(self.arguments) > declared
        names = declared_names(self.arguments[declared].value) if has else []
        return self.arguments[text].value, self.bind(names, max(text, declared) + 1)

    def bind(self, names: list[str], first: int) -> dict[str, Any]:
        values = self.arguments[first:]
        return {
            (argument.name.lstrip("@") or names[number]): argument.value
            for number, argument in enumerate(values)
        }


def declared_names(declaration: str | None) -> list[str]:
    """Of `@P1 int,@P2 nvarchar(10)`."""
    return re.findall(r"@(\w+) ", declaration or "")


def read_calls(body: bytes) -> Iterator[Call]:
    reader = Reader(body)
    _skip_headers(reader)
    while reader.left():
        [length] = reader.unpack("<H")
        if length == 0xFFFF:
            [number] = reader.unpack("<H")
            procedure = PROCEDURES.get(number, f"procedure {number}")
        else:
            procedure = reader.take(2 * length).decode("utf-16-le")
        reader.unpack("<H")
        arguments = []
        while reader.left() and reader.peek() not in (0x80, 0xFF, 0xFE):
            arguments.append(_argument(reader))
        if reader.left():
            reader.take(1)
        yield Call(procedure.lower().rpartition(".")[2], arguments)


def _argument(reader: Reader) -> Argument:
    name = reader.short_text()
    [status] = reader.unpack("<B")
    kind = read_kind(reader)
    return Argument(name, read_value(reader, kind), output=bool(status & 1))


@dataclass(frozen=True)
class TransactionRequest:
    """2.2.6.9. `begins` is set on a commit or rollback that opens the next transaction."""

    action: int
    name: str = ""
    begins: bool = False


def read_transaction(body: bytes) -> TransactionRequest:
    reader = Reader(body)
    _skip_headers(reader)
    [action] = reader.unpack("<H")
    if action == TM_BEGIN:
        reader.unpack("<B")  # isolation level
        return TransactionRequest(action, _name(reader))
    name = _name(reader)
    begins = action in (TM_COMMIT, TM_ROLLBACK) and bool(reader.left() and reader.take(1)[0] & 1)
    return TransactionRequest(action, name, begins)


def _name(reader: Reader) -> str:
    """B_VARBYTE: the length counts bytes."""
    return reader.take(reader.unpack("<B")[0]).decode("utf-16-le")
