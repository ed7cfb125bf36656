"""The catalogue of events: each has a name, a level and a sentence that says all it should."""

from __future__ import annotations

import json
import re
import string

import pytest

from prefork.events import CATALOGUE, LEVELS, Access, Event, Starting, TemplateFailed, WorkerDied, WorkerReady
from prefork.events.event import worded

VALUES: dict[str, object] = {
    "str": "text",
    "int": 7,
    "float": 1.23456,
    "bool": True,
    "str | None": "Traceback:\n  boom\n",
    "tuple[str, ...]": ("one", "two"),
    "dict[str, str]": {"one": "two"},
}


def example(kind: type[Event]) -> Event:
    return kind(**{name: VALUES[text] for name, text in kind.fields.items()})


@pytest.mark.parametrize("kind", CATALOGUE, ids=lambda kind: kind.name())
class TestEvery:
    def test_level_and_documentation(self, kind: type[Event]) -> None:
        assert kind.level in LEVELS
        assert kind.__doc__
        assert kind.__doc__ != Event.__doc__

    def test_sentence(self, kind: type[Event]) -> None:
        sentence = example(kind).sentence()
        assert sentence
        assert not re.search(r"[{}]|None|\('", sentence), "a field is not put into words"
        assert not sentence.partition("\n")[0].endswith(".")

    def test_what_is_not_in_the_sentence_is_the_traceback_or_the_generation(self, kind: type[Event]) -> None:
        said = {name for _, name, _, _ in string.Formatter().parse(kind.wording) if name}
        names = set(kind.fields)
        assert said <= names
        for_programs = {"protocol", "referer", "user_agent"} if kind is Access else set()
        assert names - said <= {"traceback", "generation"} | for_programs

    def test_values_are_json(self, kind: type[Event]) -> None:
        values = json.loads(json.dumps(example(kind).values()))
        assert list(values) == list(kind.fields)
        assert not set(values) & {"time", "process", "level", "event", "message"}, "every line of the log has these"


def test_names_are_unique_and_readable() -> None:
    names = [kind.name() for kind in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert WorkerReady.name() == "worker_ready"


def test_a_traceback_follows_its_sentence() -> None:
    event = TemplateFailed(3, "ImportError: no", "Traceback:\n  boom\n\n")
    assert event.sentence() == "Template of generation 3 failed: ImportError: no\nTraceback:\n  boom"
    assert TemplateFailed(3, "gone", None).sentence() == "Template of generation 3 failed: gone"


def test_braces_in_a_field_are_only_text() -> None:
    assert Starting("1.0", "{version}{0}").sentence() == "Prefork 1.0 starts {version}{0}"
    assert "{pid" in WorkerDied("http.1", 5, "{pid").sentence()


@pytest.mark.parametrize(
    ("value", "words"), [(1.23456, 1.235), (("a", "b"), "a, b"), ((), ""), ([1, 2], "1, 2"), (7, 7), (True, True)]
)
def test_values_in_words(value: object, words: object) -> None:
    assert worded(value) == words


def test_an_event_says_all_that_its_kind_does_and_nothing_else() -> None:
    ready = WorkerReady("http.1", 42, generation=1, seconds=0.5)
    assert ready == WorkerReady("http.1", 42, 1, 0.5)
    assert ready != WorkerReady("http.1", 43, 1, 0.5)
    assert repr(ready) == "WorkerReady(worker='http.1', pid=42, generation=1, seconds=0.5)"
    with pytest.raises(TypeError, match=r"WorkerReady has the fields worker, pid, generation, seconds, and not worker, pid$"):
        WorkerReady("http.1", 42)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="and not worker, pid, generation, seconds, weather"):
        WorkerReady("http.1", 42, 1, 0.5, weather="fine")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        WorkerReady("http.1", 42, 1, 0.5, "fine")  # type: ignore[call-arg]
