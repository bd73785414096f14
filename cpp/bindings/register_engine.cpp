// The engine, declared in python/fewbits/_core.pyi.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <numeric>

#include "base/rows.h"
#include "bindings/engine_arguments.h"
#include "bindings/index_files.h"
#include "index/filter.h"
#include "index/score.h"
#include "multivector/coding.h"

namespace fewbits::bindings {
namespace {

using Lists = py::array_t<std::uint32_t, py::array::c_style>;
using GivenProbes = std::optional<std::pair<Lists, FloatArray>>;  // lists and their `coarse`, (queries, width) each

void check_lists(std::span<const Partition::Probe> probes, std::uint32_t nlist) {
    std::vector<std::uint32_t> lists;
    for (const Partition::Probe& probe : probes) {
        if (probe.list == Probes::none) continue;
        if (probe.list >= nlist)
            fail("lists: got " + std::to_string(probe.list) + ", but the index has lists 0 to "
                 + std::to_string(nlist - 1));
        if (!std::isfinite(probe.coarse)) fail("lists: expected the finite scores that probe returned");
        lists.push_back(probe.list);
    }
    std::sort(lists.begin(), lists.end());
    const auto twice = std::adjacent_find(lists.begin(), lists.end());
    if (twice != lists.end()) fail("lists: " + std::to_string(*twice) + " is given twice for one query");
}

std::optional<Probes> probes_from(const Engine& engine, const GivenProbes& given, py::ssize_t queries) {
    if (!given) return {};
    const auto& [lists, coarse] = *given;
    const bool fits = lists.ndim() == 2 && lists.shape(0) == queries && lists.shape(1) > 0 && coarse.ndim() == 2
                      && coarse.shape(0) == queries && coarse.shape(1) == lists.shape(1);
    require(fits, "lists: expected lists and scores of the shape (queries, nprobe), as probe returns them");
    Probes probes;
    probes.width = static_cast<std::size_t>(lists.shape(1));
    for (py::ssize_t i = 0; i < lists.size(); ++i) probes.lists.push_back({lists.data()[i], coarse.data()[i]});
    for (std::size_t i = 0; i < static_cast<std::size_t>(queries); ++i)
        check_lists(std::span(probes.lists).subspan(i * probes.width, probes.width), engine.model().partition->nlist());
    return probes;
}

py::tuple search_engine(const Engine& engine, const FloatArray& queries, std::size_t k, std::uint32_t nprobe,
                        std::size_t rerank, const Filters& filters, const Numbers& filter_of, float min_score,
                        const GivenProbes& lists, std::uint32_t patience,
                        const std::optional<FloatArray>& rerank_queries, unsigned threads, bool keys) {
    const QueryFilters allowed = query_filters(filters, filter_of);
    const auto probes = probes_from(engine, lists, queries.ndim() == 2 ? queries.shape(0) : -1);
    const MatrixView others = rerank_queries ? matrix_view(*rerank_queries) : MatrixView();
    std::vector<float> selected_by;
    py::tuple found = searched(engine, queries, k, [&](MatrixView view, Results& results) {
        const auto snapshot = engine.snapshot();
        SearchParams params{k, nprobe, rerank, threads, min_score};
        params.patience = patience;
        if (probes) {
            params.probes = &*probes;
            params.nprobe = static_cast<std::uint32_t>(probes->width);
        }
        const auto own = checked_copy(others, row_rule(snapshot->model->metric), "rerank_queries");
        if (rerank_queries) params.rerank_queries = {own.data(), others.rows, others.cols};
        selected_by.resize(keys ? results.scores.size() : 0);
        if (keys) params.keys = selected_by.data();
        search_call(snapshot, view, params, allowed, results.ids.data(), results.scores.data());
        if (snapshot->model->scores_cosines(rerank > 0)) keep_within_one(results.scores);
    });
    if (!keys) return found;
    return py::make_tuple(found[0], found[1],
                          to_numpy(std::move(selected_by), {queries.shape(0), static_cast<py::ssize_t>(k)}));
}

py::tuple probe_engine(const Engine& engine, const FloatArray& queries, std::uint32_t nprobe, unsigned threads) {
    const MatrixView view = queries_view(engine, queries);
    const std::uint32_t width = std::clamp(nprobe, 1u, engine.model().partition->nlist());
    std::vector<std::uint32_t> lists;
    std::vector<float> coarse;
    unlocked([&] {
        const auto own = checked_copy(view, row_rule(engine.model().metric), "queries");
        const Probes probes = probe(engine.model(), {own.data(), view.rows, view.cols}, width, threads);
        lists.clear();
        coarse.clear();
        for (const Partition::Probe& found : probes.lists) {
            lists.push_back(found.list);
            coarse.push_back(found.coarse);
        }
    });
    const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(view.rows), static_cast<py::ssize_t>(width)};
    return py::make_tuple(to_numpy(std::move(lists), shape), to_numpy(std::move(coarse), shape));
}

std::unique_ptr<Engine> take_ids(const Engine& engine, const IdArray& ids, const std::optional<std::string>& directory,
                                 unsigned threads) {
    std::unique_ptr<Engine> taken;
    unlocked([&] {
        taken = engine.take({ids.data(), static_cast<std::size_t>(ids.size())}, directory.value_or(""), threads);
    });
    return taken;
}

// How many codes a search reads for each query.
py::array_t<std::uint64_t> entries_read(const Engine& engine, const FloatArray& queries, std::size_t k,
                                        std::uint32_t nprobe, std::size_t rerank, std::uint32_t patience,
                                        unsigned threads) {
    std::vector<std::uint64_t> read(static_cast<std::size_t>(queries_view(engine, queries).rows));
    (void)searched(engine, queries, k, [&](MatrixView view, Results& results) {
        SearchParams params{.k = k, .nprobe = nprobe, .rerank = rerank, .threads = threads};
        params.patience = patience;
        params.entries_read = read.data();
        search_call(engine.snapshot(), view, params, {}, results.ids.data(), results.scores.data());
    });
    const auto n = static_cast<py::ssize_t>(read.size());
    return to_numpy(std::move(read), {n});
}

OnConflict conflict_from(const std::string& name) {
    if (name != "error" && name != "replace") fail("on_conflict: got '" + name + "', expected 'error' or 'replace'");
    return name == "error" ? OnConflict::error : OnConflict::replace;
}

std::size_t remove_ids(Engine& engine, const IdArray& ids) {
    const Unlocked unlocked;
    return engine.remove({ids.data(), static_cast<std::size_t>(ids.size())});
}

std::unique_ptr<Engine> join(const std::vector<const Engine*>& engines, const std::string& on_conflict) {
    const OnConflict meaning = conflict_from(on_conflict);
    const Progress progress = progress_from(py::none());
    const Unlocked unlocked;
    return Engine::join(engines, meaning, progress);
}

void publish(Engine& engine, SegmentBuilder& builder, const std::string& on_conflict, unsigned threads,
             py::object callback) {
    const OnConflict meaning = conflict_from(on_conflict);
    const Progress progress = progress_from(std::move(callback));
    const Unlocked unlocked;
    engine.publish(builder, meaning, threads, progress);
}

void compact(Engine& engine, const std::optional<std::string>& directory, unsigned threads, py::object callback) {
    const Progress progress = progress_from(std::move(callback));
    const Unlocked unlocked;
    engine.compact(threads, progress, directory.value_or(""));
}

py::array_t<bool> contains(const Engine& engine, const IdArray& ids) {
    const std::span<const std::int64_t> wanted{ids.data(), static_cast<std::size_t>(ids.size())};
    py::array_t<bool> found(ids.size());
    const std::span<bool> out{found.mutable_data(), wanted.size()};
    unlocked([&] {
        const auto snapshot = engine.snapshot();
        std::transform(wanted.begin(), wanted.end(), out.begin(),
                       [&](std::int64_t id) { return snapshot->row_of(id) >= 0; });
    });
    return found;
}

py::array_t<float> score_ids(const Engine& engine, const FloatArray& queries, const IdArray& ids, unsigned threads) {
    if (ids.ndim() != 2) fail("ids: expected 2 dimensions, got " + std::to_string(ids.ndim()));
    const MatrixView view = queries_view(queries, engine.model().scored_dim(true));
    const IdTable table{ids.data(), static_cast<std::size_t>(ids.shape(0)), static_cast<std::size_t>(ids.shape(1))};
    std::vector<float> scores(checked_mul(view.rows, table.cols));
    unlocked([&] {
        const auto own = checked_copy(view, row_rule(engine.model().metric), "queries");
        const auto snapshot = engine.snapshot();
        score(snapshot, {own.data(), view.rows, view.cols}, table, threads, scores.data());
        if (snapshot->model->scores_cosines(snapshot->model->rerank != nullptr)) keep_within_one(scores);
    });
    return to_numpy(std::move(scores), {static_cast<py::ssize_t>(view.rows), ids.shape(1)});
}

py::array_t<float> reconstruct(const Engine& engine, const IdArray& ids, bool rerank_vectors) {
    const auto n = static_cast<std::size_t>(ids.size());
    const std::uint32_t dim = rerank_vectors ? engine.model().rerank_input.dim : engine.model().dim;
    std::vector<float> out(checked_mul(n, dim));
    unlocked([&] {
        if (rerank_vectors)
            engine.reconstruct_rerank({ids.data(), n}, out.data());
        else
            engine.reconstruct({ids.data(), n}, out.data());
    });
    return to_numpy(std::move(out), {ids.size(), static_cast<py::ssize_t>(dim)});
}

py::array_t<std::int64_t> ids_of(const Engine& engine) {
    std::vector<std::int64_t> ids;
    {
        const Unlocked unlocked;
        ids = engine.snapshot()->sorted_ids();
    }
    const auto n = static_cast<py::ssize_t>(ids.size());
    return to_numpy(std::move(ids), {n});
}

py::array_t<std::int64_t> labels_of(const Engine& engine, const IdArray& ids) {
    std::vector<std::int64_t> labels;
    unlocked([&] { labels = engine.labels({ids.data(), static_cast<std::size_t>(ids.size())}); });
    return to_numpy(std::move(labels), {ids.size()});
}

// Whether the vectors have labels; None of an index without vectors, which may have either.
std::optional<bool> labelled(const Engine& engine) {
    const auto snapshot = engine.snapshot();
    return snapshot->segments.empty() ? std::optional<bool>() : snapshot->has_labels();
}

// The ids of one snapshot, block by block.
class IdBlocks {
public:
    IdBlocks(const Engine& engine, std::size_t block) : snapshot_(engine.snapshot()), block_(block) {}

