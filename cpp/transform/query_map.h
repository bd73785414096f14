// What training for ranking does to a query, once, before any part sees it: a linear map of the input space. Stored
// vectors are not touched by it, so it can be replaced on a full index.
#pragma once

#include <memory>
#include <optional>

#include "base/parts.h"
#include "transform/linear.h"

namespace fewbits {

class QueryMap {
public:
    // param "query.kind": 1 full, q' = M q with "query.matrix" (dim x dim); 2 low-rank residual, q' = q + up (down q)
    // with param "query.rank", arrays "query.down" (rank x dim) and "query.up" (dim x rank).
    QueryMap(const Parts& parts, std::uint32_t dim);
    void apply(MatrixView queries, float* mapped) const;  // mapped: as queries, not the same memory

private:
    std::optional<Linear> full_, down_, up_;
};

// Null if "query.kind" is 0 or absent.
std::shared_ptr<const QueryMap> make_query_map(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
