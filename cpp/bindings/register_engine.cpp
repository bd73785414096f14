// The engine, its builder, exact search and the file tools as python/fewbits/_core.pyi lists them.
#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>

#include "base/rows.h"
#include "bindings/engine_arguments.h"
#include "codec/registry.h"
#include "index/exact.h"
#include "index/filter.h"
#include "io/file.h"
#include "multivector/coding.h"

namespace fewbits::bindings {
namespace {

const std::int64_t* ids_or_null(const std::optional<IdArray>& ids, std::size_t n) {
    if (!ids) return nullptr;
    if (ids->ndim() != 1 || static_cast<std::size_t>(ids->size()) != n)
        fail("ids: got " + std::to_string(ids->size()) + ", expected " + std::to_string(n));
    return ids->data();
}

// tokens, offsets: of a multi-vector index, the set that each row of x stands for.
void append(SegmentBuilder& builder, const FloatArray& x, const std::optional<IdArray>& ids,
            const std::optional<FloatArray>& tokens, const std::optional<OffsetArray>& offsets, unsigned threads) {
    const MatrixView rows = matrix_view(x);
    const std::int64_t* numbers = ids_or_null(ids, rows.rows);
    if (!tokens || !offsets || !builder.model().tokens) {
        if (tokens || offsets) fail("tokens: expected them with offsets, for an index that has tokens");
        const Unlocked unlocked;
        return builder.append(rows, numbers, threads);
    }
    const SetsView sets = sets_view(*tokens, *offsets);
    const Unlocked unlocked;
    const CodeSets coded = encode_sets(*builder.model().tokens, sets, threads);
    builder.append(rows, numbers, threads, &coded);
}

void append_codes(SegmentBuilder& builder, const py::array_t<std::uint8_t, py::array::c_style>& rows,
                  const Numbers& lists, const std::optional<FloatArray>& a, const std::optional<FloatArray>& b,
                  const std::optional<IdArray>& ids) {
    if (rows.ndim() != 2) fail("rows: got " + std::to_string(rows.ndim()) + " dimensions, expected 2");
    const auto n = static_cast<std::size_t>(rows.shape(0));
    const CodedRows coded{
        n, {rows.data(), static_cast<std::size_t>(rows.size())}, span_or_none(lists), span_or_none(a), span_or_none(b)};
    const std::int64_t* numbers = ids_or_null(ids, n);
    const Unlocked unlocked;
    builder.append(coded, numbers);
}

// Whether scores are those of float rows and of queries that no trained map has changed.
bool are_cosines(const Model& model, bool reranks) {
    return model.metric == Metric::cosine && !model.query_map
           && codec_kind(model.parts, model.rerank && reranks ? "rerank" : "codec").traits.exact;
}

py::tuple search_engine(const Engine& engine, const FloatArray& queries, std::size_t k, std::uint32_t nprobe,
                        std::size_t rerank, const Filters& filters, const Numbers& filter_of, float least,
                        unsigned threads) {
    const QueryFilters allowed = query_filters(filters, filter_of);
    return searched(engine, queries, k, [&](MatrixView view, Results& results) {
        const auto snapshot = engine.snapshot();
        const SearchParams params{k, nprobe, rerank, threads, least, nullptr};
        search_call(snapshot, view, params, allowed, results.ids.data(), results.scores.data());
        if (are_cosines(*snapshot->model, rerank > 0)) results.keep_within_one();
    });
}

py::tuple search_exactly(const FloatArray& x, const FloatArray& queries, std::size_t k, const std::string& metric,
                         std::int64_t first_id, unsigned threads) {
    const MatrixView base = matrix_view(x), view = matrix_view(queries);
    const Metric meaning = metric_from(metric);
    Results results(view.rows, k);
    {
        const Unlocked unlocked;
        exact_search(base, view, k, meaning, first_id, threads, results.ids.data(), results.scores.data());
        if (meaning == Metric::cosine) results.keep_within_one();
    }
    return results.to_tuple(view.rows, k);
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

py::array_t<float> reconstruct(const Engine& engine, const IdArray& ids) {
    const auto n = static_cast<std::size_t>(ids.size());
    std::vector<float> out(checked_mul(n, engine.model().dim));
    unlocked([&] { engine.reconstruct({ids.data(), n}, out.data()); });
    return to_numpy(std::move(out), {ids.size(), static_cast<py::ssize_t>(engine.model().dim)});
}

py::array_t<std::int64_t> ids_of(const Engine& engine) {
    std::vector<std::int64_t> ids;
    {
        const Unlocked unlocked;
        const auto snapshot = engine.snapshot();
        ids.reserve(snapshot->n());
        snapshot->ids(0, snapshot->n(), ids);
        if (!std::is_sorted(ids.begin(), ids.end())) std::sort(ids.begin(), ids.end());
    }
    const auto n = static_cast<py::ssize_t>(ids.size());
    return to_numpy(std::move(ids), {n});
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

py::tuple given(const Filter& filter) {
    const Filter::Given from = filter.given();
    const auto copy = [](const auto values) {
        return to_numpy(std::vector(values.begin(), values.end()), {static_cast<py::ssize_t>(values.size())});
    };
    switch (from.kind) {
        case Filter::Given::Kind::mask:
            return py::make_tuple("mask", copy(from.mask));
        case Filter::Given::Kind::allowed:
            return py::make_tuple("allowed", copy(from.ids));
        case Filter::Given::Kind::denied:
            return py::make_tuple("denied", copy(from.ids));
        case Filter::Given::Kind::predicate:
            break;
    }
    return py::make_tuple("predicate", py::none());
}

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
    out["per_vector"] = bytes.per_vector;
    out["fixed"] = bytes.fixed;
    out["on_disk"] = bytes.on_disk;
    out["tokens"] = bytes.tokens;
    return out;
}

py::ssize_t bad_row(const FloatArray& x, bool nonzero, double longest) {
    const MatrixView view = matrix_view(x);
    const Unlocked unlocked;
    return first_bad_row(view, {nonzero, longest});
}

py::array_t<float> normalized(const FloatArray& x) {
    const MatrixView view = matrix_view(x);
    std::vector<float> out;
    {
        const Unlocked unlocked;
        out.resize(view.size());
        normalize_rows(view, out.data());
    }
    return to_numpy(std::move(out), {x.shape(0), x.shape(1)});
}

py::dict inspect(const std::string& path) {
    const FileInfo info = inspect_file(path);
    py::list sections;
    for (const SectionInfo& section : info.sections) {
        py::dict row;
        row["name"] = section.name;
        row["dtype"] = dtype_name(section.dtype);
        row["offset"] = section.offset;
        row["bytes"] = section.bytes;
        row["checksum"] = section.checksum;
        row["bulk"] = section.bulk;
        sections.append(row);
    }
    py::dict out;
    out["version"] = py::make_tuple(info.major, info.minor);
    out["bytes"] = info.bytes;
    out["params"] = info.params;
    out["sections"] = sections;
    return out;
}

}  // namespace

void register_engine(py::module_& m) {
    using namespace py::literals;
    py::class_<SegmentBuilder>(m, "Builder")
        .def("append", &append, "x"_a.noconvert(), "ids"_a.noconvert() = py::none(), py::kw_only(),
             "tokens"_a.noconvert() = py::none(), "offsets"_a.noconvert() = py::none(), "threads"_a = 0)
        .def("append_codes", &append_codes, "rows"_a.noconvert(), py::kw_only(), "lists"_a.noconvert() = py::none(),
             "a"_a.noconvert() = py::none(), "b"_a.noconvert() = py::none(), "ids"_a.noconvert() = py::none())
        .def("__len__", &SegmentBuilder::size);

    py::class_<Filter>(m, "Filter")
        .def_static(
            "mask",
            [](const py::array_t<std::uint8_t, py::array::c_style>& mask) {
                const std::span<const std::uint8_t> bytes{mask.data(), static_cast<std::size_t>(mask.size())};
                const Unlocked unlocked;
                return Filter::of_mask(bytes);
            },
            "mask"_a.noconvert())
        .def_static(
            "ids",
            [](const IdArray& ids, bool allow) {
                const std::span<const std::int64_t> numbers{ids.data(), static_cast<std::size_t>(ids.size())};
                const Unlocked unlocked;
                return Filter::of_ids(numbers, allow);
            },
            "ids"_a.noconvert(), py::kw_only(), "allow"_a)
        .def_static(
            "predicate",
            [](std::uintptr_t address) {
                require(address != 0, "filter: expected the address of a compiled function, got 0");
                return Filter::of_predicate(reinterpret_cast<Filter::Predicate>(address));
            },
            "address"_a)
        .def("given", &given);

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
        .def_static("open", &Engine::open, "path"_a, py::kw_only(), "mapped"_a = true, "verify_all"_a = false,
                    py::call_guard<Unlocked>())
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
        .def(
            "save",
            [](const Engine& engine, const std::string& path, const py::bytes& meta) {
                const std::string text = meta;
                const Unlocked unlocked;
                engine.save(path, text);
            },
            "path"_a, "meta"_a)
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
        .def("search", &search_engine, "queries"_a.noconvert(), "k"_a, py::kw_only(), "nprobe"_a, "rerank"_a,
             "filters"_a = Filters(), "filter_of"_a.noconvert() = py::none(),
             "least"_a = -std::numeric_limits<float>::infinity(), "threads"_a = 0)
        .def("contains", &contains, "ids"_a.noconvert())
        .def("reconstruct", &reconstruct, "ids"_a.noconvert())
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

    m.def("exact_search", &search_exactly, "x"_a.noconvert(), "queries"_a.noconvert(), "k"_a, "metric"_a, py::kw_only(),
          "first_id"_a = 0, "threads"_a = 0);
    m.def("first_bad_row", &bad_row, "x"_a.noconvert(), py::kw_only(), "nonzero"_a = false,
          "longest"_a = std::numeric_limits<double>::infinity());
    m.def("normalize_rows", &normalized, "x"_a.noconvert());
    m.def("inspect", &inspect, "path"_a);
    m.def("verify", &verify_file, "path"_a, py::call_guard<Unlocked>());
}

}  // namespace fewbits::bindings
