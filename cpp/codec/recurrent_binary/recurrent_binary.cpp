#include "codec/recurrent_binary/recurrent_binary.h"

#include <cmath>

#include "codec/integer_rows.h"
#include "codec/packing.h"
#include "codec/residuals.h"
#include "codec/sums.h"
#include "codec/tables.h"

namespace fewbits::codec {
namespace {

constexpr float max_weight = 1e3f;

float inverse_root(double squares) {
    return squares > 0 ? static_cast<float>(1 / std::sqrt(squares)) : 0.0f;
}

}  // namespace

RecurrentBinaryCodec::RecurrentBinaryCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                           Metric metric, bool residual)
    : binarizer_(parts, prefix, dim),
      lengths_(parts.has(prefix + ".direction")),
      symmetric_(parts.param(prefix + ".symmetric", 0, 1) == 1) {
    if (metric != Metric::ip || residual)
        corrupt("param '" + prefix + ".kind': recurrent binary codes score cosines of whole vectors, got "
                + (residual ? "residuals" : "metric l2"));
    if (binarizer_.bits() == 3)
        sections_ = {{1, 2}, {2, 0}};
    else
        sections_ = {{binarizer_.bits(), 0}};
    if (parts.has(prefix + ".weight")) weight_ = parts.finite(prefix + ".weight", 1).front();
    if (!(weight_ >= 1 / max_weight && weight_ <= max_weight))
        corrupt("array '" + prefix + ".weight': got " + std::to_string(weight_) + ", expected 0.001 to 1000");
}

std::uint32_t RecurrentBinaryCodec::elements() const {
    std::uint32_t count = 0;
    for (const Section& section : sections_) count += (binarizer_.m() + section.each() - 1) / section.each();
    return count;
}

CodeLayout RecurrentBinaryCodec::layout() const {
    CodeLayout layout;
    layout.element_bits = 4;
    layout.elements = elements();
    layout.has_a = true;
    return layout;
}

void RecurrentBinaryCodec::pack(const std::uint8_t* codes, std::uint8_t* row) const {
    std::vector<std::uint8_t> nibbles;
    for (const Section& section : sections_) {
        const auto mask = static_cast<std::uint8_t>((1u << section.width) - 1);
        for (std::uint32_t j = 0; j < binarizer_.m(); ++j) {
            if (j % section.each() == 0) nibbles.push_back(0);
            const int field = codes[j] >> section.shift & mask;
            nibbles.back() = static_cast<std::uint8_t>(nibbles.back() | field << (j % section.each() * section.width));
        }
    }
    pack_codes(nibbles.data(), nibbles.size(), 4, row);
}

void RecurrentBinaryCodec::unpack(const std::uint8_t* row, std::uint8_t* codes) const {
    std::vector<std::uint8_t> nibbles(elements());
    unpack_codes(row, nibbles.size(), 4, nibbles.data());
    std::fill_n(codes, binarizer_.m(), std::uint8_t{0});
    const std::uint8_t* nibble = nibbles.data();
    for (const Section& section : sections_) {
        const auto mask = static_cast<std::uint8_t>((1u << section.width) - 1);
        for (std::uint32_t j = 0; j < binarizer_.m(); ++j) {
            const int field = nibble[j / section.each()] >> (j % section.each() * section.width) & mask;
            codes[j] = static_cast<std::uint8_t>(codes[j] | field << section.shift);
        }
        nibble += (binarizer_.m() + section.each() - 1) / section.each();
    }
}

// a = weight * length / |level|
void RecurrentBinaryCodec::encode(MatrixView x, const float*, std::uint8_t* rows, const Factors& factors) const {
    std::vector<std::uint8_t> codes(rows_at_once * binarizer_.m());
    for (std::size_t first = 0; first < x.rows; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, x.rows - first);
        binarizer_.encode(x.block(first, count), codes.data());
        for (std::size_t i = 0; i < count; ++i) {
            const std::span<const std::uint8_t> own(codes.data() + i * binarizer_.m(), binarizer_.m());
            pack(own.data(), rows + (first + i) * layout().row_bytes());
            std::int64_t squares = 0;
            for (const std::uint8_t code : own) squares += std::int64_t{2 * code - largest()} * (2 * code - largest());
            factors.a[first + i] = weight_ * length(x.row(first + i)) * inverse_root(static_cast<double>(squares));
        }
    }
}

