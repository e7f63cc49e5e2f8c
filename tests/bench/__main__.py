"""`python -m tests.bench`: measure everything, print it beside its bounds, exit 1 if one is missed.

Names on the command line choose benches: `python -m tests.bench import`.
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path

from tests.bench.harness import Ratio


def main(chosen: list[str]) -> int:
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    if chosen:
        names = [name for name in names if name.removeprefix("bench_") in chosen]
    with tempfile.TemporaryDirectory(prefix="rodcorp-bench-") as data:
        _start(data)
        from django.db import connections

        try:
            ratios = [
                ratio
                for name in names
                for ratio in importlib.import_module(f"tests.bench.{name}").run()
            ]
        finally:
            connections.close_all()
    print(_table(ratios))
    return 1 if any(ratio.missed for ratio in ratios) else 0


def _start(data: str) -> None:
    """Django on an empty data directory of its own, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith(("RODCORP_", "MSSQL_"))]:
        del os.environ[name]
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
    call_command("migrate", verbosity=0, interactive=False)


def _table(ratios: list[Ratio]) -> str:
    rows = [("measurement", "ratio", "bound", "")]
    for ratio in ratios:
        sign = "≤" if ratio.smaller_is_better else "≥"
        bound = "-" if ratio.bound is None else f"{sign} {ratio.bound:.2f}"
        verdict = "MISSED" if ratio.missed else "" if ratio.bound is None else "ok"
        rows.append((ratio.name, f"{ratio.measured:.2f}", bound, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        f"{name:<{widths[0]}}  {measured:>{widths[1]}}  {bound:>{widths[2]}}  {verdict}".rstrip()
        for name, measured, bound, verdict in rows
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
