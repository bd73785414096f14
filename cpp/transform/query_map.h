// A linear map of the input space, learnt for ranking and applied once to a query before anything else. Stored vectors
// are not affected, so the map can be replaced on a full index.
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
    void apply(MatrixView queries, float* mapped) const;  // mapped: same shape as queries, separate memory

private:
    std::optional<Linear> full_, down_, up_;
};

struct QueryMapKind {
    std::uint64_t kind;  // param "query.kind"
    const char* name;
};
inline constexpr QueryMapKind query_map_kinds[] = {{1, "full"}, {2, "low_rank"}};

// Null if "query.kind" is 0 or absent.
std::shared_ptr<const QueryMap> make_query_map(const Parts& parts, std::uint32_t dim);

}  // namespace fewbits
