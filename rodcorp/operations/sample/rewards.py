"""Awards, corrections and judgements of the sample company, besides what its tasks paid."""

from rodcorp.operations.sample.script import (
    SampleAward,
    SampleEvaluation,
    SampleReversal,
    SampleTransfer,
    at,
)

AWARDS = (
    SampleAward("welcome-ada", "Ada", at(0, "09:00"), 20, "bonus", "Setting up the platform team"),
    SampleAward("welcome-dalia", "Dalia", at(0, "09:00"), 20, "bonus", "Setting up product"),
    SampleAward("welcome-goro", "Goro", at(0, "09:00"), 20, "bonus", "Setting up the data team"),
    SampleAward("welcome-jonas", "Jonas", at(0, "09:00"), 20, "bonus", "Setting up quality"),
    SampleAward(
        "pairing-kaya",
        "Kaya",
        at(3, "16:10"),
        8,
        "earned",
        "Paired with Freya on the browser tests",
    ),
    SampleAward(
        "incident-chidi",
        "Chidi",
        at(5, "10:00"),
        30,
        "bonus",
        "Calm hands in Friday's planner incident",
    ),
    SampleAward(
        "incident-bram",
        "Bram",
        at(5, "10:05"),
        15,
        "bonus",
        "Found the missing index at half past six",
    ),
    SampleAward("demo-freya", "Freya", at(8, "15:00"), 10, "earned", "Demo for the customer desk"),
    SampleAward(
        "demo-freya-again",
        "Freya",
        at(8, "15:02"),
        10,
        "earned",
        "Demo for the customer desk",
    ),
    SampleAward(
        "compute-emre",
        "Emre",
        at(10, "11:20"),
        6,
        "deduction",
        "Map tiles bought outside the team's budget",
    ),
    SampleAward(
        "translation-jonas",
        "Jonas",
        at(11, "13:00"),
        12,
        "earned",
        "Read the German texts of the tracking page",
    ),
    SampleAward(
        "rounding-hana",
        "Hana",
        at(12, "09:15"),
        3,
        "adjustment",
        "Rounding of October's hours, settled",
    ),
    SampleAward(
        "forecast-ines",
        "Ines",
        at(15, "16:40"),
        35,
        "bonus",
        "Forecast v2: a fifth fewer calls to the customer desk",
    ),
    SampleAward("forecast-goro", "Goro", at(15, "16:41"), 20, "bonus", "Forecast v2: the features"),
    SampleAward(
        "mentoring-dalia", "Dalia", at(17, "10:30"), 15, "earned", "Mentoring Freya, two weeks"
    ),
)

REVERSALS = (SampleReversal("demo-freya-again", at(8, "15:20"), "The demo was entered twice"),)

TRANSFERS = (
    SampleTransfer(
        "goro-hana",
        "Goro",
        "Hana",
        at(9, "17:05"),
        10,
        "Half of the calendar work was yours",
    ),
    SampleTransfer(
        "bram-lev", "Bram", "Lev", at(16, "11:45"), 12, "For the review of the retry policy"
    ),
)

EVALUATIONS = (
    SampleEvaluation(
        "Chidi",
        "Ada",
        at(5, "11:00"),
        "4.60",
        "Kept the incident channel short and factual, and wrote down what he tried.",
    ),
    SampleEvaluation(
        "Bram",
        "Ada",
        at(5, "11:10"),
        "4.30",
        "Fast diagnosis. The fix came without a test at first; it has one now.",
    ),
    SampleEvaluation(
        "Freya",
        "Dalia",
        at(6, "15:00"),
        "3.90",
        "Texts are clear and kind. Components still need a second look at edge cases.",
    ),
    SampleEvaluation(
        "Emre",
        "Dalia",
        at(9, "16:30"),
        "3.40",
        "Good instincts, too many things started at once. The tiles change was not agreed.",
    ),
    SampleEvaluation(
        "Hana", "Goro", at(10, "14:00"), "4.40", "The partitions went in without a minute's outage."
    ),
    SampleEvaluation(
        "Ines",
        "Goro",
        at(10, "14:20"),
        "4.80",
        "The backtest convinced people who did not want to be convinced.",
    ),
    SampleEvaluation(
        "Kaya",
        "Jonas",
        at(11, "10:00"),
        "4.00",
        "Finds the cause, not just the flake. Reports could be shorter.",
    ),
    SampleEvaluation(
        "Lev",
        "Jonas",
        at(11, "10:20"),
        "3.70",
        "Careful reviews. Should say sooner when something is too large for one pass.",
    ),
    SampleEvaluation(
        "Ada",
        "Chidi",
        at(11, "16:00"),
        "4.70",
        "Decides, explains why, and changes her mind when the numbers say so.",
    ),
    SampleEvaluation(
        "Dalia", "Jonas", at(12, "11:00"), "4.60", "The keyboard works everywhere. That is rare."
    ),
    SampleEvaluation(
        "Goro",
        "Ines",
        at(12, "15:30"),
        "4.10",
        "Strong on features, patient in review. Announcements come late.",
    ),
    SampleEvaluation(
        "Jonas",
        "Dalia",
        at(13, "09:30"),
        "4.30",
        "Bug reports one can act on without asking back.",
    ),
    SampleEvaluation(
        "Chidi", "Bram", at(15, "17:00"), "4.20", "The runbook got me through a night alone."
    ),
    SampleEvaluation(
        "Emre",
        "Jonas",
        at(16, "12:00"),
        "3.80",
        "Bulk reassign arrived with tests for the awkward cases. Keep that.",
    ),
    SampleEvaluation(
        "Ines",
        "Hana",
        at(16, "14:10"),
        "4.60",
        "Explains a model so that I can say no to it.",
    ),
    SampleEvaluation(
        "Freya", "Kaya", at(17, "09:50"), "4.30", "Asked for a pair before it was urgent. Good."
    ),
    SampleEvaluation(
        "Bram",
        "Lev",
        at(16, "13:40"),
        "4.50",
        "Took the review of his retry policy as help, which it was.",
    ),
    SampleEvaluation(
        "Kaya",
        "Freya",
        at(18, "10:15"),
        "4.40",
        "The flaky test has been green for two weeks.",
    ),
)
