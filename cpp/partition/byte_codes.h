// Vectors in 8 bits per coordinate, row by row. Products of codes tell those of vectors to within a known error, for a
// quarter of the bytes, so that most vectors need not be read to find the best.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/large_pages.h"

namespace fewbits {

class ByteCodes {
public:
    // A query in 12 bits per coordinate.
    struct Query {
        std::vector<std::int16_t> integers;
        float scale = 0;
        std::int32_t sum = 0;                // of the integers
        float length = 0, lost = 0;          // |query| or a little more, and of what the integers leave of it
        std::vector<std::int32_t> products;  // with codes
    };

    ByteCodes() = default;
    ByteCodes(std::size_t n, std::size_t dim);

    void set(std::size_t row, std::span<const float> x);
    // False if a number is so large that sums may not be finite.
    bool prepare(std::span<const float> x, Query& query) const;
    // With the rows of these numbers, or with all rows (null).
    void products(Query& query, const std::uint32_t* rows, std::size_t n, float* out) const;
    // By how much a product may differ from that of the numbers that were given.
    float error(const Query& query, std::size_t row) const {
        return query.length * errors_[row] + query.lost * lengths_[row];
    }

private:
    std::size_t dim_ = 0;
    LargeVector<std::uint8_t> bytes_;
    std::vector<float> scales_;
    std::vector<float> errors_, lengths_;  // of each row: |row - code| and |code|, or a little more
};

}  // namespace fewbits
