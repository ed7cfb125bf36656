"""What the API answers and takes. Times are seconds since 1970, durations seconds, sizes bytes, shares per cent."""

from prefork.console.models.envelope import LARGEST, AnyRole, Id, Model, Name, Page, Password, Problem, Role, Scope
from prefork.console.models.incidents import Alert, Incident
from prefork.console.models.instances import Health, Instance, NewInstance, Plan, Reloaded, Renaming
from prefork.console.models.jobs import Job, JobDetails, Run
from prefork.console.models.people import AuditEntry, MadeToken, Me, NewToken, NewUser, PasswordChange, Token, User, UserPatch
from prefork.console.models.settings import Change, Meaning, Setting, Settings, SettingsPatch
from prefork.console.models.usage import (
    Mark,
    Point,
    PointHealth,
    PointMemory,
    Route,
    Share,
    Spread,
    UsageHistory,
    WorkerShare,
    WorkerUsage,
)
from prefork.console.models.workers import Stacks, Worker

__all__ = [
    "LARGEST",
    "Alert",
    "AnyRole",
    "AuditEntry",
    "Change",
    "Health",
    "Id",
    "Incident",
    "Instance",
    "Job",
    "JobDetails",
    "MadeToken",
    "Mark",
    "Me",
    "Meaning",
    "Model",
    "Name",
    "NewInstance",
    "NewToken",
    "NewUser",
    "Page",
    "Password",
    "PasswordChange",
    "Plan",
    "Point",
    "PointHealth",
    "PointMemory",
    "Problem",
    "Reloaded",
    "Renaming",
    "Role",
    "Route",
    "Run",
    "Scope",
    "Setting",
    "Settings",
    "SettingsPatch",
    "Share",
    "Spread",
    "Stacks",
    "Token",
    "UsageHistory",
    "User",
    "UserPatch",
    "Worker",
    "WorkerShare",
    "WorkerUsage",
]
