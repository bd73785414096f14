#include "multivector/simhash.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/random.h"
#include "blocks/blocks.h"
#include "kernels/kernels.h"
#include "multivector/random_directions.h"

namespace fewbits {
namespace {

constexpr std::size_t tokens_at_once = 16;
constexpr std::size_t min_size = 64;  // for few dimensions: this many signs make a direction nearly normal

std::vector<float> packed_directions(std::size_t n, std::uint32_t dim, std::uint64_t seed) {
    const std::vector<double> drawn = random_directions(n, dim, seed);
    const std::vector<float> rows(drawn.begin(), drawn.end());
    return pack_floats({rows.data(), n, dim});
}

std::vector<float> random_signs(std::size_t n, std::uint64_t seed) {
    std::vector<float> signs(n);
    for (std::size_t i = 0; i < n; ++i) signs[i] = random_bits(seed, i) >> 63 ? -1.0f : 1.0f;
    return signs;
}

// The first `count` of eight bytes, each 0 or 1, as bits; the first byte is bit 0.
std::uint32_t gathered(const std::uint8_t* bytes, std::uint32_t count) {
    std::uint64_t eight = 0;
    for (std::uint32_t i = 0; i < 8; ++i) eight |= std::uint64_t{bytes[i]} << (8 * i);
    return static_cast<std::uint32_t>((eight * 0x0102040810204080u) >> 56) & ((1u << count) - 1);
}

}  // namespace

SimHash::SimHash(DirectionKind kind, std::uint32_t dim, std::uint32_t repetitions, std::uint32_t bits,
                 std::uint64_t seed)
    : kind_(kind), dim_(dim), repetitions_(repetitions), bits_(bits) {
    stride_ = std::size_t{repetitions} * bits;
    if (kind == DirectionKind::gaussian) {
        values_ = packed_directions(stride_, dim, seed);
    } else {
        size_ = std::max(std::bit_ceil(std::size_t{dim}), min_size);
        stride_ = (stride_ + size_ - 1) / size_ * size_;
        values_ = random_signs(2 * stride_, seed);
    }
}

void SimHash::multiply(MatrixView tokens, float* products) const {
    if (kind_ == DirectionKind::gaussian) {
        const kernels::Tile tile{tokens.data, tokens.cols,    static_cast<std::uint32_t>(tokens.rows),
                                 dim_,        values_.data(), static_cast<std::uint32_t>(stride_),
                                 nullptr};
        return kernels::active().tile_dot(tile, products, stride_);
    }
    for (std::size_t first = 0; first < stride_; first += size_) {
        const float *inner = values_.data() + 2 * first, *outer = inner + size_;
        float* out = products + first;
        kernels::active().signed_hadamard({tokens.data, tokens.rows, tokens.cols, dim_, inner, size_, 1, out, stride_});
        kernels::active().signed_hadamard({out, tokens.rows, stride_, size_, outer, size_, 1, out, stride_});
    }
}

void SimHash::find(MatrixView tokens, Scratch& scratch, std::uint32_t* bucket) const {
    constexpr float positive = std::numeric_limits<float>::min();
    if (stride_ == 0) {
        std::fill_n(bucket, repetitions_ * tokens.rows, 0u);
        return;
    }
    scratch.products.resize(tokens_at_once * stride_);
    scratch.signs.assign(stride_ + 16, 0);  // bits are gathered from eight bytes at a time
    for (std::size_t begin = 0; begin < tokens.rows; begin += tokens_at_once) {
        const MatrixView some = tokens.block(begin, std::min(tokens_at_once, tokens.rows - begin));
        multiply(some, scratch.products.data());
        for (std::size_t t = 0; t < some.rows; ++t) {
            const std::uint8_t* sign = scratch.signs.data();
            kernels::active().encode_levels(scratch.products.data() + t * stride_, stride_, &positive, 1,
                                            scratch.signs.data());
            for (std::uint32_t r = 0; r < repetitions_; ++r, sign += bits_) {
                std::uint32_t number = gathered(sign, std::min(bits_, 8u));
                if (bits_ > 8) number |= gathered(sign + 8, bits_ - 8) << 8;
                bucket[r * tokens.rows + begin + t] = number;
            }
        }
    }
}

}  // namespace fewbits
