"""What every kernel promises, checked from its row and the examples of its test file alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fwdad.kernels import KERNELS, Stream

SOURCES = Path(__file__).parents[2] / "csrc" / "cuda"  # bodies without a file there are a library's
DTYPES = [np.float32, np.float64]
LARGE = 2**16  # entries: where the host plays the device, it takes no longer than this
SMALL = 2**12  # entries: from here on one layout is enough, for what copies the others does not look at sizes
TOLERANCE = 64  # units in the last place of an answer's largest entry; test_NAME.py is stricter, entry by entry


def widened(value):
    """The same values in float64."""
    if isinstance(value, Stream):
        return replace(value, dtype=np.dtype(np.float64))
    return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def entries(value):
    return value.size if isinstance(value, np.ndarray) else np.prod(getattr(value, "shape", 1))


def several(answer):
    return answer if isinstance(answer, tuple) else (answer,)


def misaligned(array):
    copy = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def laid_out(arguments, layouts, label):
    """The arguments, and then with all arrays in another layout of memory."""
    yield "as given", arguments
    arrays = {i: dict(layouts(a)) for i, a in enumerate(arguments) if isinstance(a, np.ndarray) and a.ndim}
    if "cuda" not in label:  # CuPy makes no such arrays
        for i, made in arrays.items():
            made["misaligned"] = misaligned(arguments[i])
    for name in next(iter(arrays.values()), ()):
        yield name, [arrays[i][name] if i in arrays else a for i, a in enumerate(arguments)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_answers_are_the_references(public, reference, examples, layouts, dtype):
    """To rounding, of the right shape and dtype, C-contiguous, for any layout, and without a change to an argument."""
    kernel, function, label = public
    own_source = (SOURCES / f"{kernel.name}.cu").is_file()
    by_library = "cuda" in label and not own_source
    for arguments in examples(kernel.name, dtype):
        size = sum(map(entries, arguments))
        if size > LARGE and label == "cuda-host":
            continue
        truth = several(reference(kernel.name, *map(widened, arguments)))
        like = several(reference(kernel.name, *arguments))
        streamed = any(isinstance(a, Stream) for a in arguments) and label == "native-v2"  # other normals, in float32
        unit = np.finfo(np.float32 if streamed else dtype).eps
        before = [a.tobytes() if isinstance(a, np.ndarray) else a for a in arguments]
        first = None
        once = size > SMALL or label == "reference"  # NumPy reads any layout
        for name, given in [("as given", arguments)] if once else laid_out(arguments, layouts, label):
            answers = several(function(*given))
            assert len(answers) == len(truth)
            bits = [None if answer is None else answer.tobytes() for answer in answers]
            first = first or bits
            assert by_library or bits == first, name  # a library chooses another product for another layout
            for answer, exact, wanted in zip(answers, truth, like, strict=True):
                if wanted is None:
                    assert answer is None
                    continue
                assert (answer.shape, answer.dtype) == (wanted.shape, wanted.dtype), name
                assert answer.flags.c_contiguous, name
                error = np.max(np.abs(answer.astype(np.float64) - exact), initial=0)
                assert error <= TOLERANCE * unit * max(1.0, np.max(np.abs(exact), initial=0)), name
        assert before == [a.tobytes() if isinstance(a, np.ndarray) else a for a in arguments]


@pytest.mark.parametrize("name", KERNELS)
def test_examples_cover_what_goes_wrong(examples, name):
    """Nothing, one entry, odd sizes, many tangents, and enough for several threads."""
    sizes = [size for a in examples(name, np.float32) for v in a for size in getattr(v, "shape", ())]
    assert {0, 1} <= set(sizes)
    assert any(size % 2 and size > 1 for size in sizes)
    assert max(sizes) >= 100
    assert max(sum(map(entries, a)) for a in examples(name, np.float32)) > 10_000
