"""A real PostgreSQL for as long as the tests run: in a temporary folder, on a Unix socket alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

HOME = Path("/usr/lib/postgresql")  # Debian's, by version
USER = "tester"
# Nothing that it writes has to survive.
OPTIONS = "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c max_connections=40"


class PostgresMissing(Exception):
    """There is no PostgreSQL that could be started here; says why."""


@contextmanager
def running_postgres() -> Generator[Callable[[], str]]:
    """Yields what makes an empty database and returns its URL. Raises PostgresMissing."""
    programs = _find_programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    account = _account()
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    data = folder / "data"
    try:
        _call(account, programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8")
        options = f"{OPTIONS} -c unix_socket_directories={folder}"
        log = folder / "log"
        _call(account, programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            yield lambda: _new_database(folder)
        finally:
            _call(account, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def _find_programs() -> Path:
    found = [path.parent for path in HOME.glob("*/bin/initdb")]
    if not found:
        raise PostgresMissing(f"no PostgreSQL below {HOME}; try: apt-get install postgresql")
    return max(found, key=lambda path: int(path.parent.name))


def _account() -> pwd.struct_passwd | None:
    """Whom to run it as; None: as we are. It refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = names.get("postgres") or names.get("nobody")
    if account is None:
        raise PostgresMissing("PostgreSQL does not run as root, and there is no other user")
    return account


def _call(account: pwd.struct_passwd | None, *command: str | Path) -> None:
    result = subprocess.run(
        [str(part) for part in command],
        cwd="/",
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else (),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    if result.returncode:
        raise PostgresMissing(f"{Path(command[0]).name} fails: {result.stderr.strip()}")


def _new_database(folder: Path) -> str:
    name = f"test_{uuid4().hex}"
    server = psycopg.connect(host=str(folder), user=USER, dbname="postgres", autocommit=True)
    with closing(server):
        server.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://{USER}@/{name}?host={folder}"