    py::array_t<std::int64_t> next() {
        std::vector<std::int64_t> ids;
        {
            const Unlocked unlocked;
            const auto one = mutex_.lock();
            row_ = snapshot_->ids(row_, block_, ids);
        }
        if (ids.empty()) throw py::stop_iteration();
        const auto n = static_cast<py::ssize_t>(ids.size());
        return to_numpy(std::move(ids), {n});
    }

private:
    std::shared_ptr<const Snapshot> snapshot_;
    std::size_t block_;
    std::uint32_t row_ = 0;
    ForkMutex mutex_;
};

py::array_t<float> factors_b(const Engine& engine) {
    std::vector<float> b;
    {
        const Unlocked unlocked;
        const auto snapshot = engine.snapshot();
        b.resize(snapshot->n());
        snapshot->factors_b(b.data());
    }
    const auto count = static_cast<py::ssize_t>(b.size());
    return to_numpy(std::move(b), {count});
}

py::tuple codes(const Engine& engine) {
    std::size_t n = 0, row_bytes = 0;
    std::vector<std::int64_t> ids;
    std::vector<std::uint32_t> lists;
    std::vector<std::uint8_t> rows;
    {
        const Unlocked unlocked;
        const auto snapshot = engine.snapshot();
        n = snapshot->n();
        row_bytes = snapshot->model->codec->layout().row_bytes();
        ids.resize(n);
        lists.resize(n);
        rows.resize(checked_mul(n, row_bytes));
        snapshot->codes(ids.data(), lists.data(), rows.data());
    }
    const auto count = static_cast<py::ssize_t>(n);
    return py::make_tuple(to_numpy(std::move(ids), {count}), to_numpy(std::move(lists), {count}),
                          to_numpy(std::move(rows), {count, static_cast<py::ssize_t>(row_bytes)}));
}

py::bytes to_bytes(std::span<const std::byte> file) {
    auto bytes =
        py::reinterpret_steal<py::bytes>(PyBytes_FromStringAndSize(nullptr, static_cast<py::ssize_t>(file.size())));
    if (!bytes) throw py::error_already_set();
    char* out = PyBytes_AS_STRING(bytes.ptr());
    const Unlocked unlocked;
    if (!file.empty()) std::memcpy(out, file.data(), file.size());
    return bytes;
}

py::dict stats(const Engine& engine) {
    const auto snapshot = engine.snapshot();
    const ByteCounts bytes = Engine::bytes(*snapshot);
    py::dict out;
    out["n"] = snapshot->n();
    out["removed"] = snapshot->rows() - snapshot->n();
    out["segments"] = snapshot->live;
    out["lists"] = engine.model().partition->nlist();
    out["label_runs"] = std::accumulate(
        snapshot->segments.begin(), snapshot->segments.end(), std::size_t{0},
        [](std::size_t sum, const auto& segment) { return sum + (segment->labels() ? segment->labels()->size() : 0); });
    out["per_vector"] = bytes.per_vector;
    out["fixed"] = bytes.fixed;
    out["on_disk"] = bytes.on_disk;
    out["tokens"] = bytes.tokens;
    return out;
}

}  // namespace