void RecurrentBinaryCodec::decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin,
                                  std::size_t n, float* x) const {
    require(factors.a != nullptr, "recurrent binary codes: decoding needs their factors a");
    std::vector<std::uint8_t> codes(binarizer_.m());
    std::vector<float> values(binarizer_.m());
    for (std::size_t i = 0; i < n; ++i) {
        unpack(rows + i * layout().row_bytes(), codes.data());
        for (std::size_t j = 0; j < codes.size(); ++j)
            values[j] = static_cast<float>(2 * codes[j] - largest()) * factors.a[i];
        binarizer_.decode({values.data(), 1, values.size()}, x + i * dim());
    }
    add_origin({x, n, dim()}, origin);
}

// --- scores --------------------------------------------------------------------------------------------------------

void (*RecurrentBinaryCodec::scan_kernel() const)(const kernels::Scan&) {
    return kernels::active().scan4;
}

float RecurrentBinaryCodec::length(const float* x) const {
    return lengths_ ? std::sqrt(squared_norm(x, dim())) : 1.0f;
}

// The values that multiply the levels: the query's own levels if symmetric, otherwise its projection.
std::vector<float> RecurrentBinaryCodec::query_values(const float* query) const {
    std::vector<float> values(binarizer_.m());
    if (!symmetric_) {
        binarizer_.project({query, 1, dim()}, values.data());
        return values;
    }
    std::vector<std::uint8_t> codes(binarizer_.m());
    binarizer_.encode({query, 1, dim()}, codes.data());
    for (std::size_t j = 0; j < codes.size(); ++j) values[j] = static_cast<float>(2 * codes[j] - largest());
    return values;
}

// Tables of the products with every value of a half byte. If symmetric, products are integers whose differences are
// even and at most 450 (1 dimension of 4 bits: 15 * 30): half the difference from the smallest fits in a byte, and sums
// are exact.
QueryTerms RecurrentBinaryCodec::prepare(const float* query, std::uint8_t* table) const {
    const std::vector<float> values = query_values(query);
    std::vector<float> tables(table_bytes());
    float* entries = tables.data();
    for (const Section& section : sections_) {
        const std::uint32_t each = section.each(), mask = (1u << section.width) - 1;
        for (std::uint32_t first = 0; first < binarizer_.m(); first += each, entries += 16) {
            const std::uint32_t count = std::min(each, binarizer_.m() - first);
            for (std::uint32_t nibble = 0; nibble < 16; ++nibble) {
                entries[nibble] = 0;
                for (std::uint32_t i = 0; i < count; ++i) {
                    const std::uint32_t field = nibble >> (i * section.width) & mask;
                    const int level = (2 * static_cast<int>(field) - static_cast<int>(mask)) << section.shift;
                    entries[nibble] += values[first + i] * static_cast<float>(level);
                }
            }
        }
    }
    QueryTerms terms{2, 0, 0, 1};
    if (symmetric_) {
        for (std::size_t s = 0; s < elements(); ++s) {
            const float* own = tables.data() + 16 * s;
            const float lowest = *std::min_element(own, own + 16);
            for (std::size_t i = 0; i < 16; ++i) table[16 * s + i] = static_cast<std::uint8_t>((own[i] - lowest) / 2);
            terms.offset += lowest;
        }
    } else {
        terms = quantize_tables(tables.data(), elements(), 16, table);
    }
    const float inverse = length(query) * inverse_root(squared_norm(values.data(), values.size()));
    terms.scale = inverse > 0 ? terms.scale * inverse : 1.0f;
    terms.offset *= inverse;
    return terms;
}

std::size_t RecurrentBinaryCodec::row_query_bytes() const {
    return integer_query_bytes(binarizer_.m());
}

void RecurrentBinaryCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    std::vector<float> values = query_values(query);
    const float inverse = length(query) * inverse_root(squared_norm(values.data(), values.size()));
    for (float& value : values) value *= 2 * inverse;
    prepare_integer_query(values.data(), values.size(), largest(), static_cast<float>(largest()) / 2, 0, row_query);
}

void RecurrentBinaryCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                                      std::size_t n, float* scores) const {
    score_unpacked_rows(row_query, codes, rows, n, binarizer_.m(), scores,
                        [&](const std::uint8_t* row, std::uint8_t* out) { unpack(row, out); });
}

}  // namespace fewbits::codec
