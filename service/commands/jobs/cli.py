"""`lora-chat jobs`: fine-tuning jobs that wait, run or have ended, of terminals and of the API."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from data.wording import _
from service.commands.group import Commands
from service.commands.opening import settings_of, state_of
from service.commands.streams import say
from service.options import (
    ConfigOption,
    DatabaseOption,
    HomeOption,
    JsonOption,
    ServerKeyOption,
    ServerOption,
)

if TYPE_CHECKING:
    from .home_jobs import HomeJobs

jobs_app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="List, follow and steer fine-tuning jobs.\n\n"
    "Each training is a job, whether a server was asked for it or somebody types it in a terminal. "
    "With a server on this home or without, these commands see the same jobs.",
    epilog="Example: `lora-chat jobs list`",
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `jobs list` shows it.")]


@jobs_app.command("list", epilog="Example: `lora-chat jobs list`")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 20,
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """List the jobs: how far they are, and whose."""
    from service.commands.views.jobs import print_jobs

    with _opened(home, database, config) as here:
        here.look()
        found = here.jobs.newest(limit=limit)
        print_jobs(found, here.key_names(), Console(), wants_json=wants_json)
        is_stuck = any(job.is_waiting for job in found) and not here.is_served
    if is_stuck and not wants_json:
        told = _(
            "No server sees to the jobs of this home, so what waits does not begin by itself: "
            "`lora-chat serve` takes up all of it, `lora-chat jobs resume JOB` one job."
        )
        say(told, err=True)


@jobs_app.command(epilog="Example: `lora-chat jobs show ftjob-0123456789ab`")
def show(
    job_id: JobId,
    wants_json: JsonOption = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Show all that is known of a job.

    That is settings, files, times, its error, its folder.
    """
    from service.commands.views.jobs import print_job

    with _opened(home, database, config) as here:
        here.look()
        job = here.jobs.find(job_id)
        print_job(
            job,
            here.key_names(),
            here.file_names(job),
            here.home,
            Console(),
            wants_json=wants_json,
        )


@jobs_app.command(epilog="Example: `lora-chat jobs follow ftjob-0123456789ab`")
def follow(
    job_id: JobId,
    server: ServerOption = None,
    key: ServerKeyOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Show how a job goes until it ends.

    It may be one of this home or of a server elsewhere. Ctrl-C stops this, not the job. The exit
    code is 0 if the job succeeds, and 1 if not.
    """
    console = Console(stderr=True)
    if server is not None:
        from .remote import follow_there

        follow_there(server, key, job_id, console)
        return
    from .local import follow_here

    with _opened(home, database, config) as here:
        follow_here(here, job_id, console)


@jobs_app.command(epilog="Example: `lora-chat jobs cancel ftjob-0123456789ab`")
def cancel(
    job_id: JobId,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """End a job and remove what it has made.

    A training in a terminal ends when the step that it is at is done.
    """
    with _opened(home, database, config) as here:
        here.actions.cancel(job_id)
        here.clear(job_id)
    typer.echo(_("The job {id} is cancelled.").format(id=job_id))


@jobs_app.command(epilog="Example: `lora-chat jobs pause ftjob-0123456789ab`")
def pause(
    job_id: JobId,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Let a job save what it has trained, and wait.

    It leaves memory when the step that it is at is done.
    """
    with _opened(home, database, config) as here:
        here.actions.pause(job_id)
    told = _("The job {id} is paused. It goes on with: lora-chat jobs resume {id}")
    typer.echo(told.format(id=job_id))


@jobs_app.command(epilog="Example: `lora-chat jobs resume ftjob-0123456789ab`")
def resume(
    job_id: JobId,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    home: HomeOption = None,
) -> None:
    """Go on with a job that is paused.

    One that failed after something was saved goes on, too. Where no server sees to the jobs of this
    home, the job is started here and now, in the background, and so is one that waits.
    """
    with _opened(home, database, config) as here:
        here.look()
        say(here.resume(job_id))


@contextmanager
def _opened(home: Path | None, database: str | None, config: Path | None) -> "Generator[HomeJobs]":
    from .home_jobs import HomeJobs

    settings = settings_of(home, database, config)
    with closing(state_of(settings)) as state:
        yield HomeJobs(state, settings)
