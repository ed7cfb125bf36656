"""Which line of a worker's stacks is shown as the guilty one."""

from prefork.console.pages.stack import culprit, lines

STACKS = """\
Thread 0x2 (most recent call first):
  File "/srv/shop/idle.py", line 3 in wait

Current thread 0x1 (most recent call first):
  File "/usr/lib/python3.11/json/encoder.py", line 258 in iterencode
  File "/srv/shop/totals.py", line 8 in totals
  File "/srv/shop/totals.py", line 87 in totals
"""


def looks(stacks: str) -> dict[str, str]:
    return {line.text.strip(): line.look for line in lines(stacks)}


def test_the_applications_innermost_frame_of_the_thread_at_work_is_guilty() -> None:
    shown = looks(STACKS)
    assert shown['File "/srv/shop/totals.py", line 8 in totals'] == "guilty"
    assert list(shown.values()).count("guilty") == 1
    assert shown["Current thread 0x1 (most recent call first):"] == "head"
    assert shown['File "/srv/shop/idle.py", line 3 in wait'] == "frame"


def test_a_line_is_not_taken_for_one_with_more_digits() -> None:
    frame = '  File "/srv/shop/totals.py", line 87 in caller\n  File "/srv/shop/totals.py", line 8 in totals\n'
    traceback = f"Traceback (most recent call last):\n{frame}"
    assert [line.look for line in lines(traceback)] == ["head", "frame", "guilty"]


def test_without_a_frame_nobody_is_to_blame() -> None:
    assert culprit("it wrote nothing") == ""
    assert [line.look for line in lines("it wrote nothing")] == ["head"]
    assert lines("") == []


def test_the_culprit_in_a_few_words() -> None:
    assert culprit(STACKS) == "totals.py:8 in totals"
    assert culprit('  File "/srv/a.py", line 7') == "a.py:7"
