// How a block's threads carry a tile of a matrix of any strides from global to shared memory, by way of registers.
#pragma once

#include "arithmetic.hpp"

namespace fwdad::cuda {

enum class Order { packs, along_inner, along_outer };

// In which order threads read a matrix of these strides: where it lies in a row, neighbours read neighbours.
template <class T>
Order order_of(const T* data, int64_t batch, int64_t outer, int64_t inner) {
    constexpr int64_t pack = pack_size<T>;
    if (inner == 1 && aligned(data) && outer % pack == 0 && batch % pack == 0) {
        return Order::packs;
    }
    const int64_t along = inner < 0 ? -inner : inner;
    const int64_t across = outer < 0 ? -outer : outer;
    return across < along ? Order::along_outer : Order::along_inner;
}

// What a thread carries of an Outer x Inner tile from global to shared memory.
template <class T, int Outer, int Inner, int Threads>
struct TilePart {
    static constexpr int threads = Threads;
    static constexpr int pack = pack_size<T>;
    static constexpr int count = Outer * Inner / threads > pack ? Outer * Inner / threads : pack;
    T value[count];

    struct Position {
        int outer, inner;
        bool inside;
    };
    FWDAD_DEVICE static Position position(Order order, int thread, int j) {
        const bool packs = order == Order::packs;
        const int e = packs ? (thread + threads * (j / pack)) * pack + j % pack : thread + threads * j;
        const bool inside = e < Outer * Inner;
        return order == Order::along_outer ? Position{e % Outer, e / Outer, inside}
                                           : Position{e / Inner, e % Inner, inside};
    }

    // `outer_left` x `inner_left` entries of the matrix are left from `from` on; beyond them are zeros.
    FWDAD_DEVICE void fetch(const T* from, int64_t outer, int64_t inner, int64_t outer_left, int64_t inner_left,
                            Order order, int thread) {
        if (order == Order::packs) {
            FWDAD_UNROLL
            for (int j = 0; j < count; j += pack) {
                const Position at = position(order, thread, j);
                if (at.inside && at.outer < outer_left && at.inner + pack <= inner_left) {
                    const Pack<T> some = load_pack(from + at.outer * outer + at.inner);
                    FWDAD_UNROLL
                    for (int l = 0; l < pack; ++l) {
                        value[j + l] = some.entry[l];
                    }
                } else {
                    FWDAD_UNROLL
                    for (int l = 0; l < pack; ++l) {
                        const bool there = at.inside && at.outer < outer_left && at.inner + l < inner_left;
                        value[j + l] = there ? from[at.outer * outer + at.inner + l] : T(0);
                    }
                }
            }
            return;
        }
        FWDAD_UNROLL
        for (int j = 0; j < count; ++j) {
            const Position at = position(order, thread, j);
            const bool there = at.inside && at.outer < outer_left && at.inner < inner_left;
            value[j] = there ? from[at.outer * outer + at.inner * inner] : T(0);
        }
    }

    // put(outer, inner, value) for each entry.
    template <class F>
    FWDAD_DEVICE void each(Order order, int thread, const F& put) const {
        FWDAD_UNROLL
        for (int j = 0; j < count; ++j) {
            const Position at = position(order, thread, j);
            if (at.inside) {
                put(at.outer, at.inner, value[j]);
            }
        }
    }
};

}  // namespace fwdad::cuda
