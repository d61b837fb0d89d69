"""The random contract: words by known answers and by another derivation, values bit for bit in every body."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fwdad.kernels import Stream, philox
from fwdad.kernels import generate as public_generate
from fwdad.kernels.generate import generate_reference

CSRC = Path(__file__).parents[2] / "csrc"
DTYPES = [np.float32, np.float64]
KNOWN = [
    [int(word, 16) for word in line.split()]
    for line in Path(__file__).with_name("philox_known_answers.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def examples(dtype):
    for kind in ("normal", "rademacher"):
        for k, shape in [(2, ()), (1, (0,)), (3, (7,)), (300, (2, 3)), (5, (300, 130)), (3, (40000,))]:
            yield (Stream(1, 2, 3, kind, k, shape, dtype),)


@pytest.mark.parametrize("numbers", KNOWN)
def test_known_answers(numbers):
    words = philox.philox4x32(tuple(numbers[:4]), tuple(numbers[4:6]))
    assert [int(w) for w in words] == numbers[6:]
    assert philox_by_integers(numbers[:4], numbers[4:6]) == numbers[6:]


@pytest.mark.skipif(not CSRC.exists(), reason="the sources of the native kernels are not here")
def test_the_constants_of_the_sources_are_the_specifications():
    """To the bit: csrc/constants.hpp and csrc/formulas.hpp, beside philox.py."""
    text = "".join((CSRC / name).read_text(encoding="utf-8") for name in ("constants.hpp", "formulas.hpp"))

    def numbers(name, parse):
        (values,) = re.findall(rf"\b{name}(?:\[\])? = (\{{[^}}]*\}}|[^,;]*)[,;]", text)
        return tuple(parse(value.strip().rstrip("fu")) for value in values.strip("{}").split(","))

    assert numbers("log_terms", float.fromhex) == philox.LOG
    assert numbers("sin_terms", float.fromhex) == philox.SIN
    assert numbers("cos_terms", float.fromhex) == philox.COS
    assert numbers("minus_2_ln_2", float.fromhex) == (philox.MINUS_2_LN_2,)
    for j in (0, 1):
        assert numbers(f"philox_multiplier{j}", lambda word: int(word, 16)) == (philox.MULTIPLIERS[j],)
        assert numbers(f"philox_weyl{j}", lambda word: int(word, 16)) == (philox.WEYL[j],)


def philox_by_integers(counter, key):
    """Philox4x32-10 in Python's integers: two multiplications a round, the words crossed over, the key stepped."""
    a, b, c, d = counter
    k, l = key  # noqa: E741
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ k, right % 2**32, (left >> 32) ^ d ^ l, left % 2**32
        k, l = (k + 0x9E3779B9) % 2**32, (l + 0xBB67AE85) % 2**32  # noqa: E741
    return [a, b, c, d]


