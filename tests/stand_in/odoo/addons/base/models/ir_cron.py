"""Scheduled actions: `DATABASE.due` names those that are due, a line each; `done` is what was run. `DATABASE.foreign` is of another
version.

They are in `db_host`, where a local PostgreSQL would have its socket, and which several nodes may name, or in the data directory.
"""

import os
import time

from odoo.tools import config

NAMES = ["elsewhere", "hang", "invoices", "mail", "vacuum"]


def path(name):
    return os.path.join(config.get("db_host") or config["data_dir"], name)


class BadVersion(Exception):
    pass


class BadModuleState(Exception):
    pass


class ir_cron:
    @classmethod
    def _check_version(cls, cursor):
        if os.path.exists(path(f"{cursor.database}.foreign")):
            raise BadVersion

    @classmethod
    def _get_all_ready_jobs(cls, cursor):
        if not os.path.exists(path(f"{cursor.database}.due")):
            return []
        with open(path(f"{cursor.database}.due")) as file:
            return [{"id": NAMES.index(name), "cron_name": name} for name in file.read().split()]

    @classmethod
    def _process_jobs(cls, database):
        from odoo.sql_db import db_connect

        with db_connect(database).cursor() as cursor:
            for job in cls._get_all_ready_jobs(cursor):
                if job["cron_name"] != "elsewhere":  # another server runs it
                    cls._process_job(db_connect(database), cursor, job)

    @classmethod
    def _process_job(cls, db, cursor, job):
        name = job["cron_name"]
        if name == "hang":
            time.sleep(60)
        with open(path("done"), "a") as file:
            file.write(f"{cursor.database}:{name}\n")
        with open(path(f"{cursor.database}.due")) as file:
            left = [each for each in file.read().split() if each != name]
        with open(path(f"{cursor.database}.due"), "w") as file:
            file.write("\n".join(left))
