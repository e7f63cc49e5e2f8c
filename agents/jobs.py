from datetime import timedelta

from agents.services.presence import sweep_liveness
from rodcorp.actors import Actor
from rodcorp.kit.jobs import job


@job("agents.sweep_liveness", every=timedelta(minutes=1))
def sweep() -> int:
    """Notice who fell silent and who came back."""
    return sweep_liveness(actor=Actor.system("liveness sweep"))
