from django.urls import path

from agents.web import threads, views

urlpatterns = [
    path("agents/", views.AgentList.as_view(), name="agents"),
    path("agents/new/", views.NewAgent.as_view(), name="agent-new"),
    path("agents/<uuid:pk>/edit/", views.EditAgent.as_view(), name="agent-edit"),
    path("agents/<uuid:pk>/retire/", views.RetireAgent.as_view(), name="agent-retire"),
    path("discussions/", threads.ThreadList.as_view(), name="discussions"),
    path("discussions/new/", threads.NewThread.as_view(), name="thread-new"),
    path("discussions/<uuid:pk>/", threads.Thread.as_view(), name="thread"),
    path("discussions/<uuid:pk>/acknowledge/", threads.Acknowledge.as_view(), name="acknowledge"),
]
