"""The job of the jobs scenario for Celery: acknowledged when it is done, as the others do; results are not kept."""

import os

from celery import Celery
from stamps import main, stamp

app = Celery("queue_celery", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(name="errand")
def errand() -> None:
    """Next to nothing."""
    stamp()


if __name__ == "__main__":
    main(errand.delay)
