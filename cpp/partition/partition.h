// Which lists a vector belongs to, and which lists a query probes: an interface, and the table of its kinds.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/matrix.h"
#include "base/metric.h"
#include "base/parts.h"
#include "blocks/hit.h"

namespace fewbits {

class Partition {
public:
    struct Probe {
        std::uint32_t list;
        float coarse;  // the term added to scores of residual codes: <q, c> (ip) or 2 <q, c> (l2)
    };

    virtual ~Partition() = default;
    virtual std::uint32_t nlist() const = 0;
    // The centroids that residuals are relative to: one row per list, or no rows.
    virtual MatrixView centroids() const = 0;

    // The first list of each row of x. Same result for any block of rows and any thread count, as below.
    virtual void assign(MatrixView x, std::uint32_t* lists, unsigned threads) const = 0;

    // Whether vectors can have a second list, and that list of each row (no_list: none), other than its first one.
    static constexpr std::uint32_t no_list = 0xffffffff;
    virtual bool spills() const { return false; }
    virtual void assign_second(MatrixView x, const std::uint32_t* lists, std::uint32_t* second, unsigned threads) const;

    // The nprobe best lists of each query, best first (ties: smaller list first): probes[i * nprobe + j].
    virtual void nearest(MatrixView queries, std::uint32_t nprobe, Probe* probes) const = 0;
    // The scores by which `nearest` ranks all lists, scores[i * nlist + list], and `coarse` of the probe for such a
    // hit.
    virtual void scores(MatrixView queries, float* scores) const = 0;
    virtual float coarse(const Hit& hit) const = 0;
    // The query's projection on the centroid in units of the centroid: <q, c> / <c, c>. Not under l2.
    virtual float projection(const Probe& probe) const = 0;
};

struct PartitionKind {
    std::uint64_t kind;  // param "partition.kind"
    const char* name;
    std::shared_ptr<const Partition> (*make)(const Parts& parts, std::uint32_t dim, Metric metric);
};
std::span<const PartitionKind> partition_kinds();

// Makes the kind selected by param "partition.kind", for vectors of dim dimensions. metric: l2 or ip.
std::shared_ptr<const Partition> make_partition(const Parts& parts, std::uint32_t dim, Metric metric);
// A partition with one list, for vectors that are always scanned.
std::shared_ptr<const Partition> make_flat(std::uint32_t dim);

// Throws unless nprobe is 1..nlist.
void check_nprobe(std::uint32_t nprobe, std::uint32_t nlist);

}  // namespace fewbits
