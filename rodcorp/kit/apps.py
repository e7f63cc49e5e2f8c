from django.apps import AppConfig


class KitConfig(AppConfig):
    name = "rodcorp.kit"
    label = "kit"
    verbose_name = "Kit"
