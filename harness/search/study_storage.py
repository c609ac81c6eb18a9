"""The database of a study: a SQLite file beside the results, or any database that SQLAlchemy opens."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Resumable, UsageError, shorten
from harness.store.urls import check_sqlite_path, hide_password, sqlite_path

if TYPE_CHECKING:
    import optuna

FILE = "study.db"
PATIENCE = 60  # seconds to wait while a reader such as a dashboard locks the SQLite file
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}  # for addresses without a driver


def storage_url(url: str, folder: Path) -> str:
    """Return a study's address for SQLAlchemy, for "" that of the file in ``folder``; UsageError if it is not valid."""
    scheme, separator, rest = url.partition("://")
    if url and not separator:
        raise UsageError(f"storage: {url!r} is not an address such as postgresql://user@host/name")
    full = f"{DRIVERS.get(scheme, scheme)}://{rest}" if url else f"sqlite:///{(folder / FILE).absolute()}"
    return check_sqlite_path(full)


def open_storage(url: str, warn: Callable[[str], None]) -> "optuna.storages.RDBStorage":
    """Open or create the database; set a damaged file aside and warn. Raises UsageError if it cannot be opened.

    Only the one process that writes the study may call it.
    """
    path = sqlite_path(url)
    if path is None:
        return _connect(url, pool_pre_ping=True)
    try:
        _prepare_file(path, warn)
    except OSError as error:
        raise UsageError(f"storage {path}: cannot be opened: {error.strerror or error}") from error
    storage = _connect(url, connect_args={} if "timeout=" in url else {"timeout": PATIENCE})
    _disable_disk_sync(storage.engine)
    return storage


@contextmanager
def resumable_errors(url: str) -> Iterator[None]:
    """Raise a failure of the database as Resumable, in one line; finished trials are already in the store."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = _first_line(error.__cause__ or error)
        raise Resumable(f"the study at {hide_password(url)} cannot be used: {reason}; "
                        f"the same command resumes") from error


def _connect(url: str, **options: Any) -> "optuna.storages.RDBStorage":
    import optuna
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = f"storage {hide_password(url)}"
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        needed = "; pip install -e '.[postgresql]' brings it" if url.startswith("postgresql+psycopg:") else ""
        raise UsageError(f"{place}: its driver is missing: {_first_line(error)}{needed}") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"{place}: not an address of a database: {_first_line(error)}") from error
    except (SQLAlchemyError, RuntimeError) as error:  # RuntimeError: tables of another Optuna version
        raise UsageError(f"{place}: cannot be opened: {_first_line(error.__cause__ or error)}") from error


def _prepare_file(path: Path, warn: Callable[[str], None]) -> None:
    """Set a damaged file aside; create the file if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    damage = _damage(path)
    if damage:
        aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
        path.rename(aside)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        warn(f"{path} was damaged ({damage}); it is set aside as {aside.name} and rebuilt from the records")
    if not path.exists():
        _create(path)


def _damage(path: Path) -> str:
    """Return a description of the damage to a database file, "" if it is whole or missing."""
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
            result = database.execute("PRAGMA quick_check").fetchone()[0]
            if result != "ok":
                return str(result).splitlines()[-1]
            database.execute("SELECT count(*) FROM studies")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in DAMAGED or "no such table" in str(error):
            return str(error)
        raise UsageError(f"{path}: cannot be read: {error}") from error
    return ""


def _create(path: Path) -> None:
    """Create the tables in a temporary file and rename it: a file under the final name has all tables."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".study-") as folder:
        draft = Path(folder) / path.name
        storage = _connect(f"sqlite:///{draft}")
        storage.remove_session()
        storage.engine.dispose()
        draft.replace(path)


def _disable_disk_sync(engine: Any) -> None:
    """Let SQLite write without waiting for the disk; a study lost in a power cut is rebuilt from the records."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    engine.dispose()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {shorten(lines[0], 200)}" if lines else type(error).__name__
