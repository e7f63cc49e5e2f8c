from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("rodcorp.console.urls")),
    path("", include("agents.web.urls")),
    path("", include("tasks.web.urls")),
    path("", include("payroll.web.urls")),
    path("admin/", admin.site.urls),
]
