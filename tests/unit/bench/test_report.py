"""The benchmark's report as text."""

from figures import Column
from report import Row, Section, complaints, document, table

COLUMNS = (Column("rate", "requests/s", ratio=True), Column("failed", "failed", summary="total"))
PREFORK = Row("prefork", [{"rate": 100.0, "failed": 0.0}, {"rate": 300.0, "failed": 0.0}, {"rate": 200.0, "failed": 0.0}])
PEER = Row("peer", [{"rate": 50.0, "failed": 2.0}, {"rate": 50.0, "failed": 1.0}], ["no answer after 30 s: a | b"])


def section(*rows: Row) -> Section:
    return Section("Hello", "How it is measured.", COLUMNS, rows)


def test_the_table_has_a_line_for_each_server_with_ratios_to_prefork() -> None:
    assert table(section(PREFORK, PEER)).splitlines() == [
        "| server | requests/s | failed |",
        "| --- | ---: | ---: |",
        "| prefork | 200 | 0 |",
        "| peer | 50 (0.25×) | 3 |",
    ]


def test_without_prefork_there_are_figures_and_no_ratios() -> None:
    assert table(section(PEER)).splitlines()[-1] == "| peer | 50 | 3 |"


def test_a_server_that_never_came_up_has_a_row_of_dashes_and_its_reason() -> None:
    broken = section(PREFORK, Row("broken", [], ["ended with exit code 1: boom"]))
    assert table(broken).splitlines()[-1] == "| broken | – | – |"
    assert complaints(broken) == "- **broken failed:** ended with exit code 1: boom"


def test_a_reason_cannot_break_a_table() -> None:
    assert "|" not in complaints(section(PEER))


def test_the_document_names_machine_servers_and_what_was_left_out() -> None:
    text = document({"processor": "2 × x"}, {"peer": "peer 1.0, sync"}, {"bjoern": "no ev.h"}, [section(PREFORK, PEER)])
    order = [
        "- processor: 2 × x",
        "- peer: peer 1.0, sync",
        "could not be installed",
        "- bjoern: no ev.h",
        "## Hello",
        "How it is measured.",
        "| prefork |",
    ]
    positions = [text.index(part) for part in order]
    assert positions == sorted(positions)


def test_a_complete_run_says_nothing_of_what_was_left_out() -> None:
    assert "Left out" not in document({}, {}, {}, [section(PREFORK)])
