"""The REST API, a module for each subject. Pages call the same functions; every one of them says which role it takes."""

from fastapi import APIRouter

from prefork.console.api import alerts, incidents, instances, jobs, live, people, plans, provision, routes, settings, usage, workers
from prefork.console.api.paging import ERRORS

router = APIRouter(responses=ERRORS)
for room in (instances, provision, usage, routes, settings, workers, incidents, alerts, jobs, live, plans, people):
    router.include_router(room.router)
