// Everything that can be done with the bytes of an untrusted file: they are opened and, if they are an index, used in
// every way. Throws Error if the bytes are rejected; any other failure is a bug of the library.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocations.h"
#include "check.h"
#include "index/any_rows.h"
#include "index/engine.h"
#include "index/filter.h"
#include "index/search.h"
#include "io/file.h"
#include "multivector/search.h"
#include "sparse/engine.h"

namespace exercise {

using namespace fewbits;

constexpr std::size_t n_queries = 2, k = 6;
constexpr std::size_t most_bytes_a_byte = 64, most_bytes = 4 << 20;  // limits of the memory for opening

inline std::vector<std::int64_t> searched(const Engine& engine, const Filter* filter) {
    const auto snapshot = engine.snapshot();
    const std::vector<float> queries = test::whole_numbers(n_queries * engine.model().dim);
    const auto allowed = filter ? filter->rows(snapshot, 1) : nullptr;
    std::vector<std::int64_t> ids(n_queries * k);
    std::vector<float> scores(ids.size());
    SearchParams params{k, 3, engine.model().rerank ? 20u : 0u, 1, -1e30f, allowed.get()};
    const std::uint32_t other_dim = engine.model().rerank_input.dim;
    const std::vector<float> others = test::whole_numbers(n_queries * other_dim);
    if (engine.model().two_inputs) params.rerank_queries = {others.data(), n_queries, other_dim};
    search(*snapshot, {queries.data(), n_queries, engine.model().dim}, params, ids.data(), scores.data());
    return ids;
}

// Uses tokens: ranks by them, and decodes those of the documents found.
inline void use_tokens(const Engine& engine) {
    const auto snapshot = engine.snapshot();
    const std::vector<float> vectors = test::whole_numbers(n_queries * engine.model().dim);
    const test::SomeSets queries(n_queries, engine.model().tokens->dim());
    std::vector<std::int64_t> ids(n_queries * k);
    std::vector<float> scores(ids.size());
    SetSearchParams params;
    params.k = k;
    params.nprobe = 3;
    params.threads = 1;
    for (const std::size_t candidates : {20u, 0u}) {
        params.candidates = candidates;
        search_sets(snapshot, {vectors.data(), n_queries, engine.model().dim}, queries.view(), params, {}, ids.data(),
                    scores.data());
    }
    rank_all(*snapshot, queries.view(), k, 1, ids.data(), scores.data());
    std::erase_if(ids, [&](std::int64_t id) { return snapshot->row_of(id) < 0; });
    decode_documents(*snapshot, ids, 1);
    Engine::bytes(*snapshot);
}

// Removes, adds and compacts; the result must open again. The only error allowed is that the index is full.
inline void change(Engine& engine, std::span<const std::int64_t> found) {
    engine.remove(found);
    const std::vector<float> x = test::whole_numbers(3 * engine.model().dim);
    try {
        const auto builder = engine.builder(3, "");
        test::append_rows(*builder, {x.data(), 3, engine.model().dim}, nullptr, 1, engine.snapshot()->has_labels());
        engine.publish(*builder);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_argument) throw;
    }
    engine.compact(1);
    searched(engine, nullptr);
    if (engine.model().tokens) use_tokens(engine);
    Engine::from_bytes(engine.to_bytes(""));
}

// The same for a sparse index: it is searched exactly and approximately, changed, and opened again.
inline void use(const sparse::Engine& index) {
    const auto terms = std::clamp<std::uint32_t>(static_cast<std::uint32_t>(index.snapshot().scales->size()), 3, 60);
    const std::vector<std::int64_t> offsets = {0, 2, 3};
    const std::vector<std::uint32_t> of_rows = {terms / 2, terms - 1, terms / 3};
    const std::vector<float> weights = {1.0f, 0.5f, 2.0f};
    const sparse::CsrView x{offsets, of_rows, weights};
    std::vector<std::int64_t> ids(n_queries * k);
    std::vector<float> scores(ids.size());
    index.search(x, {.k = k, .threads = 1}, {}, ids.data(), scores.data());
    const auto filter = Filter::of_ids(ids, false);
    const Filter* const filters[] = {filter.get()};
    index.search(x, {.k = k, .mass = 0.5, .rerank = k, .threads = 1}, {filters, {}}, ids.data(), scores.data());
    std::erase_if(ids, [&](std::int64_t id) { return index.snapshot().row_of(id) < 0; });
    std::vector<float> of_ids(n_queries * ids.size());
    index.score(x, {ids.data(), 1, ids.size()}, 1, of_ids.data());
    std::vector<std::int64_t> decoded_offsets;
    std::vector<std::uint32_t> decoded_terms;
    std::vector<float> decoded;
    index.reconstruct(ids, decoded_offsets, decoded_terms, decoded);
    auto changed = index.removed(ids);
    try {
        changed = changed->added(x, {}, false);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::invalid_argument) throw;
    }
    sparse::Engine::of_parts(read_bytes(write_bytes(changed->compacted()->as_parts(""))));
}

// An index of one of the two kinds.
struct Opened {
    std::unique_ptr<Engine> dense;
    std::unique_ptr<sparse::Engine> sparse;
};

inline Opened open(std::span<const std::byte> file, std::span<const std::byte> log) {
    const Parts parts = read_bytes(file, log);
    if (parts.params.contains("sparse.kind")) return {nullptr, sparse::Engine::of_parts(parts)};
    return {Engine::from_bytes(file, log), nullptr};
}

// Opening takes a small multiple of the file's size, even if the file is rejected.
inline Opened opened(std::span<const std::byte> file, std::span<const std::byte> log) {
    const allocations::Peak peak;
    const auto check_peak = [&] {
        if (peak.bytes() > most_bytes_a_byte * (file.size() + log.size()) + most_bytes)
            throw std::runtime_error("opening took " + std::to_string(peak.bytes()) + " bytes");
    };
    try {
        Opened index = open(file, log);
        check_peak();
        return index;
    } catch (const Error&) {
        check_peak();
        throw;
    }
}

inline void open_and_use(std::span<const std::byte> file, std::span<const std::byte> log = {}) {
    const auto [engine, sparse] = opened(file, log);
    if (sparse) return use(*sparse);
    std::vector<std::int64_t> found = searched(*engine, nullptr);
    if (engine->model().tokens) use_tokens(*engine);
    searched(*engine, Filter::of_mask(std::vector<std::uint8_t>(150, 1)).get());
    searched(*engine, Filter::of_ids(found, false).get());
    std::erase_if(found, [&](std::int64_t id) { return engine->snapshot()->row_of(id) < 0; });
    std::vector<float> decoded(found.size() * engine->model().dim);
    engine->reconstruct(found, decoded.data());
    if (engine->snapshot()->has_labels()) searched(*engine, Filter::of_labels(engine->labels(found)).get());
    decoded.resize(found.size() * engine->model().rerank_input.dim);
    if (engine->model().two_inputs) engine->reconstruct_rerank(found, decoded.data());
    change(*engine, found);
}

// Whether the bytes were an index. Both outcomes are valid; any other is reported.
inline bool opens(std::span<const std::byte> file, const std::string& what) {
    try {
        open_and_use(file);
        return true;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::version)
            check::report("exercise", 0, what + ": " + error.what());
    } catch (const std::exception& error) {
        check::report("exercise", 0, what + ": unexpected exception: " + error.what());
    }
    return false;
}

}  // namespace exercise
