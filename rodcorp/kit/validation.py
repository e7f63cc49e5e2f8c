"""Checks of single values, shared by all services.

Each takes the value as it came and the name the caller knows it by, returns it in its proper type,
and raises `InvalidInput` with a message that says what is allowed.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Collection
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime

from rodcorp.errors import InvalidInput

BIGINT_MAX = 2**63 - 1

# Unicode's categories Cc and Cs as ranges: asking unicodedata for every character of a long text
# takes longer than storing it. A test compares them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def text(
    value: object, field: str, *, max_length: int, multiline: bool = False, required: bool = True
) -> str:
    """Text in NFC, stripped, without control characters. `max_length` counts UTF-16 units, which
    is how NVARCHAR counts; an emoji is two."""
    if value is None:
        value = ""
    if not isinstance(value, str):
        raise InvalidInput(f"{field} must be text.", field=field)
    cleaned = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if not cleaned:
        if required:
            raise InvalidInput(f"{field} must not be empty.", field=field)
        return ""
    if found := (_CONTROL_IN_LINES if multiline else _CONTROL).search(cleaned):
        raise InvalidInput(
            f"{field} contains the control character U+{ord(found[0]):04X}; remove it.",
            field=field,
        )
    if utf16_length(cleaned) > max_length:
        raise InvalidInput(
            f"{field} is {utf16_length(cleaned)} characters long; at most {max_length} are "
            "allowed.",
            field=field,
        )
    return cleaned


def without_control_characters(value: str) -> tuple[str, int]:
    """A text of several lines as `text` accepts it, and how many characters that cost. For
    imports, which mend what a person would be asked to correct."""
    return _CONTROL_IN_LINES.subn("", value.replace("\r\n", "\n"))


def utf16_length(value: str) -> int:
    if value.isascii():
        return len(value)
    return len(value.encode("utf-16-le", "surrogatepass")) // 2


def clip(value: str, max_length: int) -> str:
    """The longest beginning of `value` that fits a column, with an ellipsis if it was cut."""
    if utf16_length(value) <= max_length:
        return value
    kept = value[: max_length - 1]
    while utf16_length(kept) > max_length - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def choice(value: object, field: str, allowed: Collection[str]) -> str:
    wanted = value.strip().lower() if isinstance(value, str) else value
    if not isinstance(wanted, str) or wanted not in allowed:
        raise InvalidInput(
            f"{field} must be one of: {', '.join(allowed)}; it was {_shown(value)}.", field=field
        )
    return wanted


def integer(value: object, field: str, *, minimum: int, maximum: int) -> int:
    """A whole number; digits in text count, fractions and booleans do not."""
    number: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,25}\s*", value):
        number = int(value)
    if number is None or not minimum <= number <= maximum:
        raise InvalidInput(
            f"{field} must be a whole number from {minimum} to {maximum}; it was {_shown(value)}.",
            field=field,
        )
    return number


def score(value: object, field: str) -> Decimal:
    """A score from 0.00 to 5.00 with at most two decimals."""
    return two_decimals(value, field, maximum=5)


def two_decimals(value: object, field: str, *, maximum: int) -> Decimal:
    """A number from 0.00 to `maximum` with at most two decimals."""
    number: Decimal | None = None
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            number = None
    if (
        number is None
        or not number.is_finite()
        or not 0 <= number <= maximum
        or number != number.quantize(Decimal("0.01"))
    ):
        raise InvalidInput(
            f"{field} must be a number from 0.00 to {maximum}.00 with at most two decimals; it was "
            f"{_shown(value)}.",
            field=field,
        )
    return number.quantize(Decimal("0.01"))


def moment(value: object, field: str, *, end_of_day: bool = False) -> datetime:
    """A point in time, UTC. A time without an offset is UTC; a bare date is its first moment, or
    its last second with `end_of_day` (a thing due on a day is not late on that day)."""
    parsed: datetime | date | None = None
    if isinstance(value, datetime | date):
        parsed = value
    elif isinstance(value, str):
        stripped = value.strip()
        try:
            # parse_date takes its time over what is longer than any date
            parsed = parse_date(stripped) if len(stripped) <= 10 else None
            parsed = parsed or parse_datetime(stripped)
        except ValueError:
            parsed = None
    if parsed is None:
        raise InvalidInput(
            f"{field} must be a date like 2026-11-23 or a time like 2026-11-23T14:00:00Z; it was "
            f"{_shown(value)}.",
            field=field,
        )
    if not isinstance(parsed, datetime):
        parsed = datetime.combine(parsed, time(23, 59, 59) if end_of_day else time())
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{field} is outside the years 1 to 9999.", field=field) from None


def guid(value: object, field: str) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value).strip())
    except ValueError:
        raise InvalidInput(
            f"{field} must be a UUID like 6f1c54a4-6a3b-5b0e-9a53-2f0f6f1d7c11; it was "
            f"{_shown(value)}.",
            field=field,
        ) from None


def ip_address(value: object, field: str) -> str:
    try:
        return str(ipaddress.ip_address(str(value).strip()))
    except ValueError:
        raise InvalidInput(
            f"{field} must be an IPv4 or IPv6 address; it was {_shown(value)}.", field=field
        ) from None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
