from django.urls import path

from rodcorp.console import agent, home

urlpatterns = [
    path("", home.Home.as_view(), name="home"),
    path("agents/<uuid:pk>/", agent.AgentPage.as_view(), name="agent"),
]
