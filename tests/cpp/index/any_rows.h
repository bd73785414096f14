// Rows for an index of any kind. If it has tokens, every row gets some.
#pragma once

#include <cstdint>
#include <vector>

#include "index/builder.h"
#include "multivector/coding.h"

namespace fewbits::test {

inline std::vector<float> whole_numbers(std::size_t n) {
    std::vector<float> x(n);
    for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(i * 37 % 101) - 50.0f;
    return x;
}

// Sets of 1, 2, 3, 1, ... tokens.
struct SomeSets {
    SomeSets(std::size_t n, std::size_t dim) : dim_(dim) {
        for (std::size_t i = 0; i < n; ++i) offsets_.push_back(offsets_.back() + static_cast<std::int64_t>(1 + i % 3));
        tokens_ = whole_numbers(static_cast<std::size_t>(offsets_.back()) * dim);
    }
    SetsView view() const { return {{tokens_.data(), tokens_.size() / dim_, dim_}, offsets_}; }

private:
    std::size_t dim_;
    std::vector<std::int64_t> offsets_{0};
    std::vector<float> tokens_;
};

inline void append_rows(SegmentBuilder& builder, MatrixView x, const std::int64_t* ids, unsigned threads,
                        bool labelled = false) {
    std::vector<std::int64_t> labels(x.rows);
    for (std::size_t i = 0; i < x.rows; ++i) labels[i] = 5 - static_cast<std::int64_t>(i % 3);
    const std::int64_t* own = labelled ? labels.data() : nullptr;
    const Model& model = builder.model();
    const auto& codec = model.tokens;
    const std::vector<float> others = whole_numbers(model.two_inputs ? x.rows * model.rerank_input.dim : 0);
    const MatrixView beside =
        model.two_inputs ? MatrixView{others.data(), x.rows, model.rerank_input.dim} : MatrixView();
    if (!codec) return builder.append(x, ids, threads, nullptr, own, beside);
    const SomeSets sets(x.rows, codec->dim());
    const CodeSets coded = encode_sets(*codec, sets.view(), threads);
    builder.append(x, ids, threads, &coded, own, beside);
}

}  // namespace fewbits::test
