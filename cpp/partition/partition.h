// Which list a vector belongs to, and which lists a query reads. Centroids are the means of their lists' members, so
// that residuals are small; l2 compares with them as they are, ip and cosine with their directions (spherical).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/locks.h"
#include "base/matrix.h"
#include "base/metric.h"
#include "base/parts.h"
#include "blocks/top_k.h"
#include "partition/exact_centroids.h"
#include "partition/two_level_centroids.h"

namespace fewbits {

struct PartitionKind {
    std::uint64_t kind;  // param "partition.kind"
    const char* name;
};
inline constexpr PartitionKind partition_kinds[] = {{0, "flat"}, {1, "ivf"}};

class Partition {
public:
    // params: "partition.kind" 0 none (one list, no centroids), 1 ivf; "partition.nlist"; array "partition.centroids"
    // (nlist x dim, f16 or f32).
    Partition(const Parts& parts, std::uint32_t dim, Metric metric);

    std::uint32_t nlist() const { return nlist_; }
    bool flat() const { return !exact_; }
    MatrixView centroids() const;  // nlist x dim f32 row-major (decoded from f16); none if flat
    std::size_t bytes() const;     // as stored in the file

    // The list of each row of x; exact for small nlist, through a two-level search for large ones. Same result for any
    // block of rows and any thread count.
    void assign(MatrixView x, std::uint32_t* lists, unsigned threads) const;

    struct Probe {
        std::uint32_t list;
        float coarse;  // what a residual code's score adds: <q, c> (ip) or 2 <q, c> (l2)
    };
    // The nprobe best lists of each query, best first (ties: smaller list first): probes[i * nprobe + j].
    void nearest(MatrixView queries, std::uint32_t nprobe, Probe* probes) const;
    // What `nearest` ranks by, of every list: scores[i * nlist + list], and what such a hit's probe has as `coarse`.
    // Not for a flat partition.
    void scores(MatrixView queries, float* scores) const;
    float coarse(const Hit& hit) const;
    // How many centroids long the query's projection on the centroid is: <q, c> / <c, c>. Not under l2.
    float projection(const Probe& probe) const;

private:
    void read_centroids(const Parts& parts);
    const TwoLevelCentroids& two_level(unsigned threads) const;

    std::uint32_t dim_;
    bool spherical_;
    std::uint32_t nlist_ = 1;
    Array stored_;                // keeps mapped centroids alive
    std::vector<float> decoded_;  // f16 centroids as f32
    const float* centroids_ = nullptr;
    std::unique_ptr<const ExactCentroids> exact_;
    mutable Lazy<TwoLevelCentroids> two_level_;  // made at the first assign: who only searches never needs it
};

}  // namespace fewbits
