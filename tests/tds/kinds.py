"""Values on the wire: types as [MS-TDS] 2.2.5.4 to 2.2.5.6 writes them, to Python and back."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

COLLATION = bytes.fromhex("0904d00034")  # SQL_Latin1_General_CP1_CI_AS
UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFE
NULL_LENGTH = 0xFFFFFFFFFFFFFFFF
MAX = 0xFFFF

GUID, INTN, BITN, FLTN, DATETIMN = 0x24, 0x26, 0x68, 0x6D, 0x6F
DATEN, TIMEN, DATETIME2N, DATETIMEOFFSETN = 0x28, 0x29, 0x2A, 0x2B
DECIMALN, NUMERICN = 0x6A, 0x6C
BIGVARBIN, BIGVARCHAR, BIGBINARY, BIGCHAR, NVARCHAR, NCHAR = 0xA5, 0xA7, 0xAD, 0xAF, 0xE7, 0xEF
NTEXT = 0x63
FIXED = {0x30: "<B", 0x32: "<?", 0x34: "<h", 0x38: "<i", 0x7F: "<q", 0x3E: "<d", 0x3B: "<f"}
INTEGERS = {1: "<B", 2: "<h", 4: "<i", 8: "<q"}
DAY_ONE = datetime(1, 1, 1)  # noqa: DTZ001 - the columns have no zone


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def left(self) -> int:
        return len(self.data) - self.at

    def peek(self) -> int:
        return self.data[self.at]

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise ValueError(f"a message ends {count - self.left()} bytes early")
        self.at += count
        return self.data[self.at - count : self.at]

    def rest(self) -> bytes:
        return self.take(self.left())

    def unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def short_text(self) -> str:
        """B_VARCHAR."""
        return self.take(2 * self.unpack("<B")[0]).decode("utf-16-le")


@dataclass(frozen=True)
class Kind:
    code: int
    size: int = 0
    precision: int = 0
    scale: int = 0


def read_kind(reader: Reader) -> Kind:
    """TYPE_INFO, 2.2.5.6."""
    [code] = reader.unpack("<B")
    if code in FIXED or code == DATEN:
        return Kind(code)
    if code in (TIMEN, DATETIME2N, DATETIMEOFFSETN):
        return Kind(code, scale=reader.unpack("<B")[0])
    if code in (DECIMALN, NUMERICN):
        return Kind(code, *reader.unpack("<BBB"))
    if code in (GUID, INTN, BITN, FLTN, DATETIMN):
        return Kind(code, *reader.unpack("<B"))
    if code in (BIGVARBIN, BIGBINARY):
        return Kind(code, *reader.unpack("<H"))
    if code in (BIGVARCHAR, BIGCHAR, NVARCHAR, NCHAR):
        [size] = reader.unpack("<H")
        reader.take(5)
        return Kind(code, size)
    if code == NTEXT:
        [size] = reader.unpack("<I")
        reader.take(5)
        return Kind(code, size)
    raise ValueError(f"a parameter of type 0x{code:02x}, which the endpoint cannot read")


def read_value(reader: Reader, kind: Kind) -> Any:
    if kind.code in FIXED:
        return reader.unpack(FIXED[kind.code])[0]
    raw = _read_bytes(reader, kind)
    return None if raw is None else _decode(raw, kind)


def _read_bytes(reader: Reader, kind: Kind) -> bytes | None:
    if kind.code == NTEXT:
        [length] = reader.unpack("<i")
        return None if length < 0 else reader.take(length)
    if kind.code not in (BIGVARBIN, BIGBINARY, BIGVARCHAR, BIGCHAR, NVARCHAR, NCHAR):
        return reader.take(reader.unpack("<B")[0]) or None
    if kind.size == MAX:
        return _read_chunks(reader)
    [length] = reader.unpack("<H")
    return None if length == MAX else reader.take(length)


def _read_chunks(reader: Reader) -> bytes | None:
    """PLP, 2.2.5.2.3."""
    if reader.unpack("<Q")[0] == NULL_LENGTH:
        return None
    whole = b""
    while length := reader.unpack("<I")[0]:
        whole += reader.take(length)
    return whole


def _decode(raw: bytes, kind: Kind) -> Any:
    match kind.code:
        case code if code in (NVARCHAR, NCHAR, NTEXT):
            return raw.decode("utf-16-le")
        case code if code in (BIGVARCHAR, BIGCHAR):
            return raw.decode("cp1252")
        case code if code in (BIGVARBIN, BIGBINARY):
            return raw
        case code if code == GUID:
            return UUID(bytes_le=raw)
        case code if code == INTN:
            return struct.unpack(INTEGERS[len(raw)], raw)[0]
        case code if code == BITN:
            return raw != b"\0"
        case code if code == FLTN:
            return struct.unpack("<d" if len(raw) == 8 else "<f", raw)[0]
        case code if code in (DECIMALN, NUMERICN):
            number = Decimal(int.from_bytes(raw[1:], "little")).scaleb(-kind.scale)
            return number if raw[0] else -number
        case _:
            return _decode_time(raw, kind)


def _decode_time(raw: bytes, kind: Kind) -> date | time | datetime:
    if kind.code == DATETIMN:
        days, ticks = struct.unpack("<iI", raw)
        return datetime(1900, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(
            days=days, milliseconds=round(ticks * 10 / 3)
        )
    if kind.code == DATEN:
        return (DAY_ONE + timedelta(days=int.from_bytes(raw, "little"))).date()
    clock = {TIMEN: len(raw), DATETIME2N: len(raw) - 3, DATETIMEOFFSETN: len(raw) - 5}[kind.code]
    ticks = int.from_bytes(raw[:clock], "little") * 10 ** (7 - kind.scale)
    days = int.from_bytes(raw[clock : clock + 3], "little")
    moment = DAY_ONE + timedelta(days=days, microseconds=ticks // 10)
    if kind.code == TIMEN:
        return moment.time()
    if kind.code == DATETIME2N:
        return moment
    offset = timezone(timedelta(minutes=struct.unpack("<h", raw[-2:])[0]))
    return moment.replace(tzinfo=UTC).astimezone(offset)


SIMPLE = {
    UUID: Kind(GUID, 16),
    datetime: Kind(DATETIME2N, scale=7),
    date: Kind(DATEN),
    time: Kind(TIMEN, scale=7),
}


def kind_of(values: Iterable[Any]) -> Kind:
    """The type that holds all of a column's values; a column of NULLs is nvarchar."""
    present = [value for value in values if value is not None]
    types = {type(value) for value in present}
    if types <= {bool} and present:
        return Kind(BITN, 1)
    if types <= {int, bool} and present:
        return Kind(INTN, 4 if all(-(2**31) <= value < 2**31 for value in present) else 8)
    if types <= {Decimal, int} and Decimal in types:
        scale = max(max(0, -int(Decimal(value).as_tuple().exponent)) for value in present)
        return Kind(NUMERICN, 17, 38, scale)
    if types <= {float, int} and float in types:
        return Kind(FLTN, 8)
    if len(types) == 1 and (kind := SIMPLE.get(next(iter(types)))):
        return kind
    if types == {bytes}:
        return Kind(BIGVARBIN, 8000 if max(map(len, present)) <= 8000 else MAX)
    return Kind(NVARCHAR, MAX if any(len(str(value)) > 4000 for value in present) else 8000)


