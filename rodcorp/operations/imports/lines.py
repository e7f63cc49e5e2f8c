"""Reading files a line at a time, so that a bad line costs only itself and is named."""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rodcorp.errors import InvalidInput

T = TypeVar("T")


class Track(Protocol):
    """Passes items through, and may show how far it is."""

    def __call__(self, items: Iterable[T], *, total: int, label: str) -> Iterable[T]: ...


def untracked(items: Iterable[T], *, total: int, label: str) -> Iterable[T]:
    return items


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line, or a part of one, that was left out."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="path") from error


def json_lines(
    path: Path, rejected: list[Rejected], track: Track
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and object. A line that is none is added to `rejected`."""
    lines = read_bytes(path).split(b"\n")
    for number, line in track(enumerate(lines, 1), total=len(lines), label=path.name):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
        except UnicodeDecodeError:
            reason = "it is not UTF-8 text."
        except json.JSONDecodeError as error:
            reason = f"it is not JSON ({error.msg}, column {error.colno})."
        except (ValueError, RecursionError):
            reason = "it is JSON that no export has: a number or a nesting beyond all measure."
        else:
            if isinstance(row, dict):
                yield number, row
                continue
            reason = "it is not a JSON object."
        rejected.append(Rejected(path.name, number, reason))
