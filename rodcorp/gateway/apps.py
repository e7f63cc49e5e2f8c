from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "rodcorp.gateway"
    label = "gateway"
    verbose_name = "Gateway"
