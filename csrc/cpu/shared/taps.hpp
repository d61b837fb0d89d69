// What a convolution's kernel sees at one position of the output, as stretches of memory.
#pragma once

#include "arguments.hpp"
#include "run.hpp"

namespace fwdad::FWDAD_ISA {

struct Images {
    int64_t count, height, width, channels;
    int64_t rows, columns;  // of the result
    Window window;
};

// Taps in a row: `depth` entries of an image from `left` on, and as many rows of the weights from `right` on.
struct Segment {
    int64_t left;
    int64_t right;
    int64_t depth;
};

// The taps first .. last - 1 of an axis that see the image, for an output at `place`.
FWDAD_INLINE void seen_taps(int64_t place, int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                            int64_t dilation, int64_t* first, int64_t* last) {
    const int64_t start = place * stride - padding;
    *first = start >= 0 ? 0 : blocks_of(-start, dilation);
    *last = start >= size ? 0 : min(kernel, blocks_of(size - start, dilation));
}

// The segments of the output at one position; returns how many.
static int64_t segments_at(const Images& shape, int64_t row, int64_t column, Segment* segments) {
    int64_t i0, i1, j0, j1;
    seen_taps(row, shape.height, shape.window.kernel[0], shape.window.stride[0], shape.window.padding[0],
              shape.window.dilation[0], &i0, &i1);
    seen_taps(column, shape.width, shape.window.kernel[1], shape.window.stride[1], shape.window.padding[1],
              shape.window.dilation[1], &j0, &j1);
    const int64_t channels = shape.channels;
    const int64_t step = shape.window.dilation[1] == 1 ? j1 - j0 : 1;  // taps that are one stretch of memory
    int64_t count = 0;
    for (int64_t i = i0; i < i1; ++i) {
        const int64_t y = row * shape.window.stride[0] - shape.window.padding[0] + i * shape.window.dilation[0];
        for (int64_t j = j0; j < j1; j += step) {
            const int64_t x = column * shape.window.stride[1] - shape.window.padding[1] + j * shape.window.dilation[1];
            segments[count++] = {(y * shape.width + x) * channels, (i * shape.window.kernel[1] + j) * channels,
                                 step * channels};
        }
    }
    return count;
}

}  // namespace fwdad::FWDAD_ISA
