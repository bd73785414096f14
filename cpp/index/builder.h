// Collects blocks of vectors into one segment: encodes each block when it is appended, then orders rows by list in
// place, so that a build holds its codes only once, and never the vectors.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "base/progress.h"
#include "index/model.h"
#include "index/segment.h"
#include "index/token_column.h"
#include "storage/append_buffer.h"
#include "storage/spill.h"

namespace fewbits {

// n rows as written by Codec::encode, and the list of each row (may be empty if there is only one list).
struct CodedRows {
    std::size_t n = 0;
    std::span<const std::uint8_t> rows;
    std::span<const std::uint32_t> lists;
    std::span<const float> a, b;
};

class SegmentBuilder {
public:
    // expected: number of rows, if known (reserves exactly). directory: where rerank rows and tokens that are kept on
    // disk are spilled.
    SegmentBuilder(std::shared_ptr<const Model> model, std::size_t expected, const std::string& directory);

    // ids: x.rows ids, or null for default ids; the same for all blocks. tokens: a set per row if the model has a codec
    // for tokens, otherwise null.
    void append(MatrixView x, const std::int64_t* ids, unsigned threads, const CodeSets* tokens = nullptr);
    // Vectors that are coded already, as another library or this codec's encode has them. Not where there is a rerank
    // tier, which follows from the vectors, and not where there are tokens.
    void append(const CodedRows& coded, const std::int64_t* ids);
    std::size_t size() const { return n_; }
    const Model& model() const { return *model_; }
    bool custom_ids() const { return custom_ids_.value_or(false); }
    const std::string& directory() const { return directory_; }
    // The builder must not be used afterwards, even after an error. first_id: the first default id.
    std::shared_ptr<const Segment> finish(std::int64_t first_id, const Progress& progress = {});

private:
    std::array<AppendBuffer*, 9> columns();
    void extend(std::size_t n, const std::int64_t* ids);
    void split_row(const std::uint8_t* row, std::size_t to);
    void encode_rows(MatrixView x, std::size_t first);
    void encode_rerank(MatrixView normalized, std::size_t first, std::uint8_t* spilled);
    std::vector<std::uint32_t> order_by_list(std::vector<std::uint64_t>& lists) const;
    void pack_lists(const std::vector<std::uint64_t>& lists, ProgressCounter& steps);
    Parts ordered_tokens(const std::vector<std::uint32_t>& order, ProgressCounter& steps);

    std::shared_ptr<const Model> model_;
    std::string directory_;
    std::size_t n_ = 0;
    std::optional<bool> custom_ids_;
    AppendBuffer codes_, rest_, a_, b_, stage_, lists_, ids_, rerank_, rerank_a_, rerank_b_;
    std::unique_ptr<io::Spill> spill_;  // of an on-disk rerank tier, in the order of arrival
    std::optional<TokenColumnBuilder> tokens_;
};

}  // namespace fewbits
