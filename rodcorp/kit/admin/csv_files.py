"""Reading an uploaded CSV file into rows of named cells."""

import csv
import io
from collections.abc import Collection, Iterator

from rodcorp.errors import InvalidInput
from rodcorp.kit.admin.imports import Cells, Importer
from rodcorp.kit.cells import plain_cell

# each is a few statements, and SQLite lets nobody else write meanwhile: about two seconds
MAX_ROWS = 500


def read_rows(
    importer: Importer, data: bytes, *, ignored: Collection[str] = ()
) -> list[tuple[int, Cells]]:
    """Each row's number, as a spreadsheet counts, and its cells by column. Empty rows are passed
    over; so are the `ignored` columns. Raises `InvalidInput` that says what is wrong."""
    records = _records(_decoded(data))
    _, header = next(records, (1, []))
    names = _columns(importer, header, ignored)
    rows: list[tuple[int, Cells]] = []
    for number, cells in records:
        if len(rows) == MAX_ROWS:
            raise InvalidInput(f"The file has more than {MAX_ROWS:,} rows; split it.")
        if len(cells) > len(names):
            raise InvalidInput(
                f"Row {number} has {len(cells)} cells for {len(names)} columns; put quotes around "
                "text with commas."
            )
        named = zip(names, cells, strict=False)
        rows.append(
            (
                number,
                {name: plain_cell(cell).strip() for name, cell in named if name not in ignored},
            )
        )
    if not rows:
        raise InvalidInput("The file has a first line with column names, but no rows.")
    return rows


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"Line {line} is not UTF-8 text; save the file as CSV in UTF-8."
        ) from error


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    first_line = text.partition("\n")[0]
    # some spreadsheets write semicolons where the comma is the decimal point
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    number = 0
    try:
        for number, cells in enumerate(reader, 1):
            if any(cell.strip() for cell in cells):
                yield number, cells
    except csv.Error as error:
        raise InvalidInput(f"Row {number + 1} is not CSV ({error}).") from error


def _columns(importer: Importer, header: list[str], ignored: Collection[str]) -> list[str]:
    names = [name.strip().lower() for name in header]
    known = ", ".join(importer.columns)
    if not names:
        raise InvalidInput(f"The file is empty; its first line must name columns of: {known}.")
    for name in names:
        if name not in importer.columns and name not in ignored:
            raise InvalidInput(f"There is no column '{name:.60}'; known are: {known}.")
        if names.count(name) > 1:
            raise InvalidInput(f"The column '{name}' is there twice.")
    missing = [name for name in importer.required if name not in names]
    if missing and not set(names) & set(importer.keys):
        raise InvalidInput(f"The column '{missing[0]}' is missing; known are: {known}.")
    return names
