// Inverted lists by centroids. Centroids are the means of their members, so that residuals are small; l2 compares with
// the centroids, ip and cosine with their directions (spherical).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/locks.h"
#include "partition/coded_centroids.h"
#include "partition/exact_centroids.h"
#include "partition/partition.h"
#include "partition/screened_centroids.h"
#include "partition/soar.h"
#include "partition/two_level_centroids.h"

namespace fewbits {

class Ivf final : public Partition {
public:
    // params: "partition.nlist"; array "partition.centroids" (nlist x dim, f16 or f32); with second lists array
    // "partition.spill" (f32: lambda, min_gain).
    Ivf(const Parts& parts, std::uint32_t dim, Metric metric);

    std::uint32_t nlist() const override { return nlist_; }
    MatrixView centroids() const override { return {centroids_, nlist_, dim_}; }
    // Exact for small nlist, by a two-level search for large nlist.
    void assign(MatrixView x, std::uint32_t* lists, unsigned threads) const override;
    bool spills() const override { return spill_.has_value(); }
    void assign_second(MatrixView x, const std::uint32_t* lists, std::uint32_t* second,
                       unsigned threads) const override;
    void nearest(MatrixView queries, std::uint32_t nprobe, Probe* probes) const override;
    void scores(MatrixView queries, float* scores) const override;
    float coarse(const Hit& hit) const override;
    float projection(const Probe& probe) const override;

private:
    void read_centroids(const Parts& parts);
    void read_spill(const Parts& parts);
    const TwoLevelCentroids& two_level(unsigned threads) const;
    const CodedCentroids& coded() const;
    const ScreenedCentroids& screened() const;
    bool nearest_of_few(const float* query, std::uint32_t nprobe, Probe* probes) const;
    void nearest_of_all(MatrixView queries, std::uint32_t nprobe, Probe* probes) const;

    std::uint32_t dim_;
    bool spherical_;
    std::uint32_t nlist_;
    Array stored_;                // keeps mapped centroids alive
    std::vector<float> decoded_;  // f16 centroids as f32
    const float* centroids_ = nullptr;
    std::vector<float> terms_;  // as in ExactCentroids
    ExactCentroids exact_;      // of few
    std::optional<SpillRule> spill_;
    // Of many, made when first needed: who only searches never assigns, and the other way round.
    mutable Lazy<TwoLevelCentroids> two_level_;
    mutable Lazy<CodedCentroids> coded_;
    mutable Lazy<ScreenedCentroids> screened_;  // of few, made when a query comes alone
};

std::shared_ptr<const Partition> make_ivf(const Parts& parts, std::uint32_t dim, Metric metric);

}  // namespace fewbits
