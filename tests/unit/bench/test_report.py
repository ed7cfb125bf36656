"""The benchmark's report as text."""

from figures import Column
from report import Heading, Row, Section, complaints, document, table

COLUMNS = (Column("rate", "requests/s", ratio=True), Column("failed", "failed", summary="total"))
HEADING = Heading("Benchmarks", "make bench", "Read this first.")
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


def test_a_scenario_may_compare_with_another_server_than_prefork() -> None:
    assert table(Section("Hello", "", COLUMNS, [PREFORK, PEER], reference="peer")).splitlines()[-2:] == [
        "| prefork | 200 (4.00×) | 0 |",
        "| peer | 50 | 3 |",
    ]


def test_a_picture_follows_its_table() -> None:
    text = document(HEADING, {}, {}, {}, [Section("Leak", "", COLUMNS, [PEER], picture="leak.svg")])
    assert text.index("| peer |") < text.index("![Leak](leak.svg)")


def test_a_server_that_never_came_up_has_a_row_of_dashes_and_its_reason() -> None:
    broken = section(PREFORK, Row("broken", [], ["ended with exit code 1: boom"]))
    assert table(broken).splitlines()[-1] == "| broken | – | – |"
    assert complaints(broken) == "- **broken failed:** ended with exit code 1: boom"


def test_a_reason_cannot_break_a_table() -> None:
    assert "|" not in complaints(section(PEER))


def test_the_document_names_machine_servers_and_what_was_left_out() -> None:
    text = document(HEADING, {"processor": "2 × x"}, {"peer": "peer 1.0, sync"}, {"bjoern": "no ev.h"}, [section(PREFORK, PEER)])
    order = [
        "# Benchmarks",
        "Written by `make bench`; every server has two workers",
        "Read this first.",
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
    assert "Left out" not in document(HEADING, {}, {}, {}, [section(PREFORK)])
