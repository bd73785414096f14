#include "codec/pq/table_limit.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "codec/range.h"

namespace fewbits::codec {
namespace {

// The largest width of a table for ordinary data, in units of the depth of its upper quarter, by dimensions of a
// subspace (1, 2, 3, 4 or more): twice that for normally distributed data, a little more than that for clustered data.
constexpr float max_depths[] = {150, 100, 60, 30};
constexpr float ordinary_depths[] = {75, 25, 15, 12};  // wider tables saturate here
constexpr float uneven_units = 4;
constexpr float max_halves = 16;  // normally distributed data: 2 to 5

float quantile(std::vector<float>& values, std::size_t quarters) {
    const auto place = values.begin() + static_cast<std::ptrdiff_t>(values.size() * quarters / 4);
    std::nth_element(values.begin(), place, values.end());
    return *place;
}

float middle(std::vector<float>& values) {
    return quantile(values, 2);
}

// In units of the median distance from the middle. The codewords of a normal distribution stay well below this, even if
// they are the vectors themselves. With more codewords, the farthest one is farther out.
float ordinary_distance(std::uint32_t width, std::uint32_t k) {
    return (k > 16 ? 3.5f : 2.5f) + 1.5f / static_cast<float>(width);
}

// The squared distances of the codewords of subspace s from the middle.
std::vector<float> squared_distances(const Codebook& codebook, std::uint32_t s) {
    std::vector<float> column(codebook.k()), squares(codebook.k());
    for (std::uint32_t j = 0; j < codebook.width(s); ++j) {
        for (std::uint32_t code = 0; code < codebook.k(); ++code) column[code] = codebook.word(s, code)[j];
        const float center = middle(column);
        for (std::uint32_t code = 0; code < codebook.k(); ++code) {
            const float difference = codebook.word(s, code)[j] - center;
            squares[code] += difference * difference;
        }
    }
    return squares;
}

// Calls visit(s, range, entries) for each of m tables of k entries, which visit may reorder; returns the widest range.
template <class Visit>
float each_table(const float* tables, std::size_t m, std::size_t k, const Visit& visit) {
    std::vector<float> entries(k);
    float widest = 0;
    for (std::size_t s = 0; s < m; ++s) {
        const Range range = range_of(tables + s * k, k);
        widest = std::max(widest, range.high - range.low);
        entries.assign(tables + s * k, tables + (s + 1) * k);
        visit(s, range, entries);
    }
    return widest;
}

}  // namespace

bool is_uneven(const Codebook& codebook) {
    std::vector<float> units;
    for (std::uint32_t s = 0; s < codebook.m(); ++s) {
        std::vector<float> squares = squared_distances(codebook, s);
        const float farthest = std::sqrt(largest_magnitude(squares.data(), squares.size()));
        const float median = std::sqrt(middle(squares));
        if (farthest > ordinary_distance(codebook.width(s), codebook.k()) * median) return true;
        units.push_back(median);
    }
    const float largest = largest_magnitude(units.data(), units.size());
    return largest > uneven_units * middle(units);
}

bool outgrows_bytes(const float* tables, std::size_t m, std::size_t k) {
    double middle_half = 0;
    const float widest = each_table(tables, m, k, [&](std::size_t, Range, std::vector<float>& entries) {
        const float high = quantile(entries, 3);
        middle_half += high - quantile(entries, 1);
    });
    return widest > max_halves * static_cast<float>(middle_half / static_cast<double>(m));
}

Reach reach_of_distances(const float* tables, std::size_t m, std::size_t k, std::uint32_t width) {
    std::vector<float> depths(m);
    double total = 0;
    const float widest = each_table(tables, m, k, [&](std::size_t s, Range range, std::vector<float>& entries) {
        depths[s] = range.high - quantile(entries, 3);
        total += depths[s];
    });
    const auto mean = static_cast<float>(total / static_cast<double>(m));
    const std::size_t w = std::min<std::uint32_t>(width, 4) - 1;
    if (widest <= max_depths[w] * mean) return {};
    return {ordinary_depths[w] * mean, middle(depths) < mean / uneven_units};
}

}  // namespace fewbits::codec
