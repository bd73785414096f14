#include "partition/partition.h"

#include <algorithm>
#include <string>

#include "base/registry.h"
#include "partition/ivf.h"

namespace fewbits {
namespace {

// One list that all queries probe.
class Flat final : public Partition {
public:
    explicit Flat(std::uint32_t dim) : dim_(dim) {}
    std::uint32_t nlist() const override { return 1; }
    MatrixView centroids() const override { return {nullptr, 0, dim_}; }
    void assign(MatrixView x, std::uint32_t* lists, unsigned) const override { std::fill_n(lists, x.rows, 0u); }
    void nearest(MatrixView queries, std::uint32_t nprobe, Probe* probes) const override {
        check_nprobe(nprobe, 1);
        std::fill_n(probes, queries.rows, Probe{0, 0.0f});
    }
    void scores(MatrixView queries, float* scores) const override { std::fill_n(scores, queries.rows, 0.0f); }
    float coarse(const Hit&) const override { return 0; }
    float projection(const Probe&) const override { return 0; }

private:
    std::uint32_t dim_;
};

std::shared_ptr<const Partition> make_flat_of(const Parts& parts, std::uint32_t dim, Metric) {
    if (parts.param_or("partition.nlist", 1) != 1)
        corrupt("param 'partition.nlist': expected 1 if partition.kind is 0");
    return make_flat(dim);
}

constexpr PartitionKind kinds[] = {
    {0, "flat", make_flat_of},
    {1, "ivf", make_ivf},
};

}  // namespace

void Partition::assign_second(MatrixView x, const std::uint32_t*, std::uint32_t* second, unsigned) const {
    std::fill_n(second, x.rows, no_list);
}

std::span<const PartitionKind> partition_kinds() {
    return kinds;
}

std::shared_ptr<const Partition> make_partition(const Parts& parts, std::uint32_t dim, Metric metric) {
    return row_of(partition_kinds(), parts, "partition.kind").make(parts, dim, metric);
}

std::shared_ptr<const Partition> make_flat(std::uint32_t dim) {
    return std::make_shared<const Flat>(dim);
}

void check_nprobe(std::uint32_t nprobe, std::uint32_t nlist) {
    if (nprobe < 1 || nprobe > nlist)
        fail("nprobe: got " + std::to_string(nprobe) + ", expected 1.." + std::to_string(nlist));
}

}  // namespace fewbits
