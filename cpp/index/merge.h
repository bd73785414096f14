// Segments made of other segments' rows, from their stored codes: nothing is ever encoded again, and ids stay.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "index/snapshot.h"

namespace fewbits {

// All rows alive as one segment. directory: where rerank rows and tokens go that are kept on disk.
std::shared_ptr<const Segment> merge(const Snapshot& sources, const std::string& directory, unsigned threads,
                                     const Progress& progress = {});

// Codes and factors of some rows, to scan them and nothing else: without ids, rerank codes and tokens, which are the
// sources'.
struct PackedCodes {
    std::shared_ptr<const Snapshot> snapshot;
    std::vector<std::uint32_t> rows;   // in the sources, by row of `snapshot`
    std::vector<std::uint32_t> lists;  // the same, if all are in one list now
};
// join: all in one list, to be scanned as a whole; else in the lists they are in.
PackedCodes pack(const Snapshot& sources, const Bitmap& rows, bool join);

// Where the run of last segments begins that is due to be one: a segment is merged once those behind it hold as many
// rows as it does, so that adding n vectors in any steps copies each about log2(n) times and leaves about log2(n)
// segments. Segments of full blocks in most lists cost a scan nothing more and are left alone.
std::size_t first_to_merge(const Snapshot& snapshot);

}  // namespace fewbits
