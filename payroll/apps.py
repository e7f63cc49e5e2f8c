from django.apps import AppConfig


class PayrollConfig(AppConfig):
    name = "payroll"
    verbose_name = "Payroll"

    def ready(self) -> None:
        from payroll import checks  # noqa: F401  registers them
