#include "codec/rabitq/quads.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "codec/packing.h"
#include "codec/query.h"

namespace fewbits::codec {
namespace {

// Calls visit(half byte in the quad, shift in it, dimension in the quad, shift in the code, width) for each field.
template <class Visit>
void for_fields(std::uint32_t bits, const Visit& visit) {
    std::uint32_t run = 0;
    for (std::uint32_t width = 4; width > 0; width /= 2) {
        if ((bits & width) == 0) continue;
        for (std::uint32_t j = 0; j < 4; ++j) visit(run + j * width / 4, j * width % 4, j, bits & (width - 1), width);
        run += width;
    }
}

}  // namespace

void Quads::round(const float* r, float deviation, float* scratch, std::uint8_t* codes) const {
    const auto half_range = static_cast<float>(middle());
    const float scale = model_.deviation * (center() / outermost_level) / deviation;
    for (std::size_t j = 0; j < dim_; ++j) scratch[j] = r[j] * scale - 0.5f;
    kernels::active().encode_uniform(scratch, dim_, 1, -half_range, half_range - 1, codes);
}

Levels Quads::levels_of_codes() const {
    std::vector<std::uint8_t> values(std::size_t{1} << bits_);
    std::iota(values.begin(), values.end(), std::uint8_t{0});
    return {bits_, std::move(values), center(), center() / outermost_level, model_};
}

void Quads::set_layout(CodeLayout& layout) const {
    layout.element_bits = bits_ == 8 ? 8 : 4;
    layout.elements = bits_ == 8 ? dim_ : half_bytes();
}

void (*Quads::scan_kernel() const)(const kernels::Scan&) {
    if (bits_ == 1) return kernels::active().scan4;
    return bits_ == 8 ? kernels::active().dot8 : kernels::active().dot_bits[bits_];
}

QueryTerms Quads::terms(const float* weights, std::uint8_t* table) const {
    if (bits_ == 1) return plane_.high_terms(weights, 0.5f, table);
    std::fill_n(table, table_bytes(), std::uint8_t{0});
    std::int64_t sum;
    const float scale = quantize_query(weights, dim_, 127, reinterpret_cast<std::int8_t*>(table), sum);
    return {scale, -center() * static_cast<float>(sum) * scale, 0, 1};
}

void Quads::pack(const std::uint8_t* codes, std::uint8_t* row) const {
    if (bits_ == 8) return pack_codes(codes, dim_, 8, row);
    if (bits_ == 1) return pack_planes(codes, dim_, 1, row);
    std::vector<std::uint8_t> half(half_bytes());
    for (std::uint32_t q = 0; q < quads(); ++q)
        for_fields(bits_,
                   [&](std::uint32_t at, std::uint32_t to, std::uint32_t j, std::uint32_t from, std::uint32_t width) {
                       if (4 * q + j >= dim_) return;
                       const std::uint32_t field = codes[4 * q + j] >> from & ((1u << width) - 1);
                       std::uint8_t& out = half[q * bits_ + at];
                       out = static_cast<std::uint8_t>(out | field << to);
                   });
    pack_codes(half.data(), half.size(), 4, row);
}

void Quads::unpack(const std::uint8_t* row, std::uint8_t* codes) const {
    if (bits_ == 8) return unpack_codes(row, dim_, 8, codes);
    if (bits_ == 1) return unpack_planes(row, dim_, 1, codes);
    std::vector<std::uint8_t> half(half_bytes());
    unpack_codes(row, half.size(), 4, half.data());
    std::fill_n(codes, dim_, std::uint8_t{0});
    for (std::uint32_t q = 0; q < quads(); ++q)
        for_fields(bits_,
                   [&](std::uint32_t at, std::uint32_t to, std::uint32_t j, std::uint32_t from, std::uint32_t width) {
                       if (4 * q + j >= dim_) return;
                       const std::uint32_t field = half[q * bits_ + at] >> to & ((1u << width) - 1);
                       codes[4 * q + j] = static_cast<std::uint8_t>(codes[4 * q + j] | field << from);
                   });
}

}  // namespace fewbits::codec