def write_kind(kind: Kind) -> bytes:
    head = bytes([kind.code])
    if kind.code == DATEN:
        return head
    if kind.code in (TIMEN, DATETIME2N):
        return head + bytes([kind.scale])
    if kind.code == NUMERICN:
        return head + bytes([kind.size, kind.precision, kind.scale])
    if kind.code == BIGVARBIN:
        return head + struct.pack("<H", kind.size)
    if kind.code == NVARCHAR:
        return head + struct.pack("<H", kind.size) + COLLATION
    return head + bytes([kind.size])


def write_value(value: Any, kind: Kind) -> bytes:
    long = kind.code in (NVARCHAR, BIGVARBIN)
    if value is None and kind.size == MAX:
        return struct.pack("<Q", NULL_LENGTH)
    if value is None:
        return struct.pack("<H", MAX) if long else b"\0"
    raw = _encode(value, kind)
    if kind.size == MAX:
        chunk = struct.pack("<I", len(raw)) + raw if raw else b""
        return struct.pack("<Q", UNKNOWN_LENGTH) + chunk + struct.pack("<I", 0)
    return (struct.pack("<H", len(raw)) if long else bytes([len(raw)])) + raw


def _encode(value: Any, kind: Kind) -> bytes:
    match kind.code:
        case code if code == NVARCHAR:
            return str(value).encode("utf-16-le")
        case code if code == BIGVARBIN:
            return bytes(value)
        case code if code == GUID:
            return value.bytes_le
        case code if code == INTN:
            return struct.pack(INTEGERS[kind.size], value)
        case code if code == BITN:
            return bytes([value])
        case code if code == FLTN:
            return struct.pack("<d", value)
        case code if code == NUMERICN:
            whole = int(Decimal(value).scaleb(kind.scale))
            return bytes([whole >= 0]) + abs(whole).to_bytes(16, "little")
        case code if code == DATEN:
            return (value - DAY_ONE.date()).days.to_bytes(3, "little")
        case _:
            return _encode_time(value, kind)


def _encode_time(value: datetime | time, kind: Kind) -> bytes:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    clock = ((seconds * 10**6 + value.microsecond) * 10).to_bytes(5, "little")
    if kind.code == TIMEN:
        return clock
    return clock + (value.date() - DAY_ONE.date()).days.to_bytes(3, "little")
