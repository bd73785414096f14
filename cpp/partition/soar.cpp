#include "partition/soar.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/norm.h"

namespace fewbits {
namespace {

constexpr std::size_t row_block = 64;
constexpr std::uint32_t centroid_block = 512;  // two blocks of scores fit the L2 cache

// Products with the centroids, from scores of `candidates` that begin at centroid `first`.
void to_products(const ExactCentroids& candidates, std::uint32_t first, std::span<float> scores) {
    const float* terms = candidates.terms().data() + first;
    if (candidates.spherical())
        for (std::size_t c = 0; c < scores.size(); ++c) scores[c] *= terms[c];
    else
        for (std::size_t c = 0; c < scores.size(); ++c) scores[c] -= terms[c];
}

// |c|^2
float squared(const ExactCentroids& candidates, std::uint32_t c) {
    const float term = candidates.terms()[c];
    return candidates.spherical() ? term * term : -2 * term;
}

}  // namespace

SoarSearch::SoarSearch(MatrixView x, MatrixView centroids, const std::uint32_t* lists, float lambda)
    : x_(x),
      first_(lists),
      lambda_(lambda),
      directions_(x.size()),
      along_(x.rows),
      squared_(x.rows),
      best_(x.rows, {none, std::numeric_limits<float>::infinity()}) {
    for (std::size_t i = 0; i < x.rows; ++i) {
        const float *row = x.row(i), *centroid = centroids.row(lists[i]);
        float* direction = directions_.data() + i * x.cols;
        for (std::size_t j = 0; j < x.cols; ++j) direction[j] = row[j] - centroid[j];
        const double squares = squared_length(direction, x.cols);
        const double inverse = squares > 0 ? 1 / std::sqrt(squares) : 0;
        double along = 0;
        for (std::size_t j = 0; j < x.cols; ++j) {
            direction[j] = static_cast<float>(double{direction[j]} * inverse);
            along += double{row[j]} * double{direction[j]};
        }
        along_[i] = static_cast<float>(along);
        squared_[i] = static_cast<float>(squares);
    }
}

void SoarSearch::offer(const ExactCentroids& candidates, std::span<const std::uint32_t> list_of,
                       std::span<const std::uint32_t> rows) {
    const std::size_t d = x_.cols;
    const std::uint32_t width = std::min(centroid_block, candidates.k());
    std::vector<float> points(row_block * d), directions(row_block * d), products(row_block * width),
        parallel(products);
    std::vector<float> losses(width);
    for (std::size_t begin = 0; begin < rows.size(); begin += row_block) {
        const std::size_t n = std::min(row_block, rows.size() - begin);
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t row = rows[begin + i];
            std::copy_n(x_.row(row), d, points.data() + i * d);
            std::copy_n(directions_.data() + row * d, d, directions.data() + i * d);
        }
        for (std::uint32_t first = 0; first < candidates.k(); first += centroid_block) {
            const std::uint32_t count = std::min(centroid_block, candidates.k() - first);
            candidates.scores(points.data(), n, first, count, products.data());
            candidates.scores(directions.data(), n, first, count, parallel.data());
            for (std::size_t i = 0; i < n; ++i) {
                const std::span<float> own(products.data() + i * count, count),
                    side(parallel.data() + i * count, count);
                to_products(candidates, first, own);
                to_products(candidates, first, side);
                const float along = along_[rows[begin + i]];
                for (std::uint32_t c = 0; c < count; ++c) {
                    const float part = along - side[c];
                    losses[c] = squared(candidates, first + c) - 2 * own[c] + lambda_ * (part * part);
                }
                compare(rows[begin + i], {losses.data(), count}, list_of.subspan(first, count));
            }
        }
    }
}

void SoarSearch::compare(std::size_t row, std::span<const float> losses, std::span<const std::uint32_t> list_of) {
    Best& best = best_[row];
    for (std::size_t c = 0; c < losses.size(); ++c) {
        if (!(losses[c] <= best.loss) || list_of[c] == first_[row]) continue;
        if (losses[c] < best.loss || list_of[c] < best.list) best = {list_of[c], losses[c]};
    }
}

float SoarSearch::gain(std::size_t i) const {
    const auto whole = static_cast<float>(squared_length(x_.row(i), x_.cols));
    const float loss = std::max(whole + best_[i].loss, std::numeric_limits<float>::min());
    return squared_[i] / loss;
}

void keep_second(const SoarSearch& found, std::size_t n, const SpillRule& rule, const SecondLists& out) {
    for (std::size_t i = 0; i < n; ++i) {
        const bool has = found.list(i) != SoarSearch::none;
        const float gain = has ? found.gain(i) : 0.0f;
        out.lists[i] = has && gain >= rule.min_gain ? found.list(i) : SoarSearch::none;
        if (out.gains) out.gains[i] = gain;
    }
}

void second_lists(const ExactCentroids& search, MatrixView x, MatrixView centroids, const std::uint32_t* lists,
                  const SpillRule& rule, const SecondLists& out) {
    SoarSearch found(x, centroids, lists, rule.lambda);
    std::vector<std::uint32_t> rows(x.rows), all(search.k());
    std::iota(rows.begin(), rows.end(), 0u);
    std::iota(all.begin(), all.end(), 0u);
    found.offer(search, all, rows);
    keep_second(found, x.rows, rule, out);
}

}  // namespace fewbits
