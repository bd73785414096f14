// Segments made of rows of other segments, from their stored codes: nothing is encoded again, and ids do not change.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "index/snapshot.h"

namespace fewbits {

// All rows that are alive as one segment. directory: for rerank rows and tokens that are kept on disk.
std::shared_ptr<const Segment> merge(const Snapshot& sources, const std::string& directory, unsigned threads,
                                     const Progress& progress = {});

// These rows, all alive, as one segment whose bytes depend on nothing but the vectors and their ids: in every list they
// are ordered by label, if they have labels, and by id, and ids are stored as offsets from the smallest one if they
// fit.
std::shared_ptr<const Segment> take(const Snapshot& sources, const Bitmap& rows, const std::string& directory,
                                    unsigned threads);

// Codes and factors of some rows, for scans of only these rows: without ids, rerank codes and tokens, which are read
// from the sources.
struct PackedCodes {
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<std::uint32_t> rows;   // in the sources, by row of `snapshot`
    std::vector<std::uint32_t> lists;  // the same, if all are in one list now
};
// join: puts all rows into one list, to be scanned as a whole; otherwise they stay in their lists.
PackedCodes pack(const Snapshot& sources, const Bitmap& rows, bool join);

// The first of the last segments that should be merged into one. A segment is merged once those after it have as many
// rows as it has, so that adding n vectors in any number of steps copies each of them about log2(n) times and leaves
// about log2(n) segments. Segments with full blocks in most lists do not slow down scans and are not merged.
std::size_t first_to_merge(const Snapshot& snapshot);

}  // namespace fewbits
