"""Text in a CSV file that a spreadsheet may open."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(value: object) -> str:
    """The value as text that no spreadsheet takes for a formula: an apostrophe goes before what
    looks like one. Numbers stay as they are."""
    text = "" if value is None else str(value)
    return f"'{text}" if _looks_like_formula(text.lstrip("'")) and not _is_number(text) else text


def plain_cell(text: str) -> str:
    """What `safe_cell` was given."""
    return text[1:] if text[:1] == "'" and _looks_like_formula(text.lstrip("'")) else text


def _looks_like_formula(text: str) -> bool:
    return text.startswith(_FORMULA_STARTS)


def _is_number(text: str) -> bool:
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.replace(".", "", 1).isascii() and digits.replace(".", "", 1).isdigit()
