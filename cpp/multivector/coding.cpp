#include "multivector/coding.h"

#include <algorithm>
#include <string>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "base/row_count.h"

namespace fewbits {
namespace {

constexpr std::size_t documents_per_task = 8;

}  // namespace

CodeSet tokens_of(const Snapshot& snapshot, std::int64_t id) {
    const std::int64_t row = snapshot.row_of(id);
    if (row < 0) fail("ids: " + std::to_string(id) + " is not in the index");
    return snapshot.tokens(static_cast<std::uint32_t>(row));
}

CodeSets encode_sets(const Codec& codec, const SetsView& documents, unsigned threads) {
    check_sets(documents, "documents");
    if (documents.tokens.cols != codec.dim())
        fail("documents: got " + std::to_string(documents.tokens.cols) + " dimensions, expected "
             + std::to_string(codec.dim()));
    const CodeLayout layout = codec.layout();
    CodeSets sets;
    std::vector<std::size_t> places(documents.size() + 1);  // offsets in the codes
    for (std::size_t i = 0; i < documents.size(); ++i) {
        const std::size_t n = documents[i].rows;
        sets.counts.push_back(row_count(n, "documents: a set"));
        places[i + 1] = checked_add(places[i], code_set_bytes(layout, n));
    }
    sets.codes.resize(places.back());
    sets.a.resize(layout.has_a ? documents.tokens.rows : 0);
    parallel_for((documents.size() + documents_per_task - 1) / documents_per_task, threads,
                 [&](std::size_t task, unsigned) {
                     const std::size_t end = std::min(documents.size(), (task + 1) * documents_per_task);
                     std::vector<std::uint8_t> rows;
                     for (std::size_t i = task * documents_per_task; i < end; ++i) {
                         const MatrixView tokens = documents[i];
                         rows.resize(tokens.rows * layout.row_bytes());
                         float* a = layout.has_a ? sets.a.data() + documents.first(i) : nullptr;
                         codec.encode(tokens, nullptr, rows.data(), {a, nullptr, nullptr});
                         pack_code_set(layout, rows.data(), tokens.rows, sets.codes.data() + places[i]);
                     }
                 });
    return sets;
}

OwnedSets decode_documents(const Snapshot& snapshot, std::span<const std::int64_t> ids, unsigned threads) {
    const Codec& codec = *snapshot.model->tokens;
    const std::size_t dim = codec.dim();
    OwnedSets sets;
    std::vector<CodeSet> coded;
    for (const std::int64_t id : ids) {
        coded.push_back(tokens_of(snapshot, id));
        sets.offsets.push_back(sets.offsets.back() + std::int64_t{coded.back().n});
    }
    sets.tokens.resize(checked_mul(static_cast<std::size_t>(sets.offsets.back()), dim));
    parallel_for(ids.size(), threads, [&](std::size_t i, unsigned) {
        std::vector<std::uint8_t> rows(coded[i].n * codec.layout().row_bytes());
        unpack_code_set(codec.layout(), coded[i], rows.data());
        codec.decode(rows.data(), {coded[i].a, nullptr, nullptr}, nullptr, coded[i].n,
                     sets.tokens.data() + static_cast<std::size_t>(sets.offsets[i]) * dim);
    });
    return sets;
}

}  // namespace fewbits
