from django.urls import path

from tasks.web import views

urlpatterns = [
    path("tasks/", views.TaskList.as_view(), name="tasks"),
    path("tasks/new/", views.NewTask.as_view(), name="task-new"),
    path("tasks/<uuid:pk>/", views.TaskPage.as_view(), name="task"),
    path("tasks/<uuid:pk>/move/", views.MoveTask.as_view(), name="task-move"),
    path("tasks/<uuid:pk>/assign/", views.AssignTask.as_view(), name="task-assign"),
    path("tasks/<uuid:pk>/edit/", views.EditTask.as_view(), name="task-edit"),
]
