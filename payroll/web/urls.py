from django.urls import path

from payroll.web import views

urlpatterns = [
    path("leaderboard/", views.Leaderboard.as_view(), name="leaderboard"),
    path("ledger/", views.Ledger.as_view(), name="ledger"),
    path("ledger/transfer/", views.Transfer.as_view(), name="transfer"),
    path("ledger/<uuid:pk>/", views.TransactionPage.as_view(), name="transaction"),
    path("ledger/<uuid:pk>/reverse/", views.Reverse.as_view(), name="reverse"),
    path("agents/<uuid:pk>/award/", views.Award.as_view(), name="award"),
    path("agents/<uuid:pk>/evaluate/", views.Evaluate.as_view(), name="evaluate"),
]
