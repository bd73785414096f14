// Codecs whose code is one small integer per dimension, each of which stands for a level: scores are sums over
// dimensions of level - center, times factor a and a weight. Blocks can hold such codes whole or staged (staged.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "codec/codec.h"
#include "codec/residuals.h"
#include "codec/scalar/levels.h"

namespace fewbits::codec {

// The levels of codes of `bits` bits.
struct Levels {
    std::uint32_t bits;
    std::vector<std::uint8_t> values;  // 2^bits, ascending
    float center;
    float unit;  // values - center are `unit` times the model's values
    LevelModel model;

    int largest() const { return values.back(); }
};

class LevelCodec : public Codec {
public:
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const final {
        encode_rows(x, origin, rows, layout().row_bytes(), factors,
                    [this](const std::uint8_t* codes, std::uint8_t* row) { pack(codes, row); });
    }
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const final {
        decode_rows(rows, layout().row_bytes(), factors, origin, n, x,
                    [this](const std::uint8_t* row, std::uint8_t* codes) { unpack(row, codes); });
    }
    // The same with another stored form of row_bytes per row, given by pack(codes, row) and unpack(row, codes).
    template <class Pack>
    void encode_rows(MatrixView x, const float* origin, std::uint8_t* rows, std::size_t row_bytes,
                     const Factors& factors, const Pack& pack) const;
    template <class Unpack>
    void decode_rows(const std::uint8_t* rows, std::size_t row_bytes, const StoredFactors& factors, const float* origin,
                     std::size_t n, float* x, const Unpack& unpack) const;

    // Writes the weights that multiply (level - center) * a in the score, one per dimension. Returns the constant.
    virtual float weigh(const float* query, float* weights) const = 0;
    // Whether a scan of whole codes scores these weights in float32.
    virtual bool is_wide(const std::vector<float>& weights) const = 0;

private:
    // Encode and decode at most rows_at_once rows, with the codes of a row as dim bytes.
    virtual void encode_levels(MatrixView x, const float* origin, std::uint8_t* codes,
                               const Factors& factors) const = 0;
    virtual void decode_levels(const std::uint8_t* codes, const StoredFactors& factors, const float* origin,
                               std::size_t n, float* x) const = 0;
    // Convert the codes of one row to their stored form, and back.
    virtual void pack(const std::uint8_t* codes, std::uint8_t* row) const = 0;
    virtual void unpack(const std::uint8_t* row, std::uint8_t* codes) const = 0;
};

template <class Pack>
void LevelCodec::encode_rows(MatrixView x, const float* origin, std::uint8_t* rows, std::size_t row_bytes,
                             const Factors& factors, const Pack& pack) const {
    const std::size_t d = dim();
    std::vector<std::uint8_t> codes(std::min(rows_at_once, x.rows) * d);
    for (std::size_t first = 0; first < x.rows; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, x.rows - first);
        encode_levels(x.block(first, count), origin ? origin + first * d : nullptr, codes.data(), factors.from(first));
        for (std::size_t i = 0; i < count; ++i) pack(&codes[i * d], rows + (first + i) * row_bytes);
    }
}

template <class Unpack>
void LevelCodec::decode_rows(const std::uint8_t* rows, std::size_t row_bytes, const StoredFactors& factors,
                             const float* origin, std::size_t n, float* x, const Unpack& unpack) const {
    const std::size_t d = dim();
    std::vector<std::uint8_t> codes(std::min(rows_at_once, n) * d);
    for (std::size_t first = 0; first < n; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, n - first);
        for (std::size_t i = 0; i < count; ++i) unpack(rows + (first + i) * row_bytes, &codes[i * d]);
        decode_levels(codes.data(), factors.from(first), origin ? origin + first * d : nullptr, count, x + first * d);
    }
}

}  // namespace fewbits::codec
