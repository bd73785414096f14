// The state of an index: segments, and which of their rows are alive. A snapshot is immutable; adding, removing and
// merging create new ones. Its rows are those of the segments, one segment after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bitmap.h"
#include "base/locks.h"
#include "index/model.h"
#include "index/segment.h"

namespace fewbits {

struct Snapshot {
    std::shared_ptr<const Model> model;
    std::vector<std::shared_ptr<const Segment>> segments;
    std::vector<std::uint32_t> first_rows;  // of each segment; one more at the end
    std::vector<std::uint32_t> live;        // of each segment the rows that are alive
    Bitmap alive;                           // of all rows; empty while none is removed
    std::int64_t next_id = 0;               // above every id that was ever given, also to vectors since removed

    // alive: per row, or empty. Segments without rows alive are dropped.
    static std::shared_ptr<const Snapshot> make(std::shared_ptr<const Model> model,
                                                std::vector<std::shared_ptr<const Segment>> segments, Bitmap alive,
                                                std::int64_t next_id);

    std::uint32_t rows() const { return first_rows.back(); }
    std::uint32_t n() const;  // rows alive
    bool has_second() const;  // whether vectors have second lists
    bool has_labels() const { return !segments.empty() && segments.front()->labels(); }  // all of them, or none
    bool is_alive(std::uint32_t row) const { return alive.size() == 0 || alive.test(row); }
    Bitmap alive_rows() const { return alive.size() == 0 ? Bitmap(rows(), true) : alive; }
    std::size_t segment_of(std::uint32_t row) const;
    std::int64_t id(std::uint32_t row) const;
    std::int64_t label(std::uint32_t row) const;  // only if the vectors have labels
    CodeSet tokens(std::uint32_t row) const;      // only if the model has a codec for tokens
    std::int64_t row_of(std::int64_t id) const;   // alive, or -1
    // Labels of the rows of a RowSample that are alive.
    const std::vector<std::int64_t>& sampled_labels() const;
    // Appends the ids of at most max_count vectors alive, from this row on; returns the row to continue from.
    std::uint32_t ids(std::uint32_t row, std::size_t max_count, std::vector<std::int64_t>& out) const;
    std::vector<std::int64_t> sorted_ids() const;  // of vectors alive
    // For all vectors alive, in row order: id, list, and code (row_bytes each, as written by Codec::encode).
    void codes(std::int64_t* ids, std::uint32_t* lists, std::uint8_t* rows) const;
    // Factors b of the same vectors; zeros if the codec has none.
    void factors_b(float* b) const;
    // Only segments begin..end, with the same rows alive.
    std::shared_ptr<const Snapshot> part(std::size_t begin, std::size_t end) const;

private:
    mutable Lazy<std::vector<std::int64_t>> sampled_labels_;
};

}  // namespace fewbits
