"""Eight processes that write at once, and what they say."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

PROCESSES = 8
READY = "ready\n"
START_TIMEOUT_S = 60

ROOT = Path(__file__).resolve().parents[2]


class Writers:
    """They print into files: a pipe that nobody empties would make them wait."""

    def __init__(self, processes: list[subprocess.Popen[str]], outputs: list[Path]) -> None:
        self._processes, self._outputs = processes, outputs

    @property
    def are_busy(self) -> bool:
        return any(process.poll() is None for process in self._processes)

    def begin(self) -> None:
        """All at the same moment, once each has said that it is ready."""
        until = time.monotonic() + START_TIMEOUT_S
        while not all(output.read_text().startswith(READY) for output in self._outputs):
            for process, output in zip(self._processes, self._outputs, strict=True):
                assert process.poll() is None, output.with_suffix(".err").read_text()
            assert time.monotonic() < until, "a writer did not start"
            time.sleep(0.02)
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()

    def answers(self) -> list[dict[str, Any]]:
        """Of all units, once all writers are done."""
        for process, output in zip(self._processes, self._outputs, strict=True):
            assert process.wait() == 0, output.with_suffix(".err").read_text()
        lines = [line for output in self._outputs for line in output.read_text().splitlines()]
        return [json.loads(line) for line in lines if line != READY.strip()]


@contextmanager
def writers(
    directory: Path,
    *,
    units: int,
    faults: int = 0,
    rest_ms: float = 0,
    server: dict[str, str] | None = None,
) -> Iterator[Writers]:
    """Eight of `tests.bench.writer`, each with so many units, on the company in that directory;
    `server` is where its primary is, if it is one. They end with the block, whatever they are
    doing."""
    environment = {**os.environ, "RODCORP_DATA_DIR": str(directory), **(server or {})}
    arguments = [str(units), str(faults), str(rest_ms)]
    with ExitStack() as stack:
        processes, outputs = [], []
        for number in range(PROCESSES):
            output = directory / f"writer-{number}.out"
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.writer", f"w{number}", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=stack.enter_context(output.open("w")),
                stderr=stack.enter_context(output.with_suffix(".err").open("w")),
                text=True,
            )
            stack.callback(_end, process)
            outputs.append(output)
            processes.append(process)
        yield Writers(processes, outputs)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
