// The grids that RaBitQ's codes are points of, and how such codes are stored and scanned. A code has a number per
// dimension, and stands for the vector g of numbers less the grid's center, times a step in each dimension.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codec/codec.h"

namespace fewbits::codec {

class Grid {
public:
    virtual ~Grid() = default;

    // The number of leading dimensions that have a code: g is zero in the others.
    virtual std::uint32_t dim() const = 0;
    // Whether a code is nothing but the signs of the vector.
    virtual bool is_signs() const { return false; }
    // The smallest number of positive coordinates; center() is half a step below.
    virtual std::uint8_t middle() const = 0;
    virtual int largest() const = 0;
    // The steps, or null: 1 in every dimension.
    virtual const float* steps() const { return nullptr; }
    // Rounds the multiple of r that suits a normal distribution, if r has this standard deviation. scratch: dim floats.
    virtual void round(const float* r, float deviation, float* scratch, std::uint8_t* codes) const = 0;

    float center() const { return static_cast<float>(middle()) - 0.5f; }
    void vector_of(const std::uint8_t* codes, float* g) const {
        const std::uint32_t d = dim();
        const float middle_of_grid = center();
        for (std::uint32_t j = 0; j < d; ++j) g[j] = static_cast<float>(codes[j]) - middle_of_grid;
        if (const float* of = steps())
            for (std::uint32_t j = 0; j < d; ++j) g[j] *= of[j];
    }

    // Blocks. terms: acc * scale + offset = <weights, g>.
    virtual void set_layout(CodeLayout& layout) const = 0;
    virtual void (*scan_kernel() const)(const kernels::Scan&) = 0;
    virtual const std::uint8_t* levels() const { return nullptr; }
    virtual std::size_t table_bytes() const = 0;
    virtual QueryTerms terms(const float* weights, std::uint8_t* table) const = 0;

    // From one byte per dimension to row form, and back.
    virtual void pack(const std::uint8_t* codes, std::uint8_t* row) const = 0;
    virtual void unpack(const std::uint8_t* row, std::uint8_t* codes) const = 0;
};

}  // namespace fewbits::codec
