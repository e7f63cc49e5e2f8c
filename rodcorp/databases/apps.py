from django.apps import AppConfig


class DatabasesConfig(AppConfig):
    name = "rodcorp.databases"
    label = "databases"
    verbose_name = "Databases"

    def ready(self) -> None:
        from rodcorp.databases import (
            checks,  # noqa: F401  registers them
            commands,
            journal,
            metrics,
            refusals,
            sessions,
        )

        commands.default_to_active_database()
        journal.prepare()
        metrics.register()
        refusals.prepare()
        sessions.prepare()
