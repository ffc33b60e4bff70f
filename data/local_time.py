"""Points in time as people read them: where they are, and with how far that is from UTC."""

from datetime import datetime


def local_time(moment: datetime | float) -> str:
    """2026-01-31 14:05+08:00, of a time with its zone, or of [seconds] since 1970."""
    if isinstance(moment, (int, float)):
        moment = datetime.fromtimestamp(moment).astimezone()
    return moment.astimezone().isoformat(sep=" ", timespec="minutes")
