"""Reads a configuration file that is a Python program, such as gunicorn's: what its text alone tells, without running it.

What cannot be known from the text (a loop, an import of one's own) is named, and `sandbox.py` may find it out.
"""

from __future__ import annotations

import ast
import operator
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prefork.importers.finding import Setting, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
CALLS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "min": min,
    "max": max,
    "len": len,
    "round": round,
    "multiprocessing.cpu_count": lambda: os.cpu_count() or 1,
    "cpu_count": lambda: os.cpu_count() or 1,
    "os.cpu_count": lambda: os.cpu_count() or 1,
    "os.path.join": os.path.join,
}
ENVIRONMENT = {"os.getenv", "os.environ.get", "getenv", "environ.get"}
LONGEST = 10_000  # an expression's result: nobody's setting is longer


class Unknown(Exception):
    """Only running the file would tell."""


@dataclass
class Reading:
    """What the text tells: `settings` in order, `hooks` with their lines, and the names that it does not tell."""

    settings: list[Setting] = field(default_factory=list)
    hooks: list[Setting] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)


def read(text: str, name: str, known: frozenset[str], environ: Mapping[str, str]) -> Reading:
    """Read the settings `known` from a program's text. Raises Unreadable where it is no Python."""
    try:
        tree = ast.parse(text, name)
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise Unreadable(f"{name}{line}: it is not Python: {getattr(error, 'msg', error)}") from None
    reading, evaluator = Reading(), Evaluator(environ)
    for statement in tree.body:
        note(statement, reading, evaluator, known)
    found = {setting.name: setting for setting in reading.settings}  # the last one is what the program ends with
    reading.settings = [setting for setting in found.values() if setting.name not in reading.unknown]
    return reading


def note(statement: ast.stmt, reading: Reading, evaluator: Evaluator, known: frozenset[str]) -> None:
    """What one statement of the module says."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if statement.name in known:
            reading.hooks.append(Setting(statement.name, f"def {statement.name}(…)", statement.lineno))
        return
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.ClassDef, ast.Expr, ast.Pass)):
        return
    targets = assigned(statement)
    try:
        (name,) = targets
        value = evaluator.value(statement.value)  # type: ignore[attr-defined]  # one target: an assignment
    except (Unknown, ValueError, AttributeError):
        for name, line in names_stored(statement):
            evaluator.names.pop(name, None)
            if name in known:
                reading.unknown[name] = line
        return
    evaluator.names[name] = value
    reading.unknown.pop(name, None)
    if name in known:
        reading.settings.append(Setting(name, value, statement.lineno))


def assigned(statement: ast.stmt) -> list[str]:
    """The plain names that an assignment sets; none of anything else."""
    if isinstance(statement, ast.Assign):
        return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and statement.value is not None and isinstance(statement.target, ast.Name):
        return [statement.target.id]
    return []


def names_stored(statement: ast.stmt) -> list[tuple[str, int]]:
    """Every name that a statement may set, at any depth."""
    nodes = ast.walk(statement)
    return [(node.id, node.lineno) for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


class Evaluator:
    """Values of expressions of literals, earlier names, arithmetic, the environment and the number of processors."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.names: dict[str, Any] = {}
        self.environ = environ

    def value(self, node: ast.expr) -> Any:
        """The value of an expression. Raises Unknown."""
        try:
            value = self.evaluate(node)
        except (TypeError, ValueError, ArithmeticError, LookupError):
            raise Unknown from None
        if isinstance(value, (str, bytes, list, tuple)) and len(value) > LONGEST:
            raise Unknown
        return value

    def evaluate(self, node: ast.expr) -> Any:
        """One node: what stands for itself, else what is made of others."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return [self.value(part) for part in parts]
            case ast.Dict(keys=keys, values=values):
                return {self.value(key): self.value(each) for key, each in zip(keys, values, strict=True) if key is not None}
            case ast.JoinedStr(values=values):
                return "".join(str(self.value(part)) for part in values)
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return self.value(value)
        return self.computed(node)

    def computed(self, node: ast.expr) -> Any:
        """Operators, conditions, and calls of what is known."""
        match node:
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in OPERATORS:
                return self.sum(OPERATORS[type(sign)], self.value(left), self.value(right))
            case ast.BoolOp(op=sign, values=values):
                return self.choice(isinstance(sign, ast.Or), values)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.value(body if self.value(test) else other)
            case ast.Subscript(value=ast.Attribute() as place, slice=key) if dotted(place) == "os.environ":
                return self.environ[self.value(key)]
            case ast.Call(func=function, args=arguments, keywords=[]):
                return self.called(dotted(function), [self.value(each) for each in arguments])
        raise Unknown

    def sum(self, sign: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        """Arithmetic that cannot run away: a long text is nobody's setting."""
        if isinstance(left, (str, list)) and isinstance(right, int) and len(left) * right > LONGEST:
            raise Unknown
        return sign(left, right)

    def choice(self, either: bool, values: list[ast.expr]) -> Any:
        """`or` and `and`."""
        found = None
        for each in values:
            found = self.value(each)
            if bool(found) == either:
                break
        return found

    def called(self, name: str, arguments: list[Any]) -> Any:
        """A call of a function that is known."""
        if name in ENVIRONMENT:
            return self.environ.get(*arguments)
        if name not in CALLS:
            raise Unknown
        return CALLS[name](*arguments)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression that is a name; empty of any other."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".removeprefix(".")
    return ""
