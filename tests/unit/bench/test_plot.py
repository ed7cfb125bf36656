"""Curves as SVG."""

import re
import xml.etree.ElementTree as ET

import pytest

from plot import drawing, multiples, round_step

SVG = "{http://www.w3.org/2000/svg}"


def lines(text: str) -> list[list[tuple[float, float]]]:
    drawn = ET.fromstring(text).iter(f"{SVG}polyline")
    return [[(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", line.get("points", ""))] for line in drawn]


def test_each_curve_is_a_line_with_its_name() -> None:
    text = drawing({"prefork": [(0, 10), (100, 20)], "a & b": [(0, 0), (50, 400)]}, "requests", "MiB")
    first, second = lines(text)
    assert len(first) == len(second) == 2
    said = [each.text for each in ET.fromstring(text).iter(f"{SVG}text")]
    assert {"prefork", "a & b", "requests", "MiB", "0", "100", "400"} <= set(said)


def test_more_is_higher_and_later_is_further_right() -> None:
    [[(x, y), (later, higher)]] = lines(drawing({"one": [(0, 10), (100, 20)]}, "x", "y"))
    assert later > x
    assert higher < y


def test_a_picture_without_a_curve_is_still_a_picture() -> None:
    assert lines(drawing({}, "x", "y")) == []


@pytest.mark.parametrize(("largest", "step"), [(1.0, 0.2), (843.0, 200.0), (2000.0, 500.0), (2136.0, 500.0), (5.1, 2.0)])
def test_the_grid_has_round_numbers(largest: float, step: float) -> None:
    assert round_step(largest) == pytest.approx(step)


def test_the_last_line_of_the_grid_is_the_largest_value_where_that_is_round() -> None:
    assert multiples(0.1, 0.3) == pytest.approx([0, 0.1, 0.2, 0.3])
