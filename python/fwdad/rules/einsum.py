"""np.einsum: linear in each operand, dy_i = sum_o einsum(..., dx_o with a k axis, ...)."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from fwdad.dual import Array, Dual, highest_level, split
from fwdad.rules.forms import constant, moves, reject_duals, rule_for

LETTERS = string.ascii_uppercase + string.ascii_lowercase  # in the order in which NumPy sorts labels

constant(np.einsum_path)


@rule_for(np.einsum)
def _einsum(*operands: Any, **options: Any) -> Array:
    reject_duals(np.einsum, (), options)
    inputs, output, arrays = parse(operands)
    level = highest_level(arrays)
    pairs = [split(array, level) for array in arrays]
    values = [primal for primal, _ in pairs]
    answer = np.einsum(f"{','.join(inputs)}->{output}", *values, **options)
    if not moves(answer):  # dtype=int
        return answer
    k = unused_letter(inputs)
    tangent: Array = None
    for i, (_, moving) in enumerate(pairs):
        if moving is None:
            continue
        under_k = [k + labels if j == i else labels for j, labels in enumerate(inputs)]
        term = np.einsum(
            f"{','.join(under_k)}->{k}{output}", *(moving if j == i else v for j, v in enumerate(values)), **options
        )
        tangent = term if tangent is None else tangent + term
    return Dual(answer, tangent.astype(answer.dtype), level)


def parse(operands: tuple[Any, ...]) -> tuple[list[str], str, list[Array]]:
    """Return each operand's labels, the answer's labels and the operands, from either of np.einsum's two notations."""
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0].replace(" ", ""), list(operands[1:])
    else:
        pairs = len(operands) // 2
        arrays = list(operands[: 2 * pairs : 2])
        subscripts = ",".join(letters(labels) for labels in operands[1 : 2 * pairs : 2])
        if len(operands) % 2:
            subscripts += "->" + letters(operands[-1])
    left, arrow, output = subscripts.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(arrays):
        raise ValueError(f"np.einsum: {subscripts!r} names {len(inputs)} operands, got {len(arrays)}")
    if not arrow:
        labels = left.replace(",", "").replace(".", "")
        once = "".join(label for label in sorted(set(labels)) if labels.count(label) == 1)
        output = ("..." if "..." in left else "") + once
    return inputs, output, arrays


def letters(labels: Any) -> str:
    """Write integer labels as letters."""
    return "".join("..." if label is Ellipsis else LETTERS[label] for label in labels)


def unused_letter(inputs: list[str]) -> str:
    """Choose a label for the k axis that the user does not use.

    Raises ValueError if all 52 are taken.
    """
    free = sorted(set(LETTERS) - set("".join(inputs)))
    if not free:
        raise ValueError("np.einsum on a Dual needs one of the 52 labels for its k axis, and all are in use")
    return free[0]
