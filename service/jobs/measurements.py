"""What was measured at single steps of a job, out of all that was told of it."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from service.state.database import State
from service.state.tables import JOB_EVENTS


class Measurements:
    """Asks the database, so call from threads. Raises StateUnavailable where it does not answer."""

    def __init__(self, state: State) -> None:
        self._state = state

    def at(self, job_id: str, steps: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Each step with what was told of it; without those that nothing was told of."""
        keys = [f"step-{step}" for step in steps]
        asked = select(JOB_EVENTS.c.data).where(
            JOB_EVENTS.c.job_id == job_id, JOB_EVENTS.c.key.in_(keys)
        )
        with self._state.begin() as connection:
            told = connection.execute(asked).scalars().all()
        return {data["step"]: data for data in told if data is not None}
