from django.urls import path

from payroll.web import analytics, cycles, payslips, views

urlpatterns = [
    path("leaderboard/", views.Leaderboard.as_view(), name="leaderboard"),
    path("ledger/", views.Ledger.as_view(), name="ledger"),
    path("ledger/transfer/", views.Transfer.as_view(), name="transfer"),
    path("ledger/<uuid:pk>/", views.TransactionPage.as_view(), name="transaction"),
    path("ledger/<uuid:pk>/reverse/", views.Reverse.as_view(), name="reverse"),
    path("agents/<uuid:pk>/award/", views.Award.as_view(), name="award"),
    path("agents/<uuid:pk>/evaluate/", views.Evaluate.as_view(), name="evaluate"),
    path("payroll/", cycles.CycleList.as_view(), name="pay-cycles"),
    path("payroll/analytics/", analytics.Analytics.as_view(), name="payroll-analytics"),
    path("payroll/cycles/new/", cycles.NewCycle.as_view(), name="pay-cycle-new"),
    path("payroll/cycles/<uuid:pk>/", cycles.CyclePage.as_view(), name="pay-cycle"),
    path(
        "payroll/cycles/<uuid:pk>/<slug:step>/",
        cycles.TakeStep.as_view(),
        name="pay-cycle-step",
    ),
    path("agents/<uuid:pk>/payslips/", payslips.AgentPayslips.as_view(), name="agent-payslips"),
    path("payroll/payslips/<uuid:pk>/", payslips.PayslipPage.as_view(), name="payslip"),
]
