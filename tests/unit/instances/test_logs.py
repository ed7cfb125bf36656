"""The end of a log, line by line."""

from pathlib import Path

from prefork.instances.logs import PART, Line, tail

TEXT = """\
2026-11-21 17:08:17,362 4000 INFO prefork: Listening on http://127.0.0.1:8069
2026-11-21 17:08:18,001 4000 ERROR prefork: Worker http.1 died
Traceback (most recent call last):
  File "a.py", line 1
2026-11-21 17:08:19,500 4000 WARNING prefork: The queue is full
"""
JSON = (
    '{"time": "2026-11-21T17:08:17.362", "process": 1, "level": "warning", "event": "queue_full", "message": "The queue is full"}\n'
)


def write(path: Path, text: str) -> Path:
    file = path / "prefork.log"
    file.write_text(text)
    return file


def test_a_traceback_belongs_to_its_line(tmp_path: Path) -> None:
    found = tail(write(tmp_path, TEXT), "debug", "", 10)
    assert [line.level for line in found] == ["info", "error", "warning"]
    assert found[1].time == "2026-11-21 17:08:18"
    assert found[1].text.endswith('died\nTraceback (most recent call last):\n  File "a.py", line 1')


def test_lines_are_chosen_by_level_and_text(tmp_path: Path) -> None:
    file = write(tmp_path, TEXT)
    assert [line.level for line in tail(file, "warning", "", 10)] == ["error", "warning"]
    assert [line.level for line in tail(file, "debug", "QUEUE", 10)] == ["warning"]
    assert [line.level for line in tail(file, "debug", "", 1)] == ["warning"]


def test_json_is_understood_and_what_is_not_is_shown(tmp_path: Path) -> None:
    broken = '{"time": 1}\n'
    assert tail(write(tmp_path, broken + JSON), "debug", "", 10) == [
        Line("", "info", broken.strip()),
        Line("2026-11-21 17:08:17", "warning", "The queue is full"),
    ]


def test_of_a_large_file_only_the_end_is_read_from_a_whole_line_on(tmp_path: Path) -> None:
    lines = "".join(f"2026-11-21 17:08:17,362 1 INFO prefork: number {number:09}\n" for number in range(PART // 50))
    found = tail(write(tmp_path, lines), "debug", "", PART)
    assert 0 < len(found) < PART // 50
    assert all(line.time for line in found)
    assert tail(write(tmp_path, ""), "debug", "", 10) == []
