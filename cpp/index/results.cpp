#include "index/results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace fewbits {

float cosine_rounding(std::size_t dim) {
    return std::ldexp(1 + std::sqrt(static_cast<float>(dim)), -23);
}

void write_results(TopHits& top, std::size_t k, Metric metric, std::size_t dim, std::int64_t* ids, float* scores,
                   const std::function<std::int64_t(std::uint32_t)>& id) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float unit = 1 - cosine_rounding(dim);
    const auto rounded = [&](float score) {
        if (metric == Metric::l2) return std::min(0.0f, score);
        if (metric == Metric::ip) return score;
        return score >= unit ? 1.0f : std::max(-1.0f, score);
    };
    for (Hit& hit : top.kept()) hit.score = rounded(hit.score);
    const std::span<const Hit> hits = top.sorted();
    const auto public_score = [&](float score) { return metric == Metric::l2 ? std::max(0.0f, -score) : score; };
    for (std::size_t j = 0; j < k; ++j) {
        ids[j] = j < hits.size() ? id(hits[j].row) : -1;
        scores[j] = j < hits.size() ? public_score(hits[j].score) : metric == Metric::l2 ? infinity : -infinity;
    }
}

}  // namespace fewbits
