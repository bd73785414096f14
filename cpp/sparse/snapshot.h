// The state of a sparse index at one moment; it never changes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/bitmap.h"
#include "sparse/postings.h"
#include "sparse/rows.h"

namespace fewbits::sparse {

class Segment {
public:
    Segment(Rows rows, std::vector<std::int64_t> ids);  // ids: one per row, none twice

    const Rows& rows() const { return rows_; }
    const Postings& postings() const { return postings_; }
    std::uint32_t n() const { return rows_.n(); }
    std::span<const std::int64_t> ids() const { return ids_; }
    std::int64_t row_of(std::int64_t id) const;  // or -1
    std::size_t bytes() const;

private:
    Rows rows_;
    Postings postings_;
    std::vector<std::int64_t> ids_;
    std::vector<std::uint32_t> by_id_;  // rows by ascending id; empty where they are in that order
};

struct Snapshot {
    std::shared_ptr<const Scales> scales = std::make_shared<const Scales>();
    std::vector<std::shared_ptr<const Segment>> segments;
    std::vector<std::uint32_t> first_rows{0};  // of each segment; one more at the end
    Bitmap alive;                              // of all rows
    std::uint32_t n = 0;                       // rows alive
    std::int64_t next_id = 0;

    std::size_t segment_of(std::uint32_t row) const;
    std::int64_t id(std::uint32_t row) const;
    std::int64_t row_of(std::int64_t id) const;  // alive, or -1
    // With one more segment; `alive` of its rows.
    void append(std::shared_ptr<const Segment> segment, const Bitmap& alive_rows);
    std::vector<std::int64_t> sorted_ids() const;
};

}  // namespace fewbits::sparse
