"""The tables refuse a second entry of a function, and say where both are."""

import numpy as np
import pytest

from fwdad.dual import RULES
from fwdad.rules import forms


def test_a_second_entry_is_refused_by_name():
    rule = RULES[np.kron]
    with pytest.raises(
        ValueError, match=r"np\.kron is entered twice .* at fwdad\.rules\.products:\d+ and at .*test_forms:\d+"
    ):
        forms.composed(np.kron)(lambda a, b: a)
    assert RULES[np.kron] is rule


@pytest.mark.parametrize(
    "enter",
    [
        lambda f: forms.unary(f, 1),
        lambda f: forms.binary(f, 1, 1),
        lambda f: forms.constant(f),
        lambda f: forms.linear(f),
        lambda f: forms.reshaping(f),
        lambda f: forms.bilinear(f, np.matmul),
        lambda f: forms.rule_for(f)(lambda x: x),
        lambda f: forms.composed(f)(lambda x: x),
    ],
)
def test_every_form_refuses(enter):
    with pytest.raises(ValueError, match="entered twice"):
        enter(np.sin)


def test_a_binary_row_takes_no_form_of_a_unary_one():
    for partial in (forms.OneOver(np.sin), forms.Tangent(np.sin)):
        with pytest.raises(TypeError, match=r"for unary rows; .* shortcut"):
            forms.binary(lambda x, y: x, partial, 1)
