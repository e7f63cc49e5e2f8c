"""`python -m tests.bench`: measure everything, print it beside its bounds, exit 1 if one is missed.

Names on the command line choose benches, one or a family: `python -m tests.bench import switch`.
"""

import importlib
import logging
import os
import sys
import tempfile
from pathlib import Path

from tests.bench.harness import Line
from tests.bench.server import SERVER


def main(chosen: list[str]) -> int:
    names = [path.stem for path in sorted(Path(__file__).parent.glob("bench_*.py"))]
    names = [name for name in names if _is_chosen(name.removeprefix("bench_"), chosen)]
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="rodcorp-bench-") as data:
        _start(data)
        from django.db import connections

        try:
            for name in names:
                print(f"{name.removeprefix('bench_')} ...", file=sys.stderr, flush=True)
                lines += importlib.import_module(f"tests.bench.{name}").run()
        finally:
            connections.close_all()
    print(_table(lines))
    return 1 if any(line.missed for line in lines) else 0


def _is_chosen(name: str, chosen: list[str]) -> bool:
    return not chosen or any(name == word or name.startswith(f"{word}_") for word in chosen)


def _start(data: str) -> None:
    """Django on an empty data directory of its own, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith(("RODCORP_", "MSSQL_"))]:
        value = os.environ.pop(name)
        if name.startswith("MSSQL_"):
            SERVER[name] = value
    os.environ.update(
        DJANGO_SETTINGS_MODULE="rodcorp.settings",
        RODCORP_DATA_DIR=data,
        RODCORP_HTTPS="0",
        RODCORP_SAMPLE_DATA="0",
        RODCORP_LOG_LEVEL="WARNING",
    )
    import django
    from django.core.management import call_command

    django.setup()
    # what is logged costs what it costs, in the file; the terminal is for the table
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setLevel(logging.CRITICAL + 1)
    call_command("migrate", verbosity=0, interactive=False)


def _table(lines: list[Line]) -> str:
    rows = [("measurement", "measured", "bound", ""), *(line.columns() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {measured:>{widths[1]}}  {bound:>{widths[2]}}  {verdict}".rstrip()
        for name, measured, bound, verdict in rows
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
