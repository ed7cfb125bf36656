"""Puts the layers together: file, then environment, then flags, each over the one before.

`load` reads everything before it complains, so that one run shows all problems. `locate` finds the data directory alone, so that a
running server can be asked and stopped while its file is being edited, and `values` a few options.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefork.config import tree
from prefork.config.checks import contradictions
from prefork.config.groups.application import odoo_in
from prefork.config.hosted import ODOO_KEYS, SHARED
from prefork.config.obstacles import obstacles
from prefork.config.option import Surroundings
from prefork.config.problems import ConfigurationError, Problem, Source
from prefork.config.reader import OPTIONS as OPTIONS_SECTION
from prefork.config.reader import Reading, read_file
from prefork.config.settings import NAMES, OPTIONS, Origin, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

PREFIX = "PREFORK_"
DEFAULT_FILE = "prefork.conf"
# Kubernetes sets these in every container when a service is called "prefork".
SERVICE_VARIABLE = re.compile(r"PREFORK_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)")


@dataclass(frozen=True, slots=True)
class Text:
    """What one layer says about one key, not yet parsed. Relative paths begin at `base`."""

    key: str
    text: str
    source: Source
    base: Path


@dataclass(slots=True)
class Draft:
    """The settings in the making."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    written: dict[str, Text] = field(default_factory=dict)
    host_options: dict[str, str] = field(default_factory=dict)
    host_told: dict[str, str] = field(default_factory=dict)
    hosted: dict[str, Source] = field(default_factory=dict)
    strange: list[tuple[str, Source]] = field(default_factory=list)
    host_sections: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    unread: bool = False  # there is a file, and what it says is not known


def load(file: Path | None, flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path, *, permitted: bool = True) -> Settings:
    """The effective settings. `flags` maps option names to text. Raises ConfigurationError with every problem.

    What the system permits is that of our account: who reads the settings of another one's server leaves it out.
    """
    draft = gather(file, flags, environ, cwd)
    chosen = config_file(file, environ, cwd)
    settings = Settings(
        **draft.values,
        file=Path(os.path.abspath(cwd / chosen)) if chosen else None,
        host_options=draft.host_options,
        host_sections=draft.host_sections,
        host_told=draft.host_told,
        sources=draft.sources,
        remarks=tuple(draft.remarks),
        origin=Origin(file, dict(flags), cwd),
        surroundings=Surroundings(cwd, environ),
    )
    draft.problems += contradictions(settings, draft.broken)
    if permitted:
        draft.problems += obstacles(settings, draft.broken)
    if draft.problems:
        raise ConfigurationError(draft.problems, settings, draft.broken)
    return settings


def locate(file: Path | None, flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path) -> Path:
    """The data directory, whatever else is wrong. Raises ConfigurationError when just that cannot be told."""
    draft = gather(file, flags, environ, cwd)
    places = {name: draft.values[name] for name in ("app_dir", "data_dir") if name in draft.values}
    settings = Settings(**places, surroundings=Surroundings(cwd, environ))
    if (draft.unread and "data_dir" not in places) or draft.broken & {"app_dir", "data_dir"}:
        raise ConfigurationError(draft.problems, settings, draft.broken)
    return settings.data_dir


def values(
    names: Collection[str], file: Path | None, flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path
) -> dict[str, Any]:
    """What is given for a few options, None for nothing, whatever else is wrong. Raises ConfigurationError for one of these."""
    draft = gather(file, flags, environ, cwd)
    if draft.unread or draft.broken & set(names):
        raise ConfigurationError(draft.problems, Settings(surroundings=Surroundings(cwd, environ)), draft.broken)
    return {name: draft.values.get(name) for name in names}


def gather(file: Path | None, flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path) -> Draft:
    """Read all layers and parse each value."""
    draft = Draft()
    chosen = config_file(file, environ, cwd)
    if chosen is not None:
        take_file(draft, read_file(cwd / chosen, str(chosen)), (cwd / chosen).parent)
    for text in from_environment(draft, environ, cwd):
        draft.written[text.key] = text
    for name, flag in flags.items():
        draft.written[name] = Text(name, flag, Source("flag", OPTIONS[name].spelled(flag)), cwd)
    for name, text in draft.written.items():
        parse(draft, name, text)
        if name in ODOO_KEYS:  # ours and the host's
            draft.host_options[name] = text.text
            if text.source.layer != "file":
                draft.host_told[name] = text.text
    judge_hosted(draft)
    return draft


