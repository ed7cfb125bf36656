"""What is left of the data when a disk or a node dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config.quantities import MIB, about
from prefork.doctor.verdict import Finding, check, failed, passed, warned

if TYPE_CHECKING:
    from prefork.doctor.evidence import Database

BEHIND, LOST = 16 * MIB, 256 * MIB
STALE = 60.0  # seconds
WEEK = 8 * 86_400.0


@check(
    "log-archived",
    why="Without an archive of the log there is no way back to the minute before a mistake, only to the last dump",
    source="Enterprise, layer 4: WAL archive + continuous PITR backup",
)
def archived(database: Database) -> Finding:
    """Whether PostgreSQL archives its log, and whether that works."""
    if database.standby_of is not None:
        return passed("this is a standby, its primary archives")
    command = database.settings.get("archive_command", "(not ours to see)") or database.settings.get("archive_library")
    if database.settings.get("archive_mode", "off") == "off" or not command:
        fix = "ALTER SYSTEM SET archive_mode = on;    -- needs a restart\n"
        return warned(
            "nothing archives the log of changes",
            f"{fix}ALTER SYSTEM SET archive_command = 'pgbackrest --stanza=site archive-push %p';",
        )
    if database.archived is False:
        return failed(
            "the last attempt to archive the log has failed", "SELECT last_failed_wal, last_failed_time FROM pg_stat_archiver;"
        )
    return passed("the log of changes is archived")


@check(
    "backup-recent",
    why="Everything since the last backup has to be replayed, if it can be at all",
    source="Enterprise, layer 4: continuous PITR backup",
)
def backup(database: Database) -> Finding | None:
    """The end of the last base backup, as the server remembers it. Not every account may ask for it."""
    fix = "pgbackrest --stanza=site backup    # or: pg_basebackup -D /backup/$(date +%F) -Ft -z"
    if database.standby_of is not None:
        return passed("this is a standby, its primary knows")
    if not database.rights:
        return None
    if database.backup is None:
        return warned("the server remembers no base backup; dumps leave no trace in it", fix)
    if database.backup > WEEK:
        return warned(f"the last base backup is {database.backup / 86_400:.0f} days old", fix)
    return passed(f"the last base backup is {database.backup / 86_400:.1f} days old")


@check(
    "standbys-follow",
    why="What a standby has not got is lost when it takes over",
    source="Enterprise, layer 4: synchronous and asynchronous replication",
)
def follow(database: Database) -> Finding:
    """How far behind each follower is."""
    if database.standby_of is not None and database.standby_of > STALE:
        seen = f"this standby is {database.standby_of:.0f} s behind its primary"
        return warned(seen, "SELECT pg_wal_replay_resume(), * FROM pg_stat_wal_receiver;")
    late = sorted((each for each in database.standbys if each.behind > BEHIND), key=lambda each: -each.behind)
    if late:
        seen = ", ".join(f"{each.name} is {about(each.behind)} behind" for each in late[:3])
        fix = "SELECT application_name, state, sync_state, replay_lag FROM pg_stat_replication;"
        return failed(seen, fix) if late[0].behind > LOST else warned(seen, fix)
    return passed(f"{len(database.standbys)} followers, none is behind")


@check(
    "slots-used",
    why="The log is kept for a follower that does not come, until the disk is full and the database stops",
    source="Enterprise, layer 4: streams the log to the standby",
)
def slots(database: Database) -> Finding:
    """Replication slots that nobody reads."""
    if database.slots:
        first = database.slots[0]
        seen = f"slot {first.name} has no reader, {about(first.behind)} of the log are kept for it"
        return warned(seen, f"SELECT pg_drop_replication_slot('{first.name}');    -- if its standby is gone for good")
    return passed("every slot has its reader")


@check(
    "one-writer",
    why="Two databases that take each other's writes disagree one day, and nobody knows which one is right",
    source="Enterprise, principle 2: database write must remain a single source",
)
def writer(database: Database) -> Finding:
    """Logical replication both ways."""
    if database.two_ways:
        return warned("this database publishes changes and takes those of another one", "SELECT subname FROM pg_subscription;")
    return passed("changes go one way")
