"""The tree is what docs/modules.md says, arrows point one way, and what runs inside an application runs on its Python."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import ROOT

SOURCE = ROOT / "src" / "prefork"
MODULES = [str(path.relative_to(SOURCE)) for path in sorted(SOURCE.rglob("*.py"))]

# Who may import whom, at run time and for types alike. A name stands for itself and all below it; the longest one that fits a
# module counts. `prefork` is the version.
MAY_IMPORT: dict[str, set[str]] = {
    "": {"jobs.declaration"},
    "config": {"config", "lanes", "sizing.database", "sizing.plans"},
    "catalogue": {"events"},
    "compiled": set(),
    "events": {"events"},
    "journal": {"events", "kernel", "lines"},
    "histogram": {"scoreboard"},
    "lending": {"kernel"},
    "lines": {"events"},
    "kernel": set(),
    "channel": {"messages"},
    "messages": set(),
    "orders": {"channel", "kernel"},
    "scoreboard": {"kernel"},
    "spool": set(),
    "lanes": set(),
    "limits": set(),
    "sizing": {"sizing"},
    "usage": {"usage", "config.machine", "histogram", "meters", "scoreboard"},
    "sizing.recording": {"trace"},
    # The dispatcher's own queue, which is pure: so requests wait in a simulation as they do there.
    "sizing.simulate": {"sizing", "dispatcher.queue"},
    "sizing.traffic": {"sizing", "dispatcher.queue", "trace"},
    "trace": set(),
    "meters": set(),
    "metrics": set(),
    "cgroups": set(),
    "incidents": set(),
    "files": {"http.conditions"},
    "given": set(),
    "instances": {
        "instances",
        "prefork",
        "config",
        "events",
        "journal",
        "control",
        "incidents",
        "sizing.plans",
        "store",
        "usage",
    },
    "console": {
        "console",
        "prefork",
        "config",
        "events",
        "incidents",
        "instances",
        "jobs.arguments",
        "jobs.schedules",
        "journal",
        "metrics",
        "provision",
        "sizing",
        "store.board",
        "usage",
        "views.jobs",
        "views.status",
    },
    "provision": {
        "provision",
        "config",
        "control.client",
        "events",
        "instances",
        "meters",
        "render",
        "sizing",
    },
    "console.__main__": {"channel", "console", "instances", "journal", "kernel", "orders"},
    "fanout": set(),
    "sessions": {"sessions", "fanout", "given", "store", "worker.asgi.detect", "worker.output"},
    "filestore": {"fanout", "files", "given", "http.conditions", "http.framing"},
    "http": {"http"},
    "http.conditions": {"http.framing"},
    "http.framing": set(),
    "http.pages": {"http.framing"},
    "control": set(),
    "control.answers": {"prefork"},
    "views": {"views", "config", "importers", "incidents", "limits", "sizing"},
    "importers": {"importers", "config"},
    "render": {"render", "config"},
    "lab": {"lab", "prefork", "bus", "config", "control.client", "jobs.declaration", "render", "sessions", "store.connection"},
    "doctor": {"doctor", "config", "control", "incidents", "meters", "store", "usage"},
    "doctor.audit": {"doctor", "config.quantities", "control", "sizing"},
    "doctor.checks": {
        "doctor.checks",
        "doctor.routing",
        "doctor.evidence",
        "doctor.verdict",
        "config.quantities",
        "incidents",
        "sizing",
    },
    "dispatcher": {
        "dispatcher",
        "cgroups",
        "channel",
        "compiled",
        "events",
        "files",
        "histogram",
        "http",
        "journal",
        "kernel",
        "lanes",
        "lending",
        "lines",
        "messages",
        "meters",
        "orders",
        "scoreboard",
        "spool",
        "trace",
    },
    "master": {
        "master",
        "prefork",
        "cgroups",
        "channel",
        "config",
        "control",
        "dispatcher.options",
        "events",
        "histogram",
        "incidents",
        "journal",
        "kernel",
        "lanes",
        "limits",
        "messages",
        "meters",
        "orders",
        "scoreboard",
        "sizing.autoscale",
        "sizing.bounds",
        "sizing.plans",
        "trace",
    },
    "worker": {
        "worker",
        "channel",
        "compiled",
        "files",
        "given",
        "store.connection",
        "http.chunks",
        "http.conditions",
        "http.framing",
        "http.pages",
        "kernel",
        "lending",
        "messages",
        "orders",
        "scoreboard",
        "spool",
    },
    "worker.hosts.odoo.sessions": {"given", "sessions"},
    # What reads requests in a worker reads them with the dispatcher's own eyes.
    "worker.borrowing": {
        "http.head",
        "http.identity",
        "http.paths",
        "http.proxies",
        "http.repertoire",
        "kernel",
        "lending",
        "messages",
        "scoreboard",
        "worker",
    },
    "worker.known": {"http.head", "http.identity", "http.proxies", "http.repertoire", "lending"},
    "worker.prepared": {"http.repertoire", "lending", "worker"},
    "worker.shortcut": {"http.framing", "http.head", "kernel", "lending", "messages", "scoreboard", "worker"},
    "worker.live.serve": {"worker", "bus.hub", "given", "scoreboard", "store.address", "store.bus"},
    "cron": {"jobs"},
    "django": {"django"},
    "tryton": {"scoreboard", "worker.cron"},
    "bus": {"bus", "store"},
    "jobs": {"jobs.arguments", "store"},
    "jobs.source": {"jobs", "store", "worker.cron"},
    "store": {"store", "given"},
    "watcher": {"watcher", "channel", "kernel", "orders"},
    "testing": {"testing"},
    "cli": {
        "cli",
        "prefork",
        "cgroups",
        "compiled",
        "config",
        "console.serving",
        "control",
        "doctor",
        "importers",
        "incidents",
        "instances",
        "jobs.arguments",
        "jobs.schedules",
        "lab",
        "master.rehearsal",
        "master.serve",
        "metrics",
        "provision.nginx",
        "provision.premises",
        "provision.systemd",
        "render",
        "sizing",
        "store",
        "usage",
        "views",
    },
    "__main__": {"cli"},
}
# What exists in compiled form only, and what it imports.
NATIVE = {
    str(path.relative_to(SOURCE)): re.findall(r"^(?:from|import) (\S+)(?=$| import )", path.read_text(), re.MULTILINE)
    for path in SOURCE.rglob("*.pyx")
}
INSIDE_APPLICATIONS = [
    name
    for name in MODULES
    if name.startswith(("worker/", "jobs/", "sessions/", "store/", "bus/", "django/"))
    or name
    in {"__init__.py", "cron.py", "tryton.py", "files.py", "kernel.py", "messages.py", "orders.py", "scoreboard.py", "spool.py"}
    or name in {"channel.py", "compiled.py", "fanout.py", "filestore.py", "given.py", "lending.py"}
    or name in {"http/__init__.py", "http/chunks.py", "http/conditions.py", "http/framing.py", "http/pages.py"}
    or name in {"http/head.py", "http/identity.py", "http/paths.py", "http/proxies.py", "http/repertoire.py"}
]
# The libraries that a feature needs in the application's environment, and the only modules that look for them, inside a function.
LOOKED_FOR = {
    "store/connection.py": {"psycopg"},
    "store/elder.py": {"psycopg2"},
    "tryton.py": {"sql", "trytond"},
    "jobs/schedules.py": {"cronsim"},
    "worker/live/lent.py": {"uvloop", "websockets"},
    "worker/packages.py": {"httptools"},
    "worker/hosts/odoo/actions.py": {"odoo", "psycopg2"},
    "worker/hosts/odoo/bell.py": {"odoo"},
    "worker/hosts/odoo/configuration.py": {"odoo"},
    "worker/hosts/odoo/sessions.py": {"odoo"},
    "worker/hosts/odoo/controllers.py": {"odoo"},
    "worker/hosts/odoo/host.py": {"odoo"},
    "worker/hosts/odoo/live.py": {"odoo"},
    "worker/hosts/odoo/polls.py": {"odoo"},
    "worker/hosts/odoo/registries.py": {"odoo"},
    "worker/hosts/odoo/sockets.py": {"psycopg2"},
}
# Where a library is what imports the module, it is there at once.
AT_HOME = {
    "django/apps.py": {"django"},
    "django/debugging.py": {"django"},
    "django/management/commands/runprefork.py": {"django"},
}
# What is read with a library from its first line on; a worker imports it once the library has been found or lent.
AT_ONCE = {"http/head.py": {"httptools"}}
OLDEST = (3, 9)


def dotted(path: str) -> str:
    """`http/head.py` is `http.head`, `http/__init__.py` is `http`, the package itself is the empty name."""
    return ".".join(part for part in path.removesuffix(".py").split("/") if part != "__init__")


class Import(NamedTuple):
    """`what` is imported by a statement in `line`; `typing` where only a type checker sees it."""

    what: str
    line: int
    typing: bool


def typing_only(tree: ast.Module) -> set[ast.AST]:
    """Everything below `if TYPE_CHECKING:`."""
    guarded = [n for n in ast.walk(tree) if isinstance(n, ast.If) and isinstance(n.test, ast.Name) and n.test.id == "TYPE_CHECKING"]
    return {below for guard in guarded for statement in guard.body for below in ast.walk(statement)}


@cache
def parsed(path: str) -> ast.Module:
    """A module's source. It is parsed when a test asks: each process of a run collects all tests, and one runs these."""
    return ast.parse((SOURCE / path).read_text())