def judge_hosted(draft: Draft) -> None:
    """A key that nobody knows is a mistake, but with Odoo it may be an add-on's; and not each Odoo reads all of its own keys."""
    odoo = draft.values.get("odoo") or odoo_in(draft.values.get("app"))
    if odoo and (found := tree.version(odoo)):
        for key in tree.unread(odoo, draft.hosted):
            draft.remarks.append(draft.hosted[key].problem(key, f"Odoo {found[0]}.{found[1]} does not read it"))
    for key, source in draft.strange:
        if odoo:
            sentence = f"neither Prefork nor Odoo itself knows it, an add-on may{did_you_mean(key, ending='')}"
            draft.remarks.append(source.problem(key, sentence))
        else:
            del draft.host_options[key]
            draft.problems.append(source.problem(key, f"there is no such option{did_you_mean(key)}"))


def config_file(file: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The file to read: the one asked for, `PREFORK_CONFIG`, ./prefork.conf where it exists, or Odoo's `ODOO_RC`."""
    if file is not None:
        return file
    if environ.get("PREFORK_CONFIG"):
        return Path(environ["PREFORK_CONFIG"])
    if os.path.exists(cwd / DEFAULT_FILE):
        return Path(DEFAULT_FILE)
    return Path(environ["ODOO_RC"]) if environ.get("ODOO_RC") else None


def take_file(draft: Draft, reading: Reading, base: Path) -> None:
    """Sort a file's entries: options, the host's keys and sections, and keys that nobody knows."""
    draft.problems += reading.problems
    draft.unread = reading.unread
    for entry in reading.entries:
        source = Source("file", reading.name, entry.line)
        if entry.commented:
            name = NAMES.get(entry.key, entry.key)
            draft.host_told[name if name in SHARED else entry.key] = entry.text
        if entry.section != OPTIONS_SECTION:
            draft.host_sections.setdefault(entry.section, {})[entry.key] = entry.text
        elif entry.key in NAMES:
            take(draft, Text(entry.key, entry.text, source, base))
        elif entry.key in ODOO_KEYS:
            draft.host_options[entry.key] = entry.text
            draft.hosted[entry.key] = source
        else:
            draft.host_options[entry.key] = entry.text
            draft.strange.append((entry.key, source))
    for section in sorted(draft.host_sections):
        if is_ours(section):
            draft.problems.append(Problem(reading.name, f"the section [{section}] is not read; did you mean [{OPTIONS_SECTION}]?"))


def take(draft: Draft, text: Text) -> None:
    """Take a text from the file, where an option may stand under two of its names if they agree or one is unset."""
    name = NAMES[text.key]
    earlier = draft.written.get(name)
    unset = OPTIONS[name].kind.unset
    if earlier is None or earlier.text.lower() in unset:
        draft.written[name] = text
    elif text.text.lower() not in unset and text.text != earlier.text:
        sentence = f"line {earlier.source.line} sets the same option, as {earlier.key}, to something else; remove one of the two"
        draft.problems.append(text.source.problem(text.key, sentence))
        draft.broken.add(name)


def from_environment(draft: Draft, environ: Mapping[str, str], cwd: Path) -> Iterator[Text]:
    """The texts of PREFORK_ variables. A stranger's is a warning only: other tools may have set it."""
    for variable in sorted(environ):
        key = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or variable == "PREFORK_CONFIG":
            continue
        if key in NAMES:
            yield Text(NAMES[key], environ[variable], Source("environment", variable), cwd)
        elif key in ODOO_KEYS:
            draft.host_options[key] = draft.host_told[key] = environ[variable]
        elif not SERVICE_VARIABLE.fullmatch(variable):
            guess = did_you_mean(key, lambda name: PREFIX + name.upper())
            draft.remarks.append(Problem(variable, f"the variable sets no option{guess}"))


def parse(draft: Draft, name: str, text: Text) -> None:
    """Parse one text into a value. A word for unset brings the default back."""
    each = OPTIONS[name]
    stripped = text.text.strip()
    if stripped.lower() in each.kind.unset:
        return
    draft.sources[name] = text.source
    try:
        draft.values[name] = each.parse(stripped, Path(os.path.abspath(text.base)))
    except ValueError as error:
        draft.broken.add(name)
        draft.problems.append(text.source.problem(text.key, str(error)))


def is_ours(section: str) -> bool:
    """Whether the header of a section looks like a slip, and not like somebody else's."""
    from difflib import get_close_matches

    name = section.lower()
    if name in {"prefork", OPTIONS_SECTION}:
        return True
    return OPTIONS_SECTION not in name and bool(get_close_matches(name, [OPTIONS_SECTION], cutoff=0.75))


def did_you_mean(key: str, spelled: Callable[[str], str] = str, ending: str = "; `prefork serve --help` lists all options") -> str:
    """The known name closest to an unknown one, as the end of a sentence; `ending` where none is close."""
    from difflib import get_close_matches

    found = get_close_matches(key.replace("-", "_"), sorted(NAMES.keys() | ODOO_KEYS), n=1, cutoff=0.7)
    return f"; did you mean {spelled(found[0])}?" if found else ending
