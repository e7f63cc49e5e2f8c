"""A beads export of the size and shape of a real one, for where the real one is not at hand."""

import json
import random
from collections.abc import Iterable
from pathlib import Path

_WORDS = ("agent", "bead", "branch", "convoy", "daemon", "hook", "merge", "patrol", "queue")


def write_export_like_gastown(directory: Path) -> None:
    """677 issues, 315 dependencies (82 inside), 169 labels and 14 comments of 30 agents."""
    dice = random.Random(677)
    directory.mkdir(parents=True)

    def text(length: int) -> str:
        return " ".join(dice.choice(_WORDS) for _ in range(length))

    agents = [f"gastown/polecats/p{number}" for number in range(30)]
    ids = [f"gt-{number:04x}" for number in range(677)]
    pairs = [(ids[number], ids[number + 100]) for number in range(82)]
    pairs += [(ids[number], f"gt-wisp-{number}") for number in range(233)]
    _write(
        directory / "issues.jsonl",
        (
            {
                "id": key,
                "title": text(7),
                "description": text(90),
                "notes": text(80) if number % 5 == 0 else "",
                "design": text(600) if number % 50 == 0 else "",
                "close_reason": text(8),
                "status": "open" if number % 20 == 0 else "closed",
                "priority": number % 5,
                "issue_type": "bug" if number % 3 == 0 else "task",
                "assignee": dice.choice(agents) if number % 3 == 0 else None,
                "created_by": dice.choice(agents),
                "created_at": "2026-01-02T03:04:05Z",
                "closed_at": None if number % 20 == 0 else "2026-02-03T04:05:06Z",
                **{f"unused_{column}": "" for column in range(35)},
            }
            for number, key in enumerate(ids)
        ),
    )
    _write(
        directory / "dependencies.jsonl",
        ({"issue_id": key, "depends_on_id": other, "type": "blocks"} for key, other in pairs),
    )
    _write(
        directory / "labels.jsonl",
        ({"issue_id": ids[number], "label": _WORDS[number % len(_WORDS)]} for number in range(169)),
    )
    _write(
        directory / "comments.jsonl",
        (
            {
                "id": number,
                "issue_id": ids[number // 2],
                "author": agents[number],
                "text": text(200),
                "created_at": f"2026-01-03T00:00:{number:02}Z",
            }
            for number in range(14)
        ),
    )


def _write(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
