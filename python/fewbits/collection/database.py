"""The SQLite file of a collection: its tables, its connections, and transactions that read or write.

The tables: `settings`; `state`, one row that every change advances; `items`, the keys with documents and metadata;
`columns`, the types of the metadata; and the log since the index file was written: `pending`, batches of vectors to add
to it, and `removed`, ids to remove from it. Ids of items are never used twice.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CorruptIndexError

FORMAT = 1
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value);
CREATE TABLE state (version INTEGER NOT NULL, generation INTEGER NOT NULL);
CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, key UNIQUE NOT NULL, document);
CREATE TABLE columns (position INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, kind TEXT NOT NULL);
CREATE TABLE pending (last_id INTEGER PRIMARY KEY, n INTEGER NOT NULL, ids BLOB NOT NULL, vectors BLOB NOT NULL);
CREATE TABLE removed (number INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL);
INSERT INTO state VALUES (0, 0);
"""
_INCREMENTAL = 2  # as PRAGMA auto_vacuum reports it
_WAIT = 60.0  # seconds, for another writer
_CHECKPOINT = 8192  # pages of the write-ahead log, 32 MiB, after which it goes into the file
_inherited: list[sqlite3.Connection] = []  # of the parent of a fork: neither used nor closed here


class Database:
    """Connections to one file. Each transaction has one of its own, so that threads do not wait for each other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.closed = False
        self._renew()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one state of the file."""
        with self._transaction("BEGIN", "ROLLBACK") as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer runs beside; it is committed at the end, if nothing was raised."""
        with self._transaction("BEGIN IMMEDIATE", "COMMIT") as connection:
            yield connection

    def close(self) -> None:
        self.closed = True
        while self._idle:
            self._idle.pop().close()

    def shrink(self) -> None:
        """Gives the pages that nothing uses back to the file system, as far as no reader needs them."""
        connection = self._take()
        try:
            if connection.execute("PRAGMA auto_vacuum").fetchone() == (_INCREMENTAL,):
                connection.executescript("PRAGMA incremental_vacuum")  # `execute` makes one step, which frees a page
            else:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # from the next VACUUM on
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.DatabaseError):
                raise _explained(error, self._path) from error
            raise
        self._idle.append(connection)

    @contextmanager
    def _transaction(self, begin: str, end: str) -> Iterator[sqlite3.Connection]:
        connection = self._take()
        try:
            connection.execute(begin)
            yield connection
            connection.execute(end)
        except BaseException as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.close()
            if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                raise _explained(error, self._path) from error
            raise
        self._idle.append(connection)

    def _take(self) -> sqlite3.Connection:
        if self.closed:
            raise ValueError("this collection is closed")
        if os.getpid() != self._pid:
            _inherited.extend(self._idle)
            self._renew()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._idle: list[sqlite3.Connection] = []
        self.lock = threading.Lock()
        self.deriving = threading.RLock()  # for work of seconds, which others need not wait for

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            if connection.execute("PRAGMA page_count").fetchone() == (0,):  # a new file
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise _explained(error, self._path) from error
        return connection


def has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def create_tables(connection: sqlite3.Connection) -> bool:
    """Makes the tables of a new collection, within a transaction; False if there are tables."""
    if has_tables(connection):
        return False
    for statement in filter(str.strip, _SCHEMA.split(";")):
        connection.execute(statement)
    connection.execute("INSERT INTO settings VALUES ('format', ?)", [FORMAT])
    return True


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    try:
        (found,) = connection.execute("SELECT value FROM settings WHERE name = 'format'").fetchone() or (None,)
    except sqlite3.DatabaseError as error:
        raise CorruptIndexError(f"{path}: expected the database of a collection ({error})") from None
    if found != FORMAT:
        raise CorruptIndexError(f"{path}: expected a collection of format {FORMAT}, got {found!r}")


def _explained(error: sqlite3.DatabaseError, path: Path) -> Exception:
    if "locked" in str(error) or "busy" in str(error):
        return TimeoutError(f"{path}: another process has been changing this collection for {_WAIT:.0f} s")
    if isinstance(error, sqlite3.OperationalError):
        return OSError(f"{path}: {error}")
    return CorruptIndexError(f"{path}: expected the database of a collection ({error})")
