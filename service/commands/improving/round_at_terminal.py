"""A round of improvement as a terminal shows it: the training is a job, which others can see."""

from contextlib import closing

from rich.console import Console

from data.wording import _
from service.commands.jobs.terminal import TerminalJob
from service.commands.opening import state_of
from service.commands.streams import say
from service.commands.views.progress import TerminalObserver
from service.improving.improvement import Improvement
from service.improving.overriding import override
from service.jobs.desk import Desk
from service.settings import ServiceSettings

from .view import print_outcome, print_plan


def go_on(
    settings: ServiceSettings,
    adapter: str,
    reason: str | None,
    share: int | None,
    *,
    dry_run: bool,
) -> None:
    """Promote the last candidate where there is a reason to override; say what would be done; or
    do it."""
    observer = TerminalObserver(Console(stderr=True))
    seen = TerminalJob(settings.home, observer, lambda: state_of(settings))
    with closing(state_of(settings)) as state:
        place = Desk(settings.home).place
        if reason is not None:
            promoted = override(settings.home, state, place, adapter, reason)
            say(_("{version} is promoted.").format(version=promoted))
            return
        work = Improvement(settings.home, state, place, adapter, seen, seen=seen, share=share)
        if dry_run:
            print_plan(work.plan(), Console(highlight=False))
        else:
            with observer.watching():
                outcome = work.execute()
            print_outcome(outcome, Console(highlight=False))