@cache
def imports(path: str) -> list[Import]:
    tree = parsed(path)
    hidden = typing_only(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, node in hidden) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            assert node.module
            found += [Import(target(node.module, alias.name), node.lineno, node in hidden) for alias in node.names]
    return found


def target(module: str, name: str) -> str:
    """`from a import b` imports module a.b where that is one, else module a."""
    below = "/".join([*module.split(".")[1:], name])
    is_module = module.split(".")[0] == "prefork" and (f"{below}.py" in MODULES or f"{below}/__init__.py" in MODULES)
    return f"{module}.{name}" if is_module else module


def rule(module: str) -> str:
    """The entry of the table that counts for a module."""
    fitting = [name for name in MAY_IMPORT if name in {"", module} or module.startswith(name + ".")]
    return max(fitting, key=len)


def is_below(module: str, name: str) -> bool:
    return module == name or module.startswith(name + ".")


@pytest.mark.parametrize("path", MODULES)
def test_arrows_point_one_way(path: str) -> None:
    allowed = MAY_IMPORT[rule(dotted(path))]
    for what, line, _ in imports(path):
        room, _, module = what.partition(".")
        if room == "prefork":
            found = any(is_below(module, name) for name in allowed) if module else "prefork" in allowed
            assert found, f"{path}:{line} imports {what}: {rule(dotted(path)) or 'the package'} may import {sorted(allowed)}"


