#include "partition/screened_centroids.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/interrupt.h"
#include "base/norm.h"
#include "kernels/kernels.h"
#include "partition/exact_centroids.h"

namespace fewbits {
namespace {

// Fewer are compared as fast. With short rows, codes pay once the floats no longer stay in the second-level cache.
constexpr std::size_t long_row = 256, floats_of_long_rows = 1 << 17, floats_of_short_rows = 1 << 19;
constexpr std::size_t asked_at_most = 16, left_at_most = 6;  // of all centroids: one in so many
constexpr std::size_t rows_at_once = 16;                     // whose floats stay in the first-level cache

}  // namespace

bool is_worth_screening(std::size_t nlist, std::size_t dim, std::size_t wanted) {
    return nlist * dim >= (dim >= long_row ? floats_of_long_rows : floats_of_short_rows)
           && wanted * asked_at_most <= nlist;
}

struct ScreenedCentroids::Search {
    ByteCodes::Query coded;
    std::vector<float> moved, most, least;  // the least and the most that scores can be
    std::vector<std::uint32_t> rows;
    std::vector<float> scores;  // of these rows
};

ScreenedCentroids::ScreenedCentroids(MatrixView centroids, bool spherical, const std::vector<float>& terms)
    : spherical_(spherical),
      terms_(terms),
      code_terms_(spherical ? 0 : centroids.rows),
      codes_(centroids.rows, centroids.cols) {
    const std::size_t d = centroids.cols;
    units_.resize(spherical ? centroids.size() : 0);
    if (spherical) directions(centroids, terms, units_.data());
    compared_ = {spherical ? units_.data() : centroids.data, centroids.rows, d};
    center_ = mean_of(compared_);
    std::vector<float> moved(d);
    double longest = 0;
    for (std::size_t c = 0; c < centroids.rows; ++c) {
        for (std::size_t j = 0; j < d; ++j) moved[j] = compared_.row(c)[j] - center_[j];
        codes_.set(c, moved);
        if (!spherical) code_terms_[c] = static_cast<float>(-squared_length(moved.data(), d) / 2);
        longest = std::max(longest, squared_length(compared_.row(c), d));
    }
    longest_ = static_cast<float>(std::sqrt(longest));
}

bool ScreenedCentroids::offer(const float* query, std::uint32_t wanted, BestScores& best) const {
    poll(compared_.size());
    Search search;
    if (!find_candidates(query, wanted, search)) return false;
    score(query, search);
    for (std::size_t i = 0; i < search.rows.size(); ++i) best.offer(search.rows[i], {&search.scores[i], 1});
    return true;
}

// The rows whose scores may be as large as the wanted-th best. Under l2 the query is moved as the centroids are; a
// product with the center is the same for all of them.
bool ScreenedCentroids::find_candidates(const float* query, std::uint32_t wanted, Search& search) const {
    const std::size_t k = compared_.rows, d = compared_.cols;
    search.moved.assign(query, query + d);
    for (std::size_t j = 0; !spherical_ && j < d; ++j) search.moved[j] -= center_[j];
    ByteCodes::Query& coded = search.coded;
    if (!codes_.prepare(search.moved, coded)) return false;
    search.most.resize(k);
    search.least.resize(k);
    codes_.products(coded, nullptr, k, search.most.data());
    for (std::size_t c = 0; c < k; ++c) {
        const float score = search.most[c] + (spherical_ ? 0 : code_terms_[c]), error = codes_.error(coded, c);
        search.least[c] = score - error;
        search.most[c] = score + error;
    }
    BestScores best;
    best.reset(wanted);
    best.offer(0, search.least);
    best.kept();
    const float threshold = best.threshold() - 2 * rounding(coded.length);
    for (std::size_t c = 0; c < k; ++c)
        if (search.most[c] >= threshold) search.rows.push_back(static_cast<std::uint32_t>(c));
    return search.rows.size() <= k / left_at_most;
}

// By how much a score may differ from the true one: the sums here, and those of the comparison itself.
float ScreenedCentroids::rounding(float query_length) const {
    constexpr float epsilon = std::numeric_limits<float>::epsilon();
    const auto steps = static_cast<float>(compared_.cols + 16);
    return 2 * epsilon * steps * (query_length + longest_) * longest_ + std::numeric_limits<float>::min();
}

// In the order of sums that the tiles of ExactCentroids have: the query is the only vector of a block.
void ScreenedCentroids::score(const float* query, Search& search) const {
    const std::size_t n = search.rows.size(), d = compared_.cols;
    std::vector<float> some(std::min(n, rows_at_once) * d);
    search.scores.resize(n);
    for (std::size_t first = 0; first < n; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, n - first);
        for (std::size_t i = 0; i < count; ++i)
            std::copy_n(compared_.row(search.rows[first + i]), d, some.data() + i * d);
        kernels::active().tile_dot(
            {some.data(), d, static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(d), query, 1, nullptr},
            search.scores.data() + first, 1);
    }
    for (std::size_t i = 0; !spherical_ && i < n; ++i) search.scores[i] += terms_[search.rows[i]];
}

}  // namespace fewbits