def entry_by_contract(stream, i, row, column):
    """One entry, from docs/random-contract.md alone: words from integers, normals in double precision."""
    per_call = {"normal": 4, "rademacher": 128}[stream.distribution]
    counter = [column, row // per_call, stream.step, i + 2**16 * stream.parameter]
    words = philox_by_integers(counter, [stream.seed % 2**32, stream.seed // 2**32])
    r = row % per_call
    if stream.distribution == "rademacher":
        return -1.0 if words[r // 32] >> (r % 32) & 1 else 1.0
    u = float(np.float32(np.float64(np.float32(words[r // 2 * 2] >> 1)) * 2.0**-31 + 2.0**-32))
    angle = 2 * math.pi * words[r // 2 * 2 + 1] / 2**32
    return math.sqrt(-2 * math.log(u)) * (math.cos(angle) if r % 2 == 0 else math.sin(angle))


SHAPES = [
    (), (1,), (3,), (4,), (5,), (63,), (64,), (65,), (2047,), (2048,), (2049,), (0,), (20000,),
    (1, 1), (3, 5), (4, 16), (5, 17), (8, 15), (9, 48), (127, 3), (128, 4), (129, 33), (300, 70), (0, 4), (4, 0),
    (2, 3, 5), (7, 1, 19), (2, 9000), (9000, 2),
]  # fmt: skip


@pytest.mark.parametrize("distribution", ["normal", "rademacher"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bits_equal_the_reference(generate, fused, shape, distribution):
    for dtype in DTYPES:
        stream = Stream(2**40 + 5, 2**32 - 1, 2**16 - 1, distribution, 3, shape, np.dtype(dtype))
        given, wanted = generate(stream), generate_reference(stream)
        assert given.shape == stream.shape
        assert given.dtype == dtype
        if fused or distribution == "rademacher":
            assert given.tobytes() == wanted.tobytes()
        else:
            assert np.all(np.abs(given - wanted) <= 8 * np.finfo(np.float32).eps * np.abs(wanted))


@pytest.mark.parametrize("distribution", ["normal", "rademacher"])
def test_entries_follow_the_contract(generate, distribution):
    stream = Stream(0x0123456789ABCDEF, 77, 513, distribution, 5, (700, 90))
    values = generate(stream)
    rng = np.random.default_rng(0)
    for i, row, column in zip(*(rng.integers(0, n, 300) for n in stream.shape), strict=True):
        exact = entry_by_contract(stream, int(i), int(row), int(column))
        assert abs(values[i, row, column] - exact) <= 8 * 2.0**-24 * abs(exact)


@pytest.mark.parametrize("distribution", ["normal", "rademacher"])
def test_vectors_are_matrices_read_down_their_columns(generate, distribution):
    stream = Stream(3, 1, 4, distribution, 2, (1000,))
    per_call = stream.rows_per_call
    values = generate(stream)
    for e in (0, 1, 3, 4, 5, 127, 128, 129, 511, 999):
        exact = entry_by_contract(stream, 1, e % per_call, e // per_call)
        assert abs(values[1, e] - exact) <= 8 * 2.0**-24 * abs(exact)
    shorter = generate(replace(stream, primal_shape=(37,)))
    assert np.array_equal(shorter, values[:, :37])


@pytest.mark.parametrize("distribution", ["normal", "rademacher"])
def test_a_part_does_not_depend_on_the_rest(generate, distribution):
    stream = Stream(3, 1, 4, distribution, 7, (200, 100))
    whole = generate(stream)
    part = generate(replace(stream, k=3, primal_shape=(130, 33)))
    assert np.array_equal(part, whole[:3, :130, :33])
    assert np.array_equal(generate(replace(stream, primal_shape=(10, 20, 100))), whole.reshape(7, 10, 20, 100))
    for other in ("seed", "step", "parameter"):
        changed = generate(replace(stream, **{other: getattr(stream, other) + 1}))
        assert np.mean(changed == whole) < 0.55
    assert np.mean(generate(replace(stream, seed=3 + 2**32)) == whole) < 0.55


def test_normals_are_accurate():
    """Within 4 units in the last place of the exact map, over the whole range of both words."""
    rng = np.random.default_rng(1)
    w0, w1 = (rng.integers(0, 2**32, 400_000, dtype=np.uint32) for _ in range(2))
    corners = np.array([0, 1, 2, 3, 2**29 - 1, 2**29, 2**30, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32)
    grid = np.meshgrid(corners, corners)
    w0, w1 = np.concatenate([w0, grid[0].ravel()]), np.concatenate([w1, grid[1].ravel()])
    u = (np.float32(2) ** -31 * (w0 >> np.uint32(1)).astype(np.float32)).astype(np.float64) + 2.0**-32
    radius, angle = np.sqrt(-2 * np.log(u.astype(np.float32).astype(np.float64))), 2 * np.pi / 2**32 * w1
    for value, exact in zip(
        philox.normals_from_words(w0, w1), (radius * np.cos(angle), radius * np.sin(angle)), strict=True
    ):
        away = np.abs(exact) > 1e-12  # cos(pi / 2) is 6e-17 in double precision, zero here
        ulp = np.spacing(np.abs(exact[away]).astype(np.float32)).astype(np.float64)
        assert np.isfinite(value).all()
        assert np.max(np.abs(value[away] - exact[away]) / ulp) < 4
        assert np.max(np.abs(value[~away])) < 1e-7
        assert np.max(np.abs(value)) <= 6.67


def test_emulated_fma_rounds_once():
    rng = np.random.default_rng(2)
    a, b, c = rng.standard_normal((3, 20000)).astype(np.float32)
    c[::2] = -(a * b)[::2] * (1 + rng.integers(-3, 4, 10000) * np.float32(2) ** -24)  # cancellation
    c[1::4] *= np.float32(2) ** rng.integers(-40, 40, 5000)
    exact = np.array([float_of_sum(*t) for t in zip(a, b, c, strict=True)], np.float32)
    assert np.array_equal(philox.fma32(a, b, c), exact)


def float_of_sum(a, b, c):
    """a b + c in exact integers, rounded to 24 bits, ties to even."""
    from fractions import Fraction

    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    if exact == 0:
        return 0.0
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length() - 24
    while size >= Fraction(2) ** (exponent + 24):
        exponent += 1
    while size < Fraction(2) ** (exponent + 23):
        exponent -= 1
    mantissa = round(size / Fraction(2) ** exponent)  # Python rounds ties to even
    return math.copysign(math.ldexp(mantissa, exponent), exact)


def normal_cdf(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def test_normals_are_normal():
    values = public_generate(Stream(11, 0, 0, "normal", 4, (400, 250)))
    n = values.size
    for power, (mean, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        assert abs(np.mean(values.astype(np.float64) ** power) - mean) < 5 * math.sqrt(variance / n)
    ordered = np.sort(values.ravel()).astype(np.float64)
    cdf = normal_cdf(ordered)
    grid = np.arange(n + 1) / n
    distance = max(np.max(grid[1:] - cdf), np.max(cdf - grid[:-1]))
    assert distance < math.sqrt(-math.log(1e-6 / 2) / (2 * n))  # Kolmogorov-Smirnov, at one in a million
    tail = np.mean(np.abs(values) > 3)
    assert abs(tail - 0.0026998) < 5 * math.sqrt(0.0027 / n)


@pytest.mark.parametrize("distribution", ["normal", "rademacher"])
def test_neighbours_are_uncorrelated(distribution):
    values = public_generate(Stream(12, 0, 0, distribution, 3, (256, 400))).astype(np.float64)
    for axis in range(3):
        for lag in (1, 2, 3, 4, 8, 16, 32, 128):
            if lag < values.shape[axis]:
                ahead = np.take(values, range(lag, values.shape[axis]), axis)
                behind = np.take(values, range(values.shape[axis] - lag), axis)
                assert abs(np.mean(ahead * behind)) < 5 / math.sqrt(ahead.size)
                assert abs(np.mean((ahead**2 - 1) * (behind**2 - 1))) < 5 * 2 / math.sqrt(ahead.size)


def test_signs_are_fair():
    values = public_generate(Stream(13, 0, 0, "rademacher", 2, (1280, 300)))
    assert set(np.unique(values)) == {-1.0, 1.0}
    assert abs(values.mean()) < 5 / math.sqrt(values.size)
    assert np.all(np.abs(values.reshape(2, 10, 128, 300).mean((0, 1, 3))) < 5 / math.sqrt(2 * 10 * 300))  # each bit


GOOD = {"seed": 1, "step": 2, "parameter": 3, "distribution": "normal", "k": 4, "primal_shape": (5, 6)}
BAD = [
    ("seed", -1, ValueError, r"seed: expected 0 <= seed < 18446744073709551616, given -1"),
    ("seed", 2**64, ValueError, "seed: expected 0 <= seed"),
    ("seed", 1.5, TypeError, "seed: expected an integer, given float"),
    ("step", 2**32, ValueError, "step: expected 0 <= step < 4294967296"),
    ("parameter", 2**16, ValueError, "parameter: expected 0 <= parameter < 65536"),
    ("k", 0, ValueError, "k: expected 1 <= k < 65537, given 0"),
    ("k", 2**16 + 1, ValueError, "k: expected 1 <= k < 65537"),
    ("distribution", "gaussian", ValueError, "distribution: expected 'normal' or 'rademacher', given 'gaussian'"),
    ("primal_shape", (2, -1), ValueError, "primal_shape: expected 0 <="),
    ("primal_shape", (2, 2**32), ValueError, "fewer than 2\\^32 columns"),
    ("primal_shape", (2**34 + 1, 2), ValueError, "blocks of 4 rows"),
    ("dtype", np.int32, TypeError, "dtype: expected float32 or float64, given int32"),
]


@pytest.mark.parametrize(("field", "value", "error", "message"), BAD)
def test_bad_streams(field, value, error, message):
    with pytest.raises(error, match="Stream: .*" + message):
        Stream(**(GOOD | {field: value}))


def test_limits_are_inclusive():
    stream = Stream(2**64 - 1, 2**32 - 1, 2**16 - 1, "normal", 2**16, (1,))
    assert public_generate(stream).shape == (2**16, 1)
    assert Stream(0, 0, 0, "normal", 1, (2**34 - 4, 2**32 - 1)).shape == (1, 2**34 - 4, 2**32 - 1)


def test_generate_wants_a_stream():
    with pytest.raises(TypeError, match="generate: stream: expected a Stream, given tuple"):
        public_generate((1, 2))
