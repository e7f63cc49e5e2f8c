from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "rodcorp.console"
    label = "console"
    verbose_name = "Console"
