// What kernels take, on both machines. Plain structs without functions: a function compiled for one instruction set
// must not be merged with that of another (see runtime/dispatch.hpp).
#pragma once

#include <stdint.h>

namespace fwdad {

// A C-contiguous array; `data` is null for None. An axis that the caller left out ([axis] in a contract) is -1.
template <class T, int axes>
struct In {
    const T* data;
    int64_t shape[axes];
};

// A C-contiguous array to write to; `data` is null for None.
template <class T, int axes>
struct Out {
    T* data;
    int64_t shape[axes];
};

// A batch of matrices, of any strides, which may be zero or negative: entry (i, j) of matrix b is
// data[b * batch + i * row + j * column]. One matrix is a batch whose stride is zero. `data` is null for None.
template <class T>
struct Matrix {
    const T* data;
    int64_t count, rows, columns;
    int64_t batch, row, column;
};

// k random directions of one parameter (docs/random-contract.md). A matrix of rows x columns; for a vector, entries >=
// 0 and the matrix is rows_per_call x columns, read down its columns.
struct Stream {
    uint64_t seed;
    uint32_t step;
    uint32_t parameter;
    int64_t rows_per_call;  // 4: normals, 128: signs
    int64_t k;
    int64_t rows;
    int64_t columns;
    int64_t entries;
};

// k directions: an array (k, rows, columns); or a stream, where `stream` is not null; or None, where both are.
template <class T>
struct Directions {
    Matrix<T> array;
    const Stream* stream;
};

// How a convolution's kernel moves over an image; pairs are (vertical, horizontal).
struct Window {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
};

// Activations: their names here and in Python. The formulas are in activations.hpp.
#define FWDAD_ACTIVATIONS(ROW) ROW(identity) ROW(relu) ROW(tanh) ROW(sigmoid) ROW(softplus) ROW(silu) ROW(gelu)

#define FWDAD_ENUMERATOR(name) name,
enum class Activation { FWDAD_ACTIVATIONS(FWDAD_ENUMERATOR) };
#undef FWDAD_ENUMERATOR

}  // namespace fwdad
