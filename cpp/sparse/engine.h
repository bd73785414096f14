// A sparse index. An engine never changes: a change returns another one, which shares what stays.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "index/filter.h"
#include "sparse/snapshot.h"

namespace fewbits::sparse {

struct Filters {
    std::span<const Filter* const> filters;
    std::span<const std::uint32_t> of_query;  // empty where all queries share the first, or there is none
};

struct Params {
    std::size_t k = 10;
    float min_score = 0;
    double mass = 1;         // share of a query's weights that finds candidates; less than 1 is approximate
    std::size_t rerank = 0;  // candidates then, at least k, which are scored by the whole query
    unsigned threads = 0;
};

class Engine {
public:
    Engine() : snapshot_(std::make_shared<const Snapshot>()) {}
    static std::unique_ptr<Engine> of_parts(const Parts& parts);  // of a file; checked in full

    const Snapshot& snapshot() const { return *snapshot_; }
    const std::string& meta() const { return meta_; }

    // With these vectors too. ids: none twice; none at all: they go on from next_id. replace: what has an id already
    // goes, else it is an error. Segments are merged as they pile up.
    std::unique_ptr<Engine> added(const CsrView& x, std::span<const std::int64_t> ids, bool replace) const;
    std::unique_ptr<Engine> removed(std::span<const std::int64_t> ids) const;
    std::unique_ptr<Engine> compacted() const;

    // ids, scores: queries x k, best first, padded with -1 and -inf. Only vectors that share a term with the query are
    // found.
    void search(const CsrView& queries, const Params& params, const Filters& filters, std::int64_t* ids,
                float* scores) const;
    // scores: queries x ids.cols; ids: a row for all queries or one per query; -1 pads.
    void score(const CsrView& queries, Matrix<const std::int64_t> ids, unsigned threads, float* scores) const;
    // Decoded, as offsets, terms and values.
    void reconstruct(std::span<const std::int64_t> ids, std::vector<std::int64_t>& offsets,
                     std::vector<std::uint32_t>& terms, std::vector<float>& values) const;

    Parts as_parts(const std::string& meta) const;  // meta: kept by the caller as long as the result

private:
    explicit Engine(Snapshot snapshot, std::string meta = {})
        : snapshot_(std::make_shared<const Snapshot>(std::move(snapshot))), meta_(std::move(meta)) {}

    std::shared_ptr<const Snapshot> snapshot_;
    std::string meta_;
};

}  // namespace fewbits::sparse
