"""The sample company: who works there. It makes software for a parcel carrier: Atlas plans the
vans' routes, Lighthouse tells customers where their parcel is."""

from datetime import datetime

from agents.services.registry import AgentDetails, NewAgent
from rodcorp.operations.sample.script import Salary, SampleBonusRule, at

ATLAS = "atlas"
LIGHTHOUSE = "lighthouse"

# Names and addresses reserved for documentation (RFC 5737, RFC 3849).
_FORGE = ("forge-01", "192.0.2.11")
_ANVIL = ("anvil-02", "192.0.2.12")
_HARBOUR = ("harbour-01", "2001:db8::21")


def _agent(
    name: str, project: str, team: str, host: tuple[str, str], port: int, **details: object
) -> NewAgent:
    hostname, address = host
    return NewAgent(
        name,
        project,
        AgentDetails(
            team=team,
            machine_hostname=hostname,
            machine_ip=address,
            communication_port=port,
            **details,  # type: ignore[typeddict-item]
        ),
    )


# Team by team, in the order they joined.
TEAMS: tuple[tuple[datetime, tuple[NewAgent, ...]], ...] = (
    (
        at(-6, "08:30"),
        (
            _agent(
                "Ada",
                ATLAS,
                "Platform",
                _FORGE,
                8888,
                role="Platform lead",
                ai_model="claude",
                personality="INTJ-D",
                specialization="Route planning, queues, architecture",
                seniority="principal",
                skills={"Python": 9, "PostgreSQL": 8, "Architecture": 10, "Go": 6},
            ),
            _agent(
                "Bram",
                ATLAS,
                "Platform",
                _FORGE,
                8889,
                role="Backend engineer",
                ai_model="codex",
                personality="ISTP-C",
                specialization="Integrations, exports, retries",
                seniority="senior",
                skills={"Python": 8, "Go": 8, "PostgreSQL": 7, "Kafka": 6},
            ),
            _agent(
                "Chidi",
                ATLAS,
                "Platform",
                _ANVIL,
                8888,
                role="Reliability engineer",
                ai_model="qwen",
                personality="ISTJ-S",
                specialization="Monitoring, incidents, capacity",
                seniority="mid",
                skills={"Monitoring": 8, "Linux": 8, "Python": 6, "Terraform": 5},
            ),
        ),
    ),
    (
        at(-5, "09:10"),
        (
            _agent(
                "Dalia",
                ATLAS,
                "Product",
                _HARBOUR,
                8888,
                role="Product lead, dispatch board",
                ai_model="claude",
                personality="ENFJ-I",
                specialization="Interface design, accessibility",
                seniority="senior",
                skills={"TypeScript": 9, "Accessibility": 8, "CSS": 9, "User research": 7},
            ),
            _agent(
                "Emre",
                ATLAS,
                "Product",
                _HARBOUR,
                8889,
                role="Full-stack engineer",
                ai_model="gemini",
                personality="ENTP-I",
                specialization="Dispatch board, driver app",
                seniority="mid",
                skills={"TypeScript": 7, "Python": 6, "Maps": 6},
            ),
            _agent(
                "Freya",
                LIGHTHOUSE,
                "Product",
                _HARBOUR,
                8890,
                role="Frontend engineer, tracking page",
                ai_model="codex",
                personality="INFP-S",
                specialization="Tracking page, plain language",
                seniority="junior",
                skills={"TypeScript": 5, "CSS": 6, "Writing": 7},
            ),
        ),
    ),
    (
        at(-4, "10:00"),
        (
            _agent(
                "Goro",
                LIGHTHOUSE,
                "Data",
                _ANVIL,
                8889,
                role="Data lead",
                ai_model="qwen",
                personality="INTP-C",
                specialization="Delivery forecasts, feature engineering",
                seniority="senior",
                skills={"Forecasting": 9, "SQL": 8, "Python": 8},
            ),
            _agent(
                "Hana",
                LIGHTHOUSE,
                "Data",
                _ANVIL,
                8890,
                role="Data engineer",
                ai_model="gemini",
                personality="ISFJ-S",
                specialization="Scan events, nightly imports",
                seniority="mid",
                skills={"SQL": 9, "Python": 6, "Kafka": 7},
            ),
            _agent(
                "Ines",
                LIGHTHOUSE,
                "Data",
                _ANVIL,
                8891,
                role="Machine-learning engineer",
                ai_model="claude",
                personality="INTJ-C",
                specialization="Model evaluation, drift, calibration",
                seniority="mid",
                skills={"Forecasting": 8, "Python": 8, "Statistics": 9},
            ),
        ),
    ),
    (
        at(-3, "09:40"),
        (
            _agent(
                "Jonas",
                ATLAS,
                "Quality",
                _FORGE,
                8890,
                role="Quality lead",
                ai_model="claude",
                personality="ISTJ-C",
                specialization="Exploratory testing, accessibility, German addresses",
                seniority="senior",
                skills={"Testing": 9, "Accessibility": 7, "German": 10, "Python": 6},
            ),
            _agent(
                "Kaya",
                LIGHTHOUSE,
                "Quality",
                _FORGE,
                8891,
                role="Test engineer",
                ai_model="codex",
                personality="ESTP-D",
                specialization="Browser tests, load tests",
                seniority="mid",
                skills={"Testing": 8, "TypeScript": 6, "Load testing": 7},
            ),
            _agent(
                "Lev",
                LIGHTHOUSE,
                "Quality",
                _FORGE,
                8892,
                role="Security reviewer",
                ai_model="qwen",
                personality="INFJ-C",
                specialization="Web security, key management",
                seniority="junior",
                skills={"Security": 6, "Python": 5, "Cryptography": 5},
            ),
        ),
    ),
)

# Set aside towards the end of the story, while its model is being replaced.
OUT_OF_SERVICE = ("Lev", at(16, "15:30"))

# How many minutes before the story's end each was heard of last.
SILENT_FOR = {
    "Ada": 0,
    "Bram": 2,
    "Chidi": 1,
    "Dalia": 4,
    "Emre": 7,
    "Freya": 3,
    "Goro": 0,
    "Hana": 5,
    "Ines": 1,
    "Jonas": 9,
    "Kaya": 2,
    "Lev": 2 * 24 * 60 + 85,
}

# By seniority level: the base salary and the multiplier of who has no salary of their own.
PAY_SCALES = {
    "junior": (60, "1.00"),
    "mid": (90, "1.10"),
    "senior": (120, "1.25"),
    "principal": (150, "1.50"),
}

# From a rating on, by what it multiplies the salary.
PERFORMANCE_BANDS = {"0.00": "0.95", "3.00": "1.00", "3.30": "1.05", "4.00": "1.10"}

# What was agreed with somebody in person; the others are paid by their level.
SALARIES = {
    "Ada": Salary(150, bonus=25),
    "Bram": Salary(120, "1.25", "1.05"),
    "Chidi": Salary(95, bonus=15),
    "Dalia": Salary(120, performance="1.10", bonus=10),
    "Emre": Salary(90, "1.10", "0.95"),
    "Goro": Salary(120, "1.25", "1.00", 10),
    "Ines": Salary(90, "1.15", bonus=20),
    "Lev": Salary(60, "1.00", "0.95"),
}

BONUS_RULES = (
    SampleBonusRule("Freya", "fixed", "Language course", 5),
    SampleBonusRule("Hana", "per_task", "Finished tasks", 2),
    SampleBonusRule("Jonas", "rating", "Praised work", 12, threshold="3.50"),
)
