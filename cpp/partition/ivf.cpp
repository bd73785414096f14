#include "partition/ivf.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/norm.h"
#include "kernels/kernels.h"
#include "partition/assign.h"
#include "partition/best_scores.h"

namespace fewbits {
namespace {

constexpr const char* centroids_name = "partition.centroids";
constexpr const char* spill_name = "partition.spill";

// Requires |c|^2 to be finite in float32, so that scores of finite queries are never NaN.
void require_bounded(MatrixView centroids) {
    for (std::size_t c = 0; c < centroids.rows; ++c) {
        if (!(squared_length(centroids.row(c), centroids.cols) <= double{std::numeric_limits<float>::max()})) {
            corrupt("array 'partition.centroids': centroid " + std::to_string(c)
                    + " is not finite or too long for 32-bit floats");
        }
    }
}

}  // namespace

Ivf::Ivf(const Parts& parts, std::uint32_t dim, Metric metric)
    : dim_(dim),
      spherical_(metric != Metric::l2),
      nlist_(static_cast<std::uint32_t>(parts.param("partition.nlist", 1, 1u << 24))) {
    read_centroids(parts);
    read_spill(parts);
    require_bounded(centroids());
    terms_ = centroid_terms(centroids(), spherical_);
    if (!is_worth_coding(nlist_, dim_)) exact_ = ExactCentroids(centroids(), spherical_);
}

void Ivf::read_centroids(const Parts& parts) {
    const std::size_t count = checked_mul(nlist_, dim_);
    const auto found = parts.arrays.find(centroids_name);
    if (found != parts.arrays.end() && found->second.dtype == DType::f16) {
        const auto halves = parts.array_f16(centroids_name, count);
        decoded_.resize(count);
        kernels::active().f16_to_f32(halves.data(), count, decoded_.data());
        centroids_ = decoded_.data();
    } else {
        centroids_ = parts.array<float>(centroids_name, count).data();
    }
    stored_ = found->second;
}

void Ivf::read_spill(const Parts& parts) {
    if (!parts.has(spill_name)) return;
    const auto rule = parts.finite(spill_name, 2);
    if (rule[0] < 0 || rule[1] < 0) corrupt("array 'partition.spill': expected two numbers of at least 0");
    if (nlist_ < 2) corrupt("array 'partition.spill': expected only with two lists or more");
    spill_ = {rule[0], rule[1]};
}

const TwoLevelCentroids& Ivf::two_level(unsigned threads) const {
    return two_level_.get([&] { return TwoLevelCentroids(centroids(), spherical_, threads); });
}

const CodedCentroids& Ivf::coded() const {
    return coded_.get([&] { return CodedCentroids(centroids(), spherical_, terms_); });
}

const ScreenedCentroids& Ivf::screened() const {
    return screened_.get([&] { return ScreenedCentroids(centroids(), spherical_, terms_); });
}

void Ivf::assign(MatrixView x, std::uint32_t* lists, unsigned threads) const {
    if (nlist_ < two_level_from) {
        assign_rows(x, exact_, lists, threads);
    } else {
        assign_rows(x, two_level(threads), lists, threads);
    }
}

void Ivf::assign_second(MatrixView x, const std::uint32_t* lists, std::uint32_t* second, unsigned threads) const {
    if (!spill_) return Partition::assign_second(x, lists, second, threads);
    if (nlist_ < two_level_from) {
        assign_second_rows(x, exact_, centroids(), lists, *spill_, {second, nullptr}, threads);
    } else {
        assign_second_rows(x, two_level(threads), centroids(), lists, *spill_, {second, nullptr}, threads);
    }
}

// What the score says of the product with the centroid itself.
float Ivf::coarse(const Hit& hit) const {
    const float term = terms_[hit.row];
    return spherical_ ? hit.score * term : 2 * (hit.score - term);
}

float Ivf::projection(const Probe& probe) const {
    const float length = terms_[probe.list];
    return length > 0 ? probe.coarse / length / length : 0.0f;
}

void Ivf::scores(MatrixView queries, float* scores) const {
    if (is_worth_coding(nlist_, dim_))
        coded().scores(queries, scores);
    else
        exact_.scores(queries.data, queries.rows, 0, nlist_, scores);
}

void Ivf::nearest(MatrixView queries, std::uint32_t nprobe, Probe* probes) const {
    check_nprobe(nprobe, nlist_);
    if (!is_worth_coding(nlist_, dim_)) {
        const bool alone = queries.rows == 1 && is_worth_screening(nlist_, dim_, nprobe);
        if (!alone || !nearest_of_few(queries.data, nprobe, probes)) nearest_of_all(queries, nprobe, probes);
        return;
    }
    std::vector<Hit> best(queries.rows * nprobe);
    coded().nearest(queries, nprobe, best.data());
    for (const Hit& hit : best) *probes++ = {hit.row, coarse(hit)};
}

bool Ivf::nearest_of_few(const float* query, std::uint32_t nprobe, Probe* probes) const {
    BestScores best;
    best.reset(nprobe);
    if (!screened().offer(query, nprobe, best)) return false;
    for (const Hit& hit : best.sorted()) *probes++ = {hit.row, coarse(hit)};
    return true;
}

void Ivf::nearest_of_all(MatrixView queries, std::uint32_t nprobe, Probe* probes) const {
    constexpr std::size_t query_block = 32;
    constexpr std::uint32_t centroid_block = 1024;  // scores of a block of queries and centroids fit the L2 cache
    const std::uint32_t width = std::min(centroid_block, nlist_);
    std::vector<float> scores(std::min(query_block, queries.rows) * width);
    std::vector<BestScores> top(std::min(query_block, queries.rows));
    for (std::size_t first = 0; first < queries.rows; first += query_block) {
        const std::size_t n = std::min(query_block, queries.rows - first);
        for (std::size_t i = 0; i < n; ++i) top[i].reset(nprobe);
        for (std::uint32_t c = 0; c < nlist_; c += centroid_block) {
            const std::uint32_t count = std::min(centroid_block, nlist_ - c);
            exact_.scores(queries.row(first), n, c, count, scores.data());
            for (std::size_t i = 0; i < n; ++i) top[i].offer(c, {scores.data() + i * count, count});
        }
        for (std::size_t i = 0; i < n; ++i) {
            for (const Hit& hit : top[i].sorted()) *probes++ = {hit.row, coarse(hit)};
        }
    }
}

std::shared_ptr<const Partition> make_ivf(const Parts& parts, std::uint32_t dim, Metric metric) {
    return std::make_shared<const Ivf>(parts, dim, metric);
}

}  // namespace fewbits
