"""The traffic of the predictions' benchmark, and how it is written into its page."""

import pytest

from predicted.cells import Cell
from predicted.mixes import MIXES, RACE
from predicted.page import BEGIN, END, part, replaced
from predicted.race import Runner

FACTS = {"date": "2026-01-02", "processor": "2 × CPU", "memory": "4 GiB", "python": "3.11.2"}
SECONDS = {"cell": 12.0, "race": 80.0}


def cell(predicted: float, measured: float, *, saturated: bool = False, recorded: bool = False) -> Cell:
    return Cell("light", 2, recorded, predicted, measured, saturated, 0.5, 100, 0)


@pytest.mark.parametrize("mix", [*MIXES, RACE], ids=lambda mix: mix.name)
def test_traffic_is_the_same_each_time_and_in_order(mix) -> None:
    items = mix.items(20.0)
    assert items == mix.items(20.0)
    assert [item.at for item in items] == sorted(item.at for item in items)
    assert len(items) > 50
    assert all(item.cpu >= 0 and item.io >= 0 and item.cpu + item.io > 0 for item in items)


def test_there_are_six_mixes_of_four_cells() -> None:
    assert len({mix.name for mix in MIXES}) == 6
    assert all(len(set(mix.counts)) == 4 and list(mix.counts) == sorted(mix.counts) for mix in MIXES)


@pytest.mark.parametrize(("predicted", "right"), [(0.08, True), (0.13, False), (0.125, True), (0.074, False)])
def test_right_is_a_quarter_or_ten_milliseconds(predicted: float, right: bool) -> None:
    assert cell(predicted, 0.1).right is right
    assert cell(0.009, 0.0).right


def test_the_page_names_what_is_saturated_what_is_recorded_and_what_is_wrong() -> None:
    cells = [cell(2.0, 2.1, saturated=True), cell(0.045, 0.04, recorded=True), cell(0.5, 0.1)]
    text = part(FACTS, MIXES, cells, [Runner("auto", "`workers = auto`", 0.001, 0.02, 0.3, 120.0, 5, 0)], SECONDS)
    assert "2 of 3 are right" in text
    assert "| 2 | 50% | 2000.0 ms | 2100.0 ms | -100.0 ms | saturated |" in text
    assert "| 2 • |" in text
    assert "| +400.0 ms | **wrong** |" in text
    assert "| auto | `workers = auto` | 1 ms | 20 ms | 300 ms | 120 | 5 | 0 |" in text


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nbehind\n"
    assert replaced(page, "new\n") == f"before\n{BEGIN}\nnew\n{END}\nbehind\n"
    with pytest.raises(ValueError, match="lacks"):
        replaced("nothing", "new")
