// Which lists each query of a group probes, best first. With a filter, lists without allowed rows are skipped, and the
// fewer rows are allowed, the more lists are probed, so that recall is the same as without a filter.
#pragma once

#include <cstdint>
#include <vector>

#include "base/matrix.h"
#include "index/model.h"
#include "index/row_filter.h"

namespace fewbits {

struct Probes {
    static constexpr std::uint32_t none = 0xffffffff;  // instead of a list: this query probes fewer

    std::size_t width = 1;                // probes per query
    std::vector<Partition::Probe> lists;  // queries x width
};

// Whether to scan all rows that a filter allows instead of probing lists, as this is not slower.
bool reads_all(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe);
// Whether to copy the codes of allowed rows, as the filter is used by so many queries.
bool is_worth_copying(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe, std::uint64_t queries);

// The lists that a search without filter probes, for queries as users give them.
Probes probe(const Model& model, MatrixView queries, std::uint32_t nprobe, unsigned threads);

// queries: transformed. wanted: number of hits per query.
Probes choose_lists(const Model& model, MatrixView queries, std::uint32_t nprobe);
Probes choose_lists(const Snapshot& snapshot, MatrixView queries, std::uint32_t nprobe, const RowFilter& filter,
                    std::size_t wanted);
// All lists with allowed rows; the first `near` of them are the nearest.
Probes all_lists(const Snapshot& snapshot, MatrixView queries, const RowFilter& filter, std::size_t near);

}  // namespace fewbits
