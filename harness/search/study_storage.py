"""Where a study lies: a SQLite file beside the results, or any database that SQLAlchemy opens."""

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Resumable, UsageError
from harness.store.urls import plain, shown

if TYPE_CHECKING:
    import optuna

FILE = "study.db"
PATIENCE = 60  # seconds that a reader such as a dashboard may keep SQLite from us
BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}  # where the address names none


def address(given: str, folder: Path) -> str:
    """Return SQLAlchemy's address of a study: the given one, else that of the file in ``folder``; see `plain`."""
    scheme, separator, rest = given.partition("://")
    if given and not separator:
        raise UsageError(f"storage: {given!r} is not an address such as postgresql://user@host/name")
    return plain(f"{DRIVERS.get(scheme, scheme)}://{rest}" if given else f"sqlite:///{(folder / FILE).absolute()}")


def open_storage(url: str, warn: Callable[[str], None]) -> "optuna.storages.RDBStorage":
    """Open or create the database; a damaged file is set aside and told to ``warn``. UsageError where it cannot be.

    Only for the one process that writes the study.
    """
    place = _file(url)
    if place is None:
        return _connect(url, pool_pre_ping=True)
    try:
        _prepare(place, warn)
    except OSError as error:
        raise UsageError(f"storage {place}: cannot be opened: {error.strerror or error}") from error
    storage = _connect(url, connect_args={"timeout": PATIENCE})
    _hurry(storage.engine)
    return storage


@contextmanager
def told(url: str) -> Iterator[None]:
    """Turn a database's failure into one line; what is finished is in the store already."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = _first_line(error.__cause__ or error)
        raise Resumable(f"the study at {shown(url)} cannot be used: {reason}; the same command resumes") from error


def _connect(url: str, **options: Any) -> "optuna.storages.RDBStorage":
    import optuna
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        needed = "; pip install 'harness[postgresql]' brings it" if url.startswith("postgresql+psycopg:") else ""
        raise UsageError(f"storage {shown(url)}: its driver is missing: {_first_line(error)}{needed}") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"storage {shown(url)}: not an address of a database: {_first_line(error)}") from error
    except (SQLAlchemyError, RuntimeError) as error:  # RuntimeError: tables of another Optuna version
        raise UsageError(f"storage {shown(url)}: cannot be opened: {_first_line(error.__cause__ or error)}") from error


def _file(url: str) -> Path | None:
    """Return the file of a SQLite address."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def _prepare(place: Path, warn: Callable[[str], None]) -> None:
    """Set a damaged file aside; create one where there is none."""
    place.parent.mkdir(parents=True, exist_ok=True)
    problem = _problem(place)
    if problem:
        aside = place.with_name(f"{place.name}.broken-{time.time_ns()}")
        place.rename(aside)
        place.with_name(f"{place.name}-journal").unlink(missing_ok=True)
        warn(f"{place} was damaged ({problem}); it is set aside as {aside.name} and made again from the records")
    if not place.exists():
        _create(place)


def _problem(place: Path) -> str:
    """Return what is wrong with a database file, nothing where it is whole or not there."""
    if not place.exists():
        return ""
    try:
        with closing(sqlite3.connect(place, timeout=PATIENCE)) as database:
            found = database.execute("PRAGMA quick_check").fetchone()[0]
            if found != "ok":
                return str(found).splitlines()[-1]
            database.execute("SELECT count(*) FROM studies")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in BROKEN or "no such table" in str(error):
            return str(error)
        raise UsageError(f"{place}: cannot be read: {error}") from error
    return ""


def _create(place: Path) -> None:
    """Create the tables under another name, then rename: a file that is there has all of them."""
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".study-") as folder:
        draft = Path(folder) / place.name
        storage = _connect(f"sqlite:///{draft}")
        storage.remove_session()
        storage.engine.dispose()
        draft.replace(place)


def _hurry(engine: Any) -> None:
    """Let SQLite not wait for the disk: a power cut may cost the study, which is made again from the records."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    engine.dispose()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
