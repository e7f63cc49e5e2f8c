"""The files that hold a rule, and the tests that stand for it."""

HERE = "rodcorp/databases"
SYNC = f"{HERE}/sync"

BEACON, CLOCK, CONFIGURATION = f"{SYNC}/beacon.py", f"{HERE}/clock.py", f"{HERE}/configuration.py"
ELIGIBILITY, FAILOVER, FENCE = f"{HERE}/eligibility.py", f"{HERE}/failover.py", f"{HERE}/fence.py"
CODES, FEED, HEALING = f"{HERE}/failure_codes.py", f"{SYNC}/feed.py", f"{SYNC}/healing.py"
HOSTS, JOURNAL, MARKERS = f"{HERE}/hosts.py", f"{HERE}/journal.py", f"{HERE}/markers.py"
MERGE, MIDDLEWARE, MODE = f"{SYNC}/merge.py", f"{HERE}/middleware.py", f"{HERE}/mode.py"
MIGRATE, PRIMARY = f"{HERE}/management/commands/migrate.py", f"{HERE}/primary.py"
PROBE, PROTECTION, REACH = f"{HERE}/probe.py", f"{HERE}/protection.py", f"{HERE}/reach.py"
REPEATABLE, REPLAY = f"{HERE}/repeatable.py", f"{SYNC}/replay.py"
ROUTER, ROWVERSIONS, SIDES = f"{HERE}/router.py", f"{SYNC}/rowversions.py", f"{HERE}/sides.py"
SWITCHING, UNITS, WATCHER = f"{HERE}/switching.py", f"{HERE}/units.py", f"{SYNC}/watcher.py"
ADMISSION, CHECKS = f"{HERE}/admission.py", f"{HERE}/checks.py"
HOUSEKEEPING, COMPARE = f"{HERE}/housekeeping.py", f"{SYNC}/compare.py"
JOBS, ROWS, START = "rodcorp/kit/jobs.py", "rodcorp/kit/rows.py", "rodcorp/operations/start.py"
LEDGER, TASKS = "payroll/services/ledger.py", "tasks/sync.py"

T_UNITS, T_MODE = "tests/databases/test_units.py", "tests/databases/test_mode.py"
T_SWITCHING, T_FAILOVER = "tests/databases/test_switching.py", "tests/databases/test_failover.py"
T_UNKNOWN, T_MATRIX = (
    "tests/databases/test_unknown_commits.py",
    "tests/databases/test_fault_matrix.py",
)
T_JOURNAL, T_REQUESTS = "tests/databases/test_journal.py", "tests/databases/test_requests.py"
T_ADMISSION, T_PROBE = "tests/databases/test_admission.py", "tests/databases/test_probe.py"
T_PRIMARY, T_BACKEND = "tests/databases/test_primary.py", "tests/databases/test_backend.py"
T_FEED, T_REPLAY = "tests/sync/test_feed.py", "tests/sync/test_replay.py"
T_RATINGS = "tests/sync/test_ratings.py"
T_DEPARTMENTS, T_GUARDS = "tests/sync/test_departments.py", "tests/sync/test_guards.py"
T_WATCHER, T_RESTORING = "tests/sync/test_watcher.py", "tests/sync/test_restoring.py"
T_ROWVERSIONS, T_HEALING = "tests/sync/test_rowversions.py", "tests/sync/test_healing.py"
T_START, T_JOBS = "tests/operations/test_start.py", "tests/kit/test_jobs.py"
T_COMMANDS, T_REACH = "tests/sync/test_commands.py", "tests/databases/test_reach.py"
T_FIGURES, T_CHECKS = "tests/rules/test_figures.py", "tests/databases/test_checks.py"
T_FAILURES, T_HOLDER = "tests/databases/test_failures.py", "tests/databases/test_holder.py"

OVERDRAWN = (
    f"{T_DEPARTMENTS}::"
    "test_two_sides_that_spent_the_same_coins_overdraw_the_account_and_a_person_is_told"
)
PROMISED = f"{T_FIGURES}::test_a_figure_is_no_more_than_was_promised"
STEADY = f"{T_FIGURES}::test_a_primary_is_trusted_after_five_seconds"
