"""The job of the jobs scenario for Prefork. The server has its address from an option, a client from the variable."""

from stamps import main, stamp

import prefork


@prefork.job
def errand() -> None:
    """Next to nothing."""
    stamp()


if __name__ == "__main__":
    # As a module, so that the job has the name that the workers know.
    import queue_prefork

    main(queue_prefork.errand.defer)
