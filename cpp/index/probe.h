// Which lists each query of a group reads, best first. With a filter lists that hold nothing allowed are passed over,
// and more are read the less is allowed, so that recall stays what it is without.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "index/model.h"
#include "index/row_filter.h"

namespace fewbits {

struct Probes {
    static constexpr std::uint32_t none = 0xffffffff;  // a list: this query reads fewer

    std::size_t width = 1;                // probes per query
    std::vector<Partition::Probe> lists;  // queries x width
};

// Whether to scan all that a filter allows, packed, instead of parts of lists: it is no more work.
bool scans_packed(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe);
// Whether so many queries are worth a copy of what a filter allows, list by list, to read it without the rest.
bool packs_lists(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe, std::uint64_t queries);

// queries: transformed. wanted: hits per query.
Probes choose_lists(const Model& model, MatrixView queries, std::uint32_t nprobe);
Probes choose_lists(const Snapshot& snapshot, MatrixView queries, std::uint32_t nprobe, const RowFilter& filter,
                    std::size_t wanted);

}  // namespace fewbits
