"""The job of the jobs scenario for procrastinate, with its synchronous connector where jobs are deferred."""

import os

import procrastinate
from stamps import main, stamp

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))


@app.task(name="errand")
def errand() -> None:
    """Next to nothing."""
    stamp()


if __name__ == "__main__":
    connector = procrastinate.SyncPsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"])
    with app.replace_connector(connector) as client:
        client.open()
        main(client.tasks["errand"].defer)
