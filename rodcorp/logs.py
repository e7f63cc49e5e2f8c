"""Logging: where it goes, how it rotates, and what never appears in it.

Masking happens in the formatter, on the finished text, so that secrets in arguments, tracebacks
and SQL parameters are caught alike.
"""

import json
import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MASK = "***"

_KEY = r"(?:pass(?:word|wd)?|pwd|secret(?:[_-]?key)?|token|api[_-]?key|authorization|cookie)"
_PATTERNS = [
    # password=..., PWD={...};, "token": "...", SECRET_KEY = '...'
    re.compile(
        rf"""(?ix) (?P<keep>\b[\w-]*{_KEY}[\w-]*["']?\s*[:=]\s*(?:bearer\s+|basic\s+)?)
        (?P<secret>\{{[^}}]*\}}|"[^"]*"|'[^']*'|[^\s;,&)\]}}"']+)"""
    ),
    re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?P<secret>[\w.~+/=-]{8,})"),
    # scheme://user:password@host
    re.compile(r"(?P<keep>\b[a-z][\w+.-]*://[^\s:/@]*:)(?P<secret>[^\s@/]+)(?=@)", re.I),
    re.compile(r"(?P<keep>\brc_[A-Za-z0-9]+_)(?P<secret>[A-Za-z0-9_-]{8,})"),
]


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with the given secrets, and whatever looks like one, replaced by `***`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: match["keep"] + MASK, text)
    return text


class MaskingFormatter(logging.Formatter):
    """Plain lines. `secrets` are exact values known at start; very short ones are not masked,
    they would blank ordinary words."""

    def __init__(self, *args: Any, secrets: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._secrets = tuple({secret for secret in secrets if len(secret) >= 6})

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record), self._secrets)


class MaskingJsonFormatter(MaskingFormatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": mask(record.getMessage(), self._secrets),
        }
        if record.exc_info:
            entry["traceback"] = mask(self.formatException(record.exc_info), self._secrets)
        return json.dumps(entry, ensure_ascii=False)


def configuration(
    directory: Path, *, level: str, as_json: bool, secrets: Iterable[str]
) -> dict[str, Any]:
    """The LOGGING setting: warnings to the terminal, everything to a file that rotates at 10 MB
    and keeps five. Several processes may write the same file."""
    shape = MaskingJsonFormatter if as_json else MaskingFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "masked": {
                "()": shape,
                "fmt": "{asctime} {levelname} {name} [{process}] {message}",
                "style": "{",
                "secrets": list(secrets),
            },
        },
        "handlers": {
            "terminal": {
                "class": "logging.StreamHandler",
                "formatter": "masked",
                "level": "WARNING",
            },
            "file": {
                "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
                "filename": str(directory / "rodcorp.log"),
                "maxBytes": 10_000_000,
                "backupCount": 5,
                "encoding": "utf-8",
                "formatter": "masked",
                "delay": True,
            },
        },
        "root": {"handlers": ["terminal", "file"], "level": level},
        # django.server and django's own handlers would print the same lines again
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
        },
    }
