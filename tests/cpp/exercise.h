// Everything that can be done with the bytes of an untrusted file: they are opened and, if they are an index, used in
// every way. Throws Error if the bytes are rejected; any other failure is a bug of the library.
#pragma once

#include <algorithm>
#include <cstdint>
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
    const SearchParams params{k, 3, engine.model().rerank ? 20u : 0u, 1, -1e30f, allowed.get()};
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

// Opening takes a small multiple of the file's size, even if the file is rejected.
inline auto opened(std::span<const std::byte> file, std::span<const std::byte> log) {
    const allocations::Peak peak;
    const auto check_peak = [&] {
        if (peak.bytes() > most_bytes_a_byte * (file.size() + log.size()) + most_bytes)
            throw std::runtime_error("opening took " + std::to_string(peak.bytes()) + " bytes");
    };
    try {
        auto engine = Engine::from_bytes(file, log);
        check_peak();
        return engine;
    } catch (const Error&) {
        check_peak();
        throw;
    }
}

inline void open_and_use(std::span<const std::byte> file, std::span<const std::byte> log = {}) {
    const auto engine = opened(file, log);
    std::vector<std::int64_t> found = searched(*engine, nullptr);
    if (engine->model().tokens) use_tokens(*engine);
    searched(*engine, Filter::of_mask(std::vector<std::uint8_t>(150, 1)).get());
    searched(*engine, Filter::of_ids(found, false).get());
    std::erase_if(found, [&](std::int64_t id) { return engine->snapshot()->row_of(id) < 0; });
    std::vector<float> decoded(found.size() * engine->model().dim);
    engine->reconstruct(found, decoded.data());
    if (engine->snapshot()->has_labels()) searched(*engine, Filter::of_labels(engine->labels(found)).get());
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
