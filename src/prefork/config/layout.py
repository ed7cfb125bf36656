"""Which application a directory holds, where nobody has named one: found in the text of its files, without running them.

Known layouts are those of the frameworks' own tutorials. What is found is said to whoever started the server.
"""

from __future__ import annotations

import ast
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULES = ("wsgi", "asgi", "app", "main", "application", "server", "api")  # the first that holds an application is taken
NAMES = ("app", "application", "api")
FACTORIES = ("create_app", "make_app", "create_application")
MAKERS = {
    "Flask": "Flask",
    "FastAPI": "FastAPI",
    "Starlette": "Starlette",
    "Quart": "Quart",
    "Litestar": "Litestar",
    "Bottle": "Bottle",
    "get_wsgi_application": "Django",
    "get_asgi_application": "Django",
    "make_wsgi_app": "Pyramid",
}
SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)")
ENVIRONMENTS = (".venv", "venv", "env")


@dataclass(frozen=True)
class Layout:
    """An application that was found: its name, whose kind it is and in which file, and the environment beside it."""

    app: str
    kind: str
    file: str
    python: Path | None

    def sentence(self, named: bool = False) -> str:
        """What was found, for people; `named` is whether they have said which interpreter it gets."""
        without = "" if named else f" with Prefork's own Python, as there is no {' or '.join(ENVIRONMENTS)} beside it"
        environment = f" with {self.python}" if self.python and not named else without
        advice = "name another as in `prefork serve module:attribute`"
        return f"serving {self.app}, {self.kind} found in {self.file}{environment}; {advice}"


def detect(directory: Path) -> Layout | None:
    """The application in a directory; None where there is none that is known, or nobody may look."""
    if not os.access(directory, os.R_OK | os.X_OK):
        return None
    python = next((each for name in ENVIRONMENTS if os.path.exists(each := directory / name / "bin/python")), None)
    if os.path.isfile(directory / "odoo-bin") and os.path.isdir(directory / "odoo"):
        return Layout(f"odoo:{directory}", "Odoo", "odoo-bin", python)
    if project := django(directory):
        return Layout(project, "a Django project", "manage.py", python)
    for module, file in modules(directory):
        if found := application(file):
            return Layout(f"{module}:{found[0]}", found[1], str(file.relative_to(directory)), python)
    return None


def missing(directory: Path) -> str:
    """Why nothing was found in a directory, for people."""
    if not os.access(directory, os.R_OK | os.X_OK):
        return "this account may not look into it"
    if match := SETTINGS.search(text_of(directory / "manage.py")):
        package = match[1].partition(".")[0]
        return f"manage.py has settings in {package}, where neither {package}/wsgi.py nor {package}/asgi.py is"
    there = [file for _, file in modules(directory) if os.path.isfile(file)]
    for file in there:
        try:
            ast.parse(text_of(file))
        except SyntaxError as error:
            return f"{file.relative_to(directory)}:{error.lineno}: {error.msg}"
    if there:
        return f"{there[0].relative_to(directory)} has no {' or '.join(NAMES)} that is known to be one, and no {FACTORIES[0]}()"
    return f"neither manage.py nor {', '.join(f'{name}.py' for name in MODULES[:4])} nor a package is there"


def django(directory: Path) -> str | None:
    """The application of a Django project, in the package that its manage.py names."""
    match = SETTINGS.search(text_of(directory / "manage.py"))
    package = match[1].partition(".")[0] if match else ""
    found = (name for name in ("wsgi", "asgi") if package and os.path.isfile(directory / package / f"{name}.py"))
    return next((f"{package}.{name}:application" for name in found), None)


def modules(directory: Path) -> Iterator[tuple[str, Path]]:
    """Where an application may be: modules with the usual names, then packages."""
    for name in MODULES:
        yield name, directory / f"{name}.py"
    for file in sorted(directory.glob("*/__init__.py")):
        if file.parent.name.isidentifier():
            yield file.parent.name, file


def application(file: Path) -> tuple[str, str] | None:
    """The attribute of a module that is an application, and its kind; `function()` for one that makes it."""
    try:
        statements = ast.parse(text_of(file)).body
    except (SyntaxError, ValueError):
        return None
    made = (found for statement in statements for found in (assigned(statement), function(statement)) if found)
    return min(made, key=lambda found: found[0].endswith("()"), default=None)  # an application before what makes one


def assigned(statement: ast.stmt) -> tuple[str, str] | None:
    """`app = Flask(__name__)` and its like."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=maker)) if name in NAMES:
            called = maker.attr if isinstance(maker, ast.Attribute) else getattr(maker, "id", "")
            if called in MAKERS:
                return name, f"a {MAKERS[called]} application"
            if called in FACTORIES:
                return name, "an application"
    return None


def function(statement: ast.stmt) -> tuple[str, str] | None:
    """A function that is an application, or that makes one without being told anything."""
    match statement:
        case ast.FunctionDef(name=name, args=ast.arguments(args=[_, _], kwonlyargs=[])) if name in NAMES:
            return name, "a WSGI application"
        case ast.AsyncFunctionDef(name=name, args=ast.arguments(args=[_, _, _], kwonlyargs=[])) if name in NAMES:
            return name, "an ASGI application"
        case ast.FunctionDef(name=name, args=arguments) if name in FACTORIES:
            given = len(arguments.args) - len(arguments.defaults)
            if not given and None not in arguments.kw_defaults:
                return f"{name}()", "a factory"
    return None


def text_of(file: Path) -> str:
    """A file's text, or none."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
