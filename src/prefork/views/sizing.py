"""What `prefork size` shows: the answer, what bounds it, the rules side by side, and the lines for the file.

Colours are the terminal's own, so that it reads on a dark and on a light background; nothing is said by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from prefork.config.quantities import about

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from prefork.sizing.bounds import Cap
    from prefork.sizing.size import Sizing

BAR = 9  # columns of the longest bar
NAMES = {"cpu": "CPU", "memory": "Memory", "plan": "Plan", "users": "Users", "database": "Database"}


def answer(sizing: Sizing, others: Mapping[str, Sizing], bound: str) -> dict[str, Any]:
    """The same for programs: by the options' names, with what binds and why. `bound` says whose machine it is."""
    budget = sizing.budget
    return {
        "rule": sizing.rule,
        **sizing.options,
        "http_enable": sizing.http,
        "websocket_workers": sizing.websocket,
        "users": sizing.users,
        "nodes": sizing.nodes,
        "machine": {"cpus": sizing.machine.cpus, "memory": sizing.machine.memory, "bound": bound},
        "binding": sizing.binding,
        "reasons": sizing.reasons,
        "warnings": list(sizing.warnings),
        "bounds": {cap.what: cap.workers for cap in sizing.caps},
        "connections": {"needed": budget.needed, "allowed": budget.allowed},
        "rules": {name: {**each.options, "users": each.users, "binding": each.binding} for name, each in others.items()},
        "options": block(sizing),
    }


def block(sizing: Sizing) -> str:
    """The lines for the file."""
    return "".join(["[options]\n", *(f"{name} = {value}\n" for name, value in sizing.options.items())])


def screen(sizing: Sizing, others: Mapping[str, Sizing], bound: str, decision: str) -> Iterator[RenderableType]:
    """What to print, from top to bottom."""
    yield heading(sizing, bound)
    yield ""
    yield figures(sizing)
    yield ""
    yield bounds(sizing)
    yield ""
    yield rules(sizing, others)
    yield Text(f"  {decision}", style="dim")
    for warning in sizing.warnings:
        yield ""
        yield Text(f"! {warning}", style="yellow")
    yield ""
    yield lines(sizing)


def heading(sizing: Sizing, bound: str) -> Text:
    """For which machine."""
    whose = {"machine": "this machine", "cgroup": "what this control group allows", "needed": "needed on each node"}
    line = Text.assemble(("● ", "green"), (sizing.machine.words(), "bold"))
    if bound in whose:
        line.append(f" · {whose[bound]}")
    if sizing.nodes > 1:
        line.append(f" · {sizing.nodes} nodes")
    return line


def figures(sizing: Sizing) -> Table:
    """The answer, a line for each part."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    more = [f"{sizing.cron} for jobs"] + ([f"{sizing.websocket} for WebSocket"] if sizing.websocket else [])
    if sizing.http:
        workers = Text.assemble((str(sizing.workers), "bold green"), f" for requests, {', '.join(more)}")
        nodes = f" on each of {sizing.nodes} nodes" if sizing.nodes > 1 else ""
        table.add_row("Workers", workers)
        table.add_row("Users", f"{sizing.users} at once{nodes}")
    else:
        table.add_row("Workers", Text.assemble((str(sizing.cron), "bold green"), " for jobs, none for requests"))
    soft, hard = sizing.memory
    table.add_row("Memory", f"soft limit {about(soft)}, hard limit {about(hard)} for each worker")
    table.add_row("Time", f"{sizing.options['limit_time_cpu']} s of processor, {sizing.options['limit_time_real']} s in all")
    table.add_row("Database", f"{sizing.budget.words()}")
    return table


def bounds(sizing: Sizing) -> Table:
    """How many workers each thing would allow; what binds comes first."""
    table = columns("WHAT BOUNDS", "WORKERS", "", "WHY")
    most = max((cap.workers for cap in sizing.caps if cap.workers), default=1)
    for cap in sorted(sizing.caps, key=lambda cap: (cap.what != sizing.binding, cap.workers is None, cap.workers)):
        binds = cap.what == sizing.binding
        count = "–" if cap.workers is None else str(cap.workers)
        label = Text(("▶ " if binds else "  ") + NAMES[cap.what], style="bold" if binds else "")
        table.add_row(label, Text(count, style="bold" if binds else ""), bar(cap, most, binds=binds), cap.why)
    return table


def bar(cap: Cap, most: int, *, binds: bool) -> Text:
    """A length for a number."""
    length = BAR if cap.workers is None else max(1, round(BAR * cap.workers / most))
    return Text(("╌" if cap.workers is None else "━") * length, style="green" if binds else "dim")


def rules(sizing: Sizing, others: Mapping[str, Sizing]) -> Table:
    """What each rule says to the same demand."""
    table = columns("RULE", "WORKERS", "JOBS", "USERS", "MACHINE", "BOUND BY")
    for name, each in others.items():
        used = name == sizing.rule
        label = Text(("▶ " if used else "  ") + name, style="bold" if used else "")
        row = (str(each.workers), str(each.cron), str(each.users * each.nodes), machines(each), NAMES[each.binding])
        table.add_row(label, *row)
    return table


def machines(sizing: Sizing) -> str:
    """One machine or several."""
    return (f"{sizing.nodes} × " if sizing.nodes > 1 else "") + sizing.machine.words()


def columns(*names: str) -> Table:
    """An empty table; numbers stand on the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in names:
        table.add_column(f"  {name}" if name in {"RULE", "WHAT BOUNDS"} else name, no_wrap=name != "WHY")
        table.columns[-1].justify = "right" if name in {"WORKERS", "JOBS", "USERS"} else "left"
    return table


def lines(sizing: Sizing) -> Text:
    """The lines for the file, as they can be copied."""
    text = Text()
    for line in block(sizing).splitlines():
        name, sign, value = line.partition(" = ")
        text.append(name, style="cyan" if sign else "dim").append(f"{sign}{value}\n")
    text.rstrip()
    return text
