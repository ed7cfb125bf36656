"""The limits of workers, against each other and against the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefork.config.quantities import about, size_words, time_words
from prefork.doctor.verdict import Finding, check, failed, passed, warned
from prefork.sizing.limits import SOFT_SHARE, TIME_CPU, TIME_REAL, memory, room_for
from prefork.sizing.size import WORKER_MEMORY

if TYPE_CHECKING:
    from prefork.doctor.evidence import Conf, Machine

LEAST, MOST = 0.6, 0.9  # of the hard limit: what leaves room to finish a request
PRINTED = (629_145_600, 1_677_721_600)  # soft and hard in Odoo's own documentation, 38 %
CRON_BEAT = 70.0  # seconds between two looks of Odoo's idle cron worker, which a shorter limit kills for ever


@check(
    "limits-of-memory",
    why="Without limits a worker that leaks grows until the kernel kills something, and not always that worker",
    source="Quick answer, why memory limits matter; Service, section 4: resource limits; Multi-processing, threaded mode",
)
def memory_set(conf: Conf, machine: Machine) -> Finding:
    """Both limits of memory."""
    missing = [name for name in ("limit_memory_soft", "limit_memory_hard") if not conf.settings.value(name)]
    if missing and conf.workers:
        soft, hard = fitting(conf, machine)
        both = {"limit_memory_soft": soft, "limit_memory_hard": hard}
        return warned(f"{conf.says(missing[0])} means no limit", "\n".join(f"{name} = {both[name]}" for name in missing))
    return passed("workers have both limits of memory" if conf.workers else "without workers none is enforced")


@check(
    "hard-limit-fits",
    why="The kernel runs out of memory before the limit is reached, and kills what it likes: MemoryError, system OOM",
    source="Quick answer, troubleshooting 3: MemoryError or system OOM",
)
def hard_fits(conf: Conf, machine: Machine) -> Finding:
    """One worker may not take more than there is."""
    hard = conf.settings.limit_memory_hard
    if machine.memory and hard > machine.memory:
        soft, fit = fitting(conf, machine)
        seen = f"{conf.says('limit_memory_hard')} is above the {about(machine.memory)} of this machine"
        return failed(seen, f"limit_memory_hard = {fit}\nlimit_memory_soft = {min(soft, conf.settings.limit_memory_soft or soft)}")
    return passed(f"limit_memory_hard = {size_words(hard)} of {about(machine.memory)}")


@check(
    "soft-limit-range",
    why="Between the limits a request must have room to end, and the hard limit must still mean something",
    source="Quick answer, FAQ: set the soft limit to 70-80 % of the hard limit",
)
def soft_range(conf: Conf) -> Finding:
    """80 % is advised. What documentation prints is no alarm."""
    soft, hard = conf.settings.limit_memory_soft, conf.settings.limit_memory_hard
    if not soft or not hard:
        return passed("one of the two is not set")
    share = soft / hard
    seen = f"{conf.says('limit_memory_soft')} is {share:.0%} of limit_memory_hard"
    fix = f"limit_memory_soft = {hard * SOFT_SHARE // 100}"
    if share > 1:
        return failed(seen, fix)
    if not LEAST <= share <= MOST and (soft, hard) != PRINTED:
        return warned(seen, fix)
    return passed(seen)


@check(
    "soft-limit-room",
    why="A worker that is above its soft limit when it has just started is replaced after every request",
    source="Quick answer, FAQ: if workers are constantly restarting, limits are too low",
)
def soft_room(conf: Conf) -> Finding:
    """What a worker usually takes must be below the limit."""
    soft = conf.settings.limit_memory_soft
    if 0 < soft < WORKER_MEMORY and conf.workers and conf.odoo:
        hard = room_for(WORKER_MEMORY)
        fix = f"limit_memory_soft = {hard * SOFT_SHARE // 100}\nlimit_memory_hard = {max(hard, conf.settings.limit_memory_hard)}"
        return warned(f"{conf.says('limit_memory_soft')}, and a worker usually takes {about(WORKER_MEMORY)}", fix)
    return passed(f"limit_memory_soft = {size_words(soft)}")


@check(
    "limits-of-time",
    why="A worker that is stuck on a bad piece of code stays stuck, and the next one joins it",
    source="Service, section 4: resource limits; Quick answer, time limits",
)
def time_set(conf: Conf) -> Finding:
    """Both limits of time."""
    usual = {"limit_time_cpu": TIME_CPU, "limit_time_real": TIME_REAL}
    missing = [name for name in usual if not conf.settings.value(name)]
    if missing and conf.workers:
        return warned(f"{conf.says(missing[0])} means no limit", "\n".join(f"{name} = {usual[name]}" for name in missing))
    return passed("requests have both limits of time" if conf.workers else "without workers none is enforced")


@check(
    "time-limits-ordered",
    why="A request cannot use more processor time than it has time, so the higher limit never counts",
    source="Quick answer, configuring odoo.conf; Performance, memory limits",
)
def ordered(conf: Conf) -> Finding:
    """Processor time below real time."""
    cpu, real = conf.settings.limit_time_cpu, conf.settings.limit_time_real
    if 0 < real < cpu:
        return warned(
            f"{conf.says('limit_time_cpu')} is above limit_time_real = {time_words(real)}", f"limit_time_real = {cpu * 2:g}"
        )
    return passed(f"{time_words(cpu)} of processor, {time_words(real)} in all")


@check(
    "cron-limit-beat",
    why="Odoo's idle cron worker looks up once a minute: a shorter limit kills it for ever, and no job is ever done",
    source="Quick answer, the cron worker dilemma",
)
def beat(conf: Conf) -> Finding:
    """The limit of Odoo's own cron workers."""
    given = conf.settings.limit_time_real_cron
    limit = conf.settings.limit_time_real if given is None or given < 0 else given
    name = "limit_time_real" if given is None or given < 0 else "limit_time_real_cron"
    if conf.odoo and conf.cron and conf.workers and 0 < limit < CRON_BEAT:
        return warned(f"{conf.says(name)}, and an idle cron worker is silent for longer", f"limit_time_real_cron = {TIME_REAL}")
    return passed("jobs have time" if conf.cron else "no jobs here")


def fitting(conf: Conf, machine: Machine) -> tuple[int, int]:
    """Limits that fit so many processes on this machine."""
    return memory(machine.memory, max(1, conf.processes), 0) if machine.memory else memory(0, 1, room_for(WORKER_MEMORY))