def test_every_module_has_a_rule() -> None:
    assert [path for path in MODULES if dotted(path) and not rule(dotted(path))] == []


def test_every_rule_is_about_something() -> None:
    modules = {dotted(path) for path in MODULES}
    for name in {*MAY_IMPORT, *(allowed for entry in MAY_IMPORT.values() for allowed in entry)} - {"prefork"}:
        assert name in modules, f"the table speaks of {name}, which does not exist"


def test_every_permission_is_used() -> None:
    """What nobody needs is not allowed: the table says how things are."""
    used: dict[str, set[str]] = {name: set() for name in MAY_IMPORT}
    for path in MODULES:
        used[rule(dotted(path))] |= {what.removeprefix("prefork").removeprefix(".") or "prefork" for what, _, _ in imports(path)}
    unused = {
        (name, permission)
        for name, allowed in MAY_IMPORT.items()
        for permission in allowed
        if not any(is_below(module, permission) for module in used[name])
    }
    assert unused == set()


@pytest.mark.parametrize("path", MODULES)
def test_every_module_says_what_it_owns(path: str) -> None:
    assert ast.get_docstring(parsed(path))


# docs/modules.md and ARCHITECTURE.md


def tree() -> list[str]:
    """The lines of the code block that shows src/prefork/."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "docs" / "modules.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if block.startswith("src/prefork/\n")]
    return block.splitlines()[1:]


def named() -> list[str]:
    """Every module and package in the tree, with its path: a line holds one package, or modules and what they are."""
    rooms: list[tuple[int, str]] = []
    found = []
    for line in tree():
        depth = len(line) - len(line.lstrip())
        while rooms and rooms[-1][0] >= depth:
            rooms.pop()
        path = "".join(room for _, room in rooms)
        for word in line.split():
            if not re.fullmatch(r"\w+(/|\.pyx?)", word):
                break
            found.append(path + word)
            if word.endswith("/"):
                rooms.append((depth, word))
    return found


def test_the_tree_is_what_is_on_disk() -> None:
    packages = {str(Path(path).parent) + "/" for path in MODULES if path.endswith("/__init__.py")}
    modules = {path for path in MODULES if not path.endswith("/__init__.py")}
    listed = named()
    assert len(listed) == len(set(listed)), "something is listed twice"
    assert modules | packages | set(NATIVE) == set(listed), "left: on disk; right: in docs/modules.md"


def test_every_room_is_in_the_architecture() -> None:
    block = (ROOT / "ARCHITECTURE.md").read_text().split("src/prefork/\n")[1].split("```")[0]
    rooms = {Path(path).parts[0] for path in MODULES if "/" in path}
    assert set(re.findall(r"(\w+)/", block)) == rooms


# What runs inside an application.


def test_the_list_of_what_runs_inside_is_not_empty() -> None:
    assert {"worker/template.py", "worker/hosts/wsgi.py", "messages.py", "http/pages.py"} <= set(INSIDE_APPLICATIONS)


@pytest.mark.parametrize("path", [path for path in NATIVE if path.startswith("worker/")])
def test_what_is_native_imports_the_standard_library_and_its_like(path: str) -> None:
    for what in NATIVE[path]:
        module = what.removeprefix("prefork").removeprefix(".").replace(".", "/")
        inside = {f"{module}.py", f"{module}/__init__.py".removeprefix("/")} & set(INSIDE_APPLICATIONS)
        assert inside or what in sys.stdlib_module_names, f"{path} imports {what}"


@pytest.mark.parametrize("path", INSIDE_APPLICATIONS)
class TestInside:
    def test_it_imports_the_standard_library_and_its_like(self, path: str) -> None:
        for what, line, typing in imports(path):
            if what.split(".")[0] == "prefork" and what != "prefork":
                module = what.removeprefix("prefork.").replace(".", "/")
                inside = {f"{module}.py", f"{module}.pyx", f"{module}/__init__.py"} & {*INSIDE_APPLICATIONS, *NATIVE}
                assert inside, f"{path}:{line} imports {what}"
            elif not typing:
                at_once = sys.stdlib_module_names | AT_HOME.get(path, set()) | AT_ONCE.get(path, set())
                assert what.split(".")[0] in at_once | LOOKED_FOR.get(path, set()), f"{path}:{line} imports {what}"
                top = {node.lineno for node in parsed(path).body}
                assert what.split(".")[0] in at_once or line not in top, f"{path}:{line} imports {what} at once"

    def test_it_compiles_on_the_oldest_python(self, path: str) -> None:
        text = (SOURCE / path).read_text()
        ast.parse(text, feature_version=OLDEST)

    def test_annotations_are_not_evaluated(self, path: str) -> None:
        """`int | None` in an annotation is text on every Python, with this import."""
        if any(isinstance(node, (ast.AnnAssign, ast.arg, ast.FunctionDef)) for node in ast.walk(parsed(path))):
            assert any(what == "__future__" for what, _, _ in imports(path)), f"{path} lacks `from __future__ import annotations`"

    def test_nothing_that_came_later_is_evaluated(self, path: str) -> None:
        """Unions of types, and arguments and functions that are younger than the oldest Python."""
        annotations = {
            below
            for node in ast.walk(parsed(path))
            for field in ("annotation", "returns")
            if isinstance(getattr(node, field, None), ast.AST)
            for below in ast.walk(getattr(node, field))
        }
        for node in set(ast.walk(parsed(path))) - annotations:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
                sides = {ast.unparse(node.left), ast.unparse(node.right)}
                types = {"None", "int", "str", "bytes", "bool", "float"}
                assert not sides & types, f"{path}:{node.lineno}: {ast.unparse(node)} is evaluated"
            if isinstance(node, ast.Call):
                names = {keyword.arg for keyword in node.keywords}
                late = names & {"slots", "kw_only", "strict"}
                assert not late, f"{path}:{node.lineno}: {ast.unparse(node.func)} has no {late} before 3.10"
                assert ast.unparse(node.func) not in {"aiter", "anext", "pairwise", "itertools.pairwise"}
