import dataclasses
from typing import Annotated, Any, NamedTuple

import pytest

from fwdad import schema
from fwdad.schema import Count, Range, Share


class Row(NamedTuple):
    epoch: Annotated[int, Range(1)]
    share: Share | None


@dataclasses.dataclass
class Sheet:
    name: str
    sizes: tuple[Count, ...]
    rows: list[Row]
    more: dict[str, Any]
    flag: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)


GOOD = {"name": "x", "sizes": [1, 2], "rows": [[1, 0.5], [2, None]], "more": {}, "flag": True, "notes": []}


def test_what_fits_is_read():
    sheet = schema.read(Sheet, GOOD)
    assert sheet == Sheet("x", (1, 2), [Row(1, 0.5), Row(2, None)], {}, True)
    assert (
        schema.read(Sheet, {name: GOOD[name] for name in ("name", "sizes", "rows", "more")}, partial=True).notes == []
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": 3}, "name must be a text, but is 3"),
        ({"sizes": "12"}, "sizes must be a list, but is '12'"),
        ({"sizes": [1, -1]}, r"sizes\[1\] must be from 0 to 9223372036854775807, but is -1"),
        ({"sizes": [True]}, r"sizes\[0\] must be an integer, but is True"),
        ({"sizes": [1.0]}, r"sizes\[0\] must be an integer, but is 1.0"),
        ({"rows": [[1]]}, r"rows\[0\] must have 2 values, but has 1"),
        ({"rows": [[0, 0.5]]}, r"rows\[0\].epoch must be at least 1, but is 0"),
        ({"rows": [[1, 2]]}, r"rows\[0\].share must be from 0 to 1, but is 2"),
        ({"rows": [{"epoch": 1}]}, r"rows\[0\].share is missing"),
        ({"more": None}, "more must be an object, but is None"),
        ({"flag": 1}, "flag must be true or false, but is 1"),
        ({"other": 1}, "other is unknown"),
        ({"x" * 1000: 1}, "x{40} is unknown"),
        ({"name": ["x" * 1000]}, r"name must be a text, but is \['x{55}\.\.\."),
    ],
)
def test_what_does_not_is_named(changes, says):
    with pytest.raises(ValueError, match=f"^{says}$"):
        schema.read(Sheet, GOOD | changes)


@pytest.mark.parametrize("name", GOOD)
def test_nothing_may_be_missing(name):
    with pytest.raises(ValueError, match=f"^{name} is missing$"):
        schema.read(Sheet, {key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize("value", [None, 3, [], "x"])
def test_no_object_at_all(value):
    with pytest.raises(ValueError, match=r"^the value must be an object"):
        schema.read(Sheet, value)