void register_engine(py::module_& m) {
    using namespace py::literals;
    py::class_<IdBlocks>(m, "IdBlocks")
        .def("__iter__", [](py::object blocks) { return blocks; })
        .def("__next__", &IdBlocks::next);

    py::class_<Engine> engines(m, "Engine");
    define_set_methods(engines);
    engines
        .def(py::init([](const py::dict& params, const py::dict& arrays) {
                 const Parts parts = parts_from(params, arrays);
                 const Unlocked unlocked;
                 return std::make_unique<Engine>(parts);
             }),
             "params"_a, "arrays"_a)
        .def_static(
            "open",
            [](IndexFile& file, bool mapped, bool verify_all) {
                const Unlocked unlocked;
                return Engine::open(file, mapped, verify_all ? Verify::all : Verify::trusted);
            },
            "file"_a, py::kw_only(), "mapped"_a = true, "verify_all"_a = false)
        .def(
            "builder",
            [](const Engine& engine, std::size_t expected, const std::optional<std::string>& directory) {
                const Unlocked unlocked;
                return engine.builder(expected, directory.value_or(""));
            },
            "expected"_a = 0, py::kw_only(), "directory"_a = py::none())
        .def("publish", &publish, "builder"_a, py::kw_only(), "on_conflict"_a = "error", "threads"_a = 0,
             "progress"_a = py::none())
        .def("remove", &remove_ids, "ids"_a.noconvert())
        .def("compact", &compact, py::kw_only(), "directory"_a = py::none(), "threads"_a = 0, "progress"_a = py::none())
        .def_static("join", &join, "engines"_a, py::kw_only(), "on_conflict"_a = "error")
        .def("save", &write_to<Engine, &IndexFile::save>, "file"_a, "meta"_a)
        .def("sync", &write_to<Engine, &IndexFile::sync>, "file"_a, "meta"_a)
        .def(
            "to_bytes",
            [](const Engine& engine, const py::bytes& meta) {
                const std::string text = meta;
                std::vector<std::byte> file;
                {
                    const Unlocked unlocked;
                    file = engine.to_bytes(text);
                }
                return to_bytes(file);
            },
            "meta"_a)
        .def_static(
            "from_bytes",
            [](const py::buffer& file) {
                const HeldBytes bytes(file);
                const Unlocked unlocked;
                return Engine::from_bytes(bytes.span());
            },
            "file"_a)
        .def_property_readonly("meta", [](const Engine& engine) { return py::bytes(engine.meta()); })
        .def_property_readonly("params", &Engine::params)
        .def("arrays", [](const Engine& engine) { return arrays_to(engine.model().parts); })
        .def("copy", &Engine::copy, py::call_guard<Unlocked>())
        .def("number_from", &Engine::number_from, "next_id"_a)
        .def_property_readonly("next_id", [](const Engine& engine) { return engine.snapshot()->next_id; })
        .def("set_default", &Engine::set_default, "name"_a, "value"_a)
        .def("__len__", [](const Engine& engine) { return engine.snapshot()->n(); })
        // Not only by keyword: pybind11 makes a string for every parameter that it looks for among keywords.
        .def("search", &search_engine, "queries"_a.noconvert(), "k"_a, "nprobe"_a, "rerank"_a, "filters"_a = Filters(),
             "filter_of"_a.noconvert() = py::none(), "min_score"_a = -std::numeric_limits<float>::infinity(),
             "lists"_a.noconvert() = py::none(), "patience"_a = 0, "rerank_queries"_a.noconvert() = py::none(),
             "threads"_a = 0, py::kw_only(), "keys"_a = false)
        .def("probe", &probe_engine, "queries"_a.noconvert(), "nprobe"_a, py::kw_only(), "threads"_a = 0)
        .def("take", &take_ids, "ids"_a.noconvert(), py::kw_only(), "directory"_a = py::none(), "threads"_a = 0)
        .def("entries_read", &entries_read, "queries"_a.noconvert(), "k"_a, py::kw_only(), "nprobe"_a, "rerank"_a = 0,
             "patience"_a = 0, "threads"_a = 0)
        .def("score", &score_ids, "queries"_a.noconvert(), "ids"_a.noconvert(), py::kw_only(), "threads"_a = 0)
        .def("contains", &contains, "ids"_a.noconvert())
        .def("reconstruct", &reconstruct, "ids"_a.noconvert(), py::kw_only(), "rerank_vectors"_a = false)
        .def("labels", &labels_of, "ids"_a.noconvert())
        .def_property_readonly("labelled", &labelled)
        .def(
            "with_scoring",
            [](const Engine& engine, const py::dict& params, const py::dict& arrays) {
                const Parts parts = parts_from(params, arrays);
                const Unlocked unlocked;
                return engine.with_scoring(parts);
            },
            "params"_a, "arrays"_a)
        .def(
            "with_encoder",
            [](const Engine& engine, const py::dict& params, const py::dict& arrays) {
                const Parts parts = parts_from(params, arrays);
                const Unlocked unlocked;
                return engine.with_encoder(parts);
            },
            "params"_a, "arrays"_a)
        .def("ids", &ids_of)
        .def(
            "id_blocks",
            [](const Engine& engine, std::size_t block) { return std::make_unique<IdBlocks>(engine, block); },
            "block"_a)
        .def("codes", &codes)
        .def("factors_b", &factors_b)
        .def("stats", &stats);
}

}  // namespace fewbits::bindings
