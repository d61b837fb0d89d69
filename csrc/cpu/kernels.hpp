// The CPU kernels: what each takes and promises. One table of function pointers per instruction set; dispatch.cpp picks
// a table at run time. The bodies are compiled once per instruction set, in the namespace fwdad::FWDAD_ISA, from C
// headers and our own code only: an inline function of the standard library, compiled there for AVX-512, could be
// merged by the linker with the copy that the rest of the program runs on any machine.
#pragma once

#include <stdint.h>

namespace fwdad {

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

// The directions of gram and combine: v (k, rows, columns), C-contiguous, or a stream where v is null.
template <class T>
struct Directions {
    const T* v;
    const Stream* stream;
    int64_t k;
    int64_t rows;
    int64_t columns;
};

// A matrix whose entry (i, j) is data[i * row + j * column]; in a batch, data + b * batch. Strides may be zero or
// negative.
template <class T>
struct Matrix {
    const T* data;
    int64_t batch;
    int64_t row;
    int64_t column;
};

enum class Activation { identity, relu, tanh, sigmoid, softplus, silu, gelu };

// y = act(x w + b), dy_i = act'(x w + b) (dx_i w + x dw_i + db_i); data null where an argument is a structural zero.
// Where y is not wanted, x may be a batch like dw: dy_i = x_i dw_i, the product of two batches.
template <class T>
struct Affine {
    int64_t m, depth, n, k;
    Matrix<T> x;              // (m, depth), or (k, m, depth)
    Matrix<T> w;              // (depth, n)
    Matrix<T> b;              // (m, n)
    Matrix<T> dx;             // (k, m, depth)
    Matrix<T> dw;             // (k, depth, n)
    const Stream* dw_stream;  // (k, depth, n), instead of dw
    Matrix<T> db;             // (k, m, n)
    Activation activation;
    T* y;          // (m, n), C-contiguous; null: not wanted, where the activation is the identity
    T* dy;         // (k, m, n), C-contiguous; null: no tangents
    double* gram;  // (k, k), inner products of the directions of dw_stream; null: not wanted
};

// A convolution of images whose channels come last: y = act(patches(x) w + b), a patch being what the kernel sees at
// one position, by (tap row, tap column, channel); dy_i as of Affine. Pairs are (vertical, horizontal).
template <class T>
struct Conv {
    int64_t images, height, width, channels;
    int64_t rows, columns, n;  // of y
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t k;
    const T* x;               // (images, height, width, channels), C-contiguous
    const T* dx;              // (k, images, height, width, channels), C-contiguous, or null
    Matrix<T> w;              // (kernel[0] * kernel[1] * channels, n)
    Matrix<T> dw;             // (k, kernel[0] * kernel[1] * channels, n)
    const Stream* dw_stream;  // of the same shape, instead of dw
    Matrix<T> b;              // (images * rows * columns, n)
    Matrix<T> db;             // (k, images * rows * columns, n)
    Activation activation;
    T* y;   // (images, rows, columns, n), C-contiguous
    T* dy;  // (k, images, rows, columns, n), C-contiguous; null: no tangents
};

template <class T>
struct TypedKernels {
    // out (k, rows, columns) or (k, entries), C-contiguous.
    void (*generate)(const Stream& stream, T* out);
    void (*affine)(const Affine<T>& arguments);
    void (*conv)(const Conv<T>& arguments);
    // g (k, k): sums over all entries; per_row: g (rows, k, k), sums over columns. Exact: every product and sum in
    // double; otherwise products are summed in T over pieces of at most 1024 entries, and these sums in double.
    void (*gram)(const Directions<T>& v, bool per_row, bool exact, double* g);
    // out (rows, columns) = sum_i c_i v_i; c (k), or per_row c (rows, k).
    void (*combine)(const double* c, const Directions<T>& v, bool per_row, T* out);
    // y (n) = act(x (n)), dy (k, n) = act'(x) dx (k, n).
    void (*activation_jvp)(Activation activation, int64_t k, int64_t n, const T* x, const T* dx, T* y, T* dy);
    // out (k, n) = a (n) dx (k, n) + b (n) dy (k, n); b and dy may be null.
    void (*scaled_tangents)(int64_t k, int64_t n, const T* a, const T* dx, const T* b, const T* dy, T* out);
    // out (n) = a x (n) + b y (n), each product and the sum rounded.
    void (*axpby)(int64_t n, T a, const T* x, T b, const T* y, T* out);
    // out (k, rows) = sums of w (rows, n) dx (k, rows, n) over n.
    void (*weighted_rows)(int64_t k, int64_t rows, int64_t n, const T* w, const T* dx, T* out);
    // z (rows, n), n > 0, labels (rows) in 0 .. n - 1, dz (k, rows, n) -> loss (rows), dloss (k, rows).
    void (*cross_entropy_jvp)(int64_t k, int64_t rows, int64_t n, const T* z, const int64_t* labels, const T* dz,
                              T* loss, T* dloss);
};

struct Kernels {
    const char* isa;
    TypedKernels<float> f32;
    TypedKernels<double> f64;
    // gram (batch, k, k), d (batch, k) -> c (batch, k), rank (batch), margin (batch).
    void (*coefficients)(const double* gram, const double* d, int64_t batch, int64_t k, double* c, int64_t* rank,
                         double* margin);
    // What the machine can do at most: see probe.hpp.
    int64_t (*probe_fma)(int64_t tasks, int64_t rounds, float* sink);
    void (*probe_read)(const float* a, int64_t n, float* sink);
    void (*probe_copy)(const float* a, int64_t n, float* b);
};

}  // namespace fwdad
