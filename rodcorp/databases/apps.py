from django.apps import AppConfig


class DatabasesConfig(AppConfig):
    name = "rodcorp.databases"
    label = "databases"
    verbose_name = "Databases"

    def ready(self) -> None:
        from rodcorp.databases import checks, commands, sessions  # noqa: F401  registers the checks

        commands.default_to_active_database()
        sessions.prepare()
