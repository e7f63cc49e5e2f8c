from django.urls import path

from rodcorp.console import agent, conflicts, databases, home

urlpatterns = [
    path("", home.Home.as_view(), name="home"),
    path("agents/<uuid:pk>/", agent.AgentPage.as_view(), name="agent"),
    path("databases/", databases.Databases.as_view(), name="databases"),
    path("databases/conflicts/", conflicts.ConflictList.as_view(), name="conflicts"),
    path("databases/conflicts/<uuid:pk>/", conflicts.ConflictPage.as_view(), name="conflict"),
]
