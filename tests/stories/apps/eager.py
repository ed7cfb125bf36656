"""A hook for stories whose jobs need a processor: workers for jobs get what others leave, on a busy machine nothing."""

import contextlib
import os


def after_fork(worker):
    """Be scheduled as others are."""
    with contextlib.suppress(PermissionError):  # nobody but root may
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, 0)
