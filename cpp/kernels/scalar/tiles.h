// Points against blocks of float vectors, as specified.
#pragma once

#include "kernels/scalar/floats.h"

namespace fewbits::kernels {
namespace {

float tile_value(const Tile& tile, std::size_t point, std::uint32_t c) {
    const auto* blocks = reinterpret_cast<const std::uint8_t*>(tile.blocks);
    const float dot =
        along_run<F32, Dot>(tile.points + point * tile.stride, blocks, place(c, tile.k, tile.dim), tile.dim);
    return tile.bias ? dot + tile.bias[c] : dot;
}

void tile_dot(const Tile& tile, float* out, std::size_t out_stride) {
    for (std::size_t i = 0; i < tile.n; ++i) {
        for (std::uint32_t c = 0; c < tile.k; ++c) out[i * out_stride + c] = tile_value(tile, i, c);
    }
}

void tile_best(const Tile& tile, std::uint32_t* best, float* score) {
    for (std::size_t i = 0; i < tile.n; ++i) {
        best[i] = 0;
        score[i] = -__builtin_inff();
        for (std::uint32_t c = 0; c < tile.k; ++c) {
            const float value = tile_value(tile, i, c);
            if (value > score[i]) {
                best[i] = c;
                score[i] = value;
            }
        }
    }
}

}  // namespace
}  // namespace fewbits::kernels
