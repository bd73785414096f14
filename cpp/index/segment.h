// An immutable set of coded vectors: lists of code blocks, and what is kept per row. Rows are numbered in list order,
// so that whatever is indexed by row is read ascending. In RAM or mapped, a segment is the same thing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/locks.h"
#include "base/parallel.h"
#include "index/code_lists.h"
#include "index/labels.h"
#include "index/model.h"
#include "index/old_tokens.h"
#include "index/token_column.h"

namespace fewbits {

// Entries of vectors in their second lists: codes, and the row of each.
struct SecondEntries : CodeLists {
    // Arrays as those of CodeLists, and "rows"; first: the entries in first lists. Throws unless rows ascend in every
    // list, each row has one second list at most, and that is not its first one.
    SecondEntries(const CodeLayout& layout, const Parts& parts, std::uint32_t nlist, const CodeLists& first);

    std::span<const std::uint32_t> rows;
};

class Segment : public CodeLists {
public:
    // Arrays "<prefix>.lists", ".codes", ".rest", ".a", ".b", ".stage", ".second.*", ".labels.*", ".ids", ".rerank",
    // ".rerank_a", ".rerank_b", ".tokens.*" and params "<prefix>.n", ".first_id", ".next_id" (docs/format.md); every
    // length is checked against the model. old: where tokens are found by id instead, or null.
    Segment(const Model& model, const Parts& parts, const std::string& prefix, const OldTokens* old = nullptr);

    const SecondEntries* second() const { return second_.get(); }  // or null
    const LabelRuns* labels() const { return labels_.get(); }      // or null
    const RowCodes& rerank() const { return rerank_; }
    std::span<const std::byte> rerank_bytes() const { return std::as_bytes(rerank_rows_); }
    // Only if the model has a codec for tokens.
    const TokenRows& tokens() const { return *tokens_; }
    // Whether the parts contain the tokens. Otherwise they are as in an old file.
    bool stores_tokens() const { return parts_.has("tokens.lists"); }

    std::int64_t id(std::uint32_t row) const {
        if (!custom_ids_.empty()) return custom_ids_[row];
        return first_id_ + (positions_.empty() ? row : positions_[row]);
    }
    bool custom_ids() const { return !custom_ids_.empty(); }  // otherwise they are offsets from first_id
    bool counts_ids() const { return custom_ids_.empty() && positions_.empty(); }  // ids are first_id + row
    std::int64_t first_id() const { return first_id_; }
    std::int64_t next_id() const { return next_id_; }  // larger than all ids
    // The row with this id, or -1.
    std::int64_t row_of(std::int64_t id) const;
    // Prepares row_of. Its first call would do the same under a lock; this does not lock, so it can report progress and
    // be cancelled.
    void order_ids(const Progress& progress) const;
    // The first id that two rows have, or -1.
    std::int64_t duplicate_id(const Progress& progress = {}) const;

    const Parts& parts() const { return parts_; }  // without prefix, for saving

private:
    std::vector<std::uint32_t> sorted_rows(const Progress& progress) const;
    const std::vector<std::uint32_t>& rows_by_id() const;

    Parts parts_;
    std::int64_t first_id_ = 0, next_id_ = 0;
    std::shared_ptr<const SecondEntries> second_;
    std::shared_ptr<const LabelRuns> labels_;
    std::span<const std::uint8_t> rerank_rows_;
    std::span<const std::uint32_t> positions_;
    std::span<const std::int64_t> custom_ids_;
    RowCodes rerank_;
    std::shared_ptr<const TokenRows> tokens_;
    mutable Lazy<std::vector<std::uint32_t>> sorted_;
};

}  // namespace fewbits
