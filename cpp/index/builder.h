// Collects blocks of vectors into one segment: encodes each block when it is appended, then orders rows by list in
// place, so that a build holds its codes only once, and never the vectors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "base/progress.h"
#include "index/code_columns.h"
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
    // for tokens, otherwise null. labels: one per row, or null; the same for all blocks. others: the same objects in
    // the embedding that is reranked if the model has two inputs, otherwise empty.
    void append(MatrixView x, const std::int64_t* ids, unsigned threads, const CodeSets* tokens = nullptr,
                const std::int64_t* labels = nullptr, MatrixView others = {});
    // Vectors that are coded already, as another library or this codec's encode has them. Not where there is a rerank
    // tier or where vectors have second lists, which follow from the vectors, and not where there are tokens.
    void append(const CodedRows& coded, const std::int64_t* ids);
    std::size_t size() const { return n_; }
    const Model& model() const { return *model_; }
    bool custom_ids() const { return custom_ids_.value_or(false); }
    const std::string& directory() const { return directory_; }
    // The builder must not be used afterwards, even after an error. first_id: the first default id.
    std::shared_ptr<const Segment> finish(std::int64_t first_id, const Progress& progress = {});

private:
    struct Second;  // entries in second lists of some rows

    std::vector<AppendBuffer*> rerank_columns();
    bool labelled() const { return labelled_.value_or(false); }
    void extend(std::size_t n, const std::int64_t* ids, const std::int64_t* labels);
    void encode_rows(MatrixView x, std::size_t first, Second& second);
    void encode_second(MatrixView transformed, const std::uint32_t* lists, std::size_t first, Second& second) const;
    void encode(MatrixView transformed, const std::uint32_t* lists, std::uint8_t* codes, const Factors& factors) const;
    void encode_rerank(MatrixView entered, std::size_t first, std::uint8_t* spilled);
    void append_second(const Second& second);
    void finish_second(const std::vector<std::uint32_t>& order, Parts& parts, ProgressCounter& steps);
    void keep_labels(const std::vector<std::uint32_t>& order, const std::vector<std::uint64_t>& lists,
                     Parts& parts) const;
    Parts ordered_tokens(const std::vector<std::uint32_t>& order, ProgressCounter& steps);

    std::shared_ptr<const Model> model_;
    std::string directory_;
    std::size_t n_ = 0;
    std::optional<bool> custom_ids_, labelled_;
    CodeColumns first_, second_;              // entries in first and in second lists
    std::vector<std::uint32_t> second_rows_;  // of each entry of second_, ascending, in the order of arrival
    AppendBuffer ids_, labels_, rerank_, rerank_a_, rerank_b_;
    std::unique_ptr<io::Spill> spill_;  // of an on-disk rerank tier, in the order of arrival
    std::optional<TokenColumnBuilder> tokens_;
};

}  // namespace fewbits
