from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "rodcorp.operations"
    label = "operations"
    verbose_name = "Operations"
