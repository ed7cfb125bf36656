"""Every page of the console, by name. `default` has good days, `docs` does not answer, `chat` does not get ready."""

PAGES = {
    "instances": "/instances",
    "new-instance": "/instances/new",
    "server": "/instances/erp/server",
    "server-failed": "/instances/wiki/server",
    "overview": "/instances/default",
    "workers": "/instances/default/workers",
    "routes": "/instances/default/routes",
    "stacks": "/instances/default/stacks?worker=http.1",
    "incidents": "/instances/default/incidents",
    "incident": "/instances/default/incidents/9ac1f07e",
    "jobs": "/instances/default/jobs",
    "job": "/instances/default/job?name=shop.stock:sync_warehouse",
    "log": "/instances/default/log",
    "settings": "/instances/default/settings",
    "alerts": "/alerts",
    "account": "/account",
    "crash-loop": "/instances/chat",
    "unreachable": "/instances/docs",
    "not-there": "/instances/default/incidents/none",
}
