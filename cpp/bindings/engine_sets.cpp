// Methods of the engine for multi-vector indexes, declared in python/fewbits/_core.pyi.
#include <limits>

#include "bindings/engine_arguments.h"
#include "multivector/coding.h"
#include "multivector/search.h"

namespace fewbits::bindings {
namespace {

py::tuple search_engine_sets(const Engine& engine, const FloatArray& vectors, const FloatArray& tokens,
                             const OffsetArray& offsets, std::size_t k, std::uint32_t nprobe, std::size_t candidates,
                             float scale, const std::optional<FloatArray>& shared, const Filters& filters,
                             const Numbers& filter_of, float min_score, float margin, std::uint32_t patience,
                             unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    const QueryFilters allowed = query_filters(filters, filter_of);
    const SetSearchParams params{k,         nprobe, candidates, scale,  span_or_none(shared),
                                 min_score, margin, patience,   threads};
    return searched(engine, vectors, k, [&](MatrixView queries, Results& results) {
        search_sets(engine.snapshot(), queries, sets, params, allowed, results.ids.data(), results.scores.data());
    });
}

py::tuple rank_all_sets(const Engine& engine, const FloatArray& tokens, const OffsetArray& offsets, std::size_t k,
                        unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    Results results(sets.size(), k);
    {
        const Unlocked released;
        rank_all(*engine.snapshot(), sets, k, threads, results.ids.data(), results.scores.data());
    }
    return results.to_tuple(sets.size(), k);
}

py::tuple reconstruct_sets(const Engine& engine, const IdArray& ids, unsigned threads) {
    require(engine.model().tokens != nullptr, "reconstruct: this index has no tokens");
    const std::span<const std::int64_t> wanted{ids.data(), static_cast<std::size_t>(ids.size())};
    OwnedSets sets;
    unlocked([&] { sets = decode_documents(*engine.snapshot(), wanted, threads); });
    return sets_to_tuple(std::move(sets), engine.model().tokens->dim());
}

py::array_t<float> score_engine_sets(const Engine& engine, const FloatArray& tokens, const OffsetArray& offsets,
                                     const IdArray& ids, unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    if (ids.ndim() != 2) fail("ids: got " + std::to_string(ids.ndim()) + " dimensions, expected 2");
    const IdTable table{ids.data(), static_cast<std::size_t>(ids.shape(0)), static_cast<std::size_t>(ids.shape(1))};
    std::vector<float> scores(checked_mul(sets.size(), table.cols));
    unlocked([&] { score_sets(*engine.snapshot(), sets, table, threads, scores.data()); });
    return to_numpy(std::move(scores), {static_cast<py::ssize_t>(sets.size()), ids.shape(1)});
}

}  // namespace

void define_set_methods(py::class_<Engine>& engine) {
    using namespace py::literals;
    engine
        .def("search_sets", &search_engine_sets, "vectors"_a.noconvert(), "tokens"_a.noconvert(),
             "offsets"_a.noconvert(), "k"_a, py::kw_only(), "nprobe"_a, "candidates"_a, "scale"_a = 1.0f,
             "shared"_a.noconvert() = py::none(), "filters"_a = Filters(), "filter_of"_a.noconvert() = py::none(),
             "min_score"_a = -std::numeric_limits<float>::infinity(),
             "margin"_a = std::numeric_limits<float>::infinity(), "patience"_a = 0, "threads"_a = 0)
        .def("rank_all", &rank_all_sets, "tokens"_a.noconvert(), "offsets"_a.noconvert(), "k"_a, py::kw_only(),
             "threads"_a = 0)
        .def("score_sets", &score_engine_sets, "tokens"_a.noconvert(), "offsets"_a.noconvert(), "ids"_a.noconvert(),
             py::kw_only(), "threads"_a = 0)
        .def("reconstruct_sets", &reconstruct_sets, "ids"_a.noconvert(), py::kw_only(), "threads"_a = 0);
}

}  // namespace fewbits::bindings
