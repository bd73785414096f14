// Sparse indexes as python/fewbits/_core.pyi lists them. An engine never changes, so no lock is needed.
#include <cstring>

#include "bindings/index_files.h"
#include "bindings/results.h"
#include "sparse/engine.h"

namespace fewbits::bindings {
namespace {

using sparse::CsrView;
using SparseEngine = sparse::Engine;
using TermArray = py::array_t<std::uint32_t, py::array::c_style>;
using FilterList = std::vector<const Filter*>;

template <class T>
std::span<const T> span_of(const py::array_t<T, py::array::c_style>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

CsrView csr(const IdArray& offsets, const TermArray& terms, const FloatArray& values) {
    if (offsets.size() == 0) fail("offsets: expected at least one");
    return {span_of(offsets), span_of(terms), span_of(values)};
}

std::unique_ptr<SparseEngine> added(const SparseEngine& engine, const IdArray& offsets, const TermArray& terms,
                                    const FloatArray& values, const std::optional<IdArray>& ids, bool replace) {
    const CsrView view = csr(offsets, terms, values);
    const auto own = span_or_none(ids);
    if (ids && own.size() != view.rows()) fail("ids: expected one per vector");
    const Unlocked unlocked;
    return engine.added(view, own, replace);
}

py::tuple search_sparse(const SparseEngine& engine, const IdArray& offsets, const TermArray& terms,
                        const FloatArray& values, std::size_t k, const FilterList& filters, const Numbers& filter_of,
                        float min_score, double mass, std::size_t rerank, unsigned threads) {
    const CsrView view = csr(offsets, terms, values);
    for (const Filter* filter : filters) require(filter != nullptr, "filters: expected filters, got None");
    std::optional<Results> results;
    unlocked([&] {
        results.emplace(view.rows(), k);
        engine.search(view, {k, min_score, mass, rerank, threads}, {filters, span_or_none(filter_of)},
                      results->ids.data(), results->scores.data());
    });
    return results->to_tuple(view.rows(), k);
}

py::array_t<float> score_sparse(const SparseEngine& engine, const IdArray& offsets, const TermArray& terms,
                                const FloatArray& values, const IdArray& ids, unsigned threads) {
    if (ids.ndim() != 2) fail("ids: expected 2 dimensions, got " + std::to_string(ids.ndim()));
    const CsrView view = csr(offsets, terms, values);
    const auto cols = static_cast<std::size_t>(ids.shape(1));
    std::vector<float> scores(checked_mul(view.rows(), cols));
    unlocked([&] {
        engine.score(view, {ids.data(), static_cast<std::size_t>(ids.shape(0)), cols}, threads, scores.data());
    });
    return to_numpy(std::move(scores), {static_cast<py::ssize_t>(view.rows()), ids.shape(1)});
}

py::tuple reconstruct(const SparseEngine& engine, const IdArray& ids) {
    std::vector<std::int64_t> offsets;
    std::vector<std::uint32_t> terms;
    std::vector<float> values;
    unlocked([&] {
        offsets.clear(), terms.clear(), values.clear();
        engine.reconstruct(span_of(ids), offsets, terms, values);
    });
    const auto n = static_cast<py::ssize_t>(offsets.size()), size = static_cast<py::ssize_t>(terms.size());
    return py::make_tuple(to_numpy(std::move(offsets), {n}), to_numpy(std::move(terms), {size}),
                          to_numpy(std::move(values), {size}));
}

py::array_t<bool> contains(const SparseEngine& engine, const IdArray& ids) {
    py::array_t<bool> found(ids.size());
    for (py::ssize_t i = 0; i < ids.size(); ++i) found.mutable_data()[i] = engine.snapshot().row_of(ids.data()[i]) >= 0;
    return found;
}

py::array_t<std::int64_t> ids_of(const SparseEngine& engine) {
    std::vector<std::int64_t> ids;
    unlocked([&] { ids = engine.snapshot().sorted_ids(); });
    const auto n = static_cast<py::ssize_t>(ids.size());
    return to_numpy(std::move(ids), {n});
}

py::dict stats(const SparseEngine& engine) {
    const sparse::Snapshot& snapshot = engine.snapshot();
    std::size_t rows = 0, postings = 0, bytes = 0, terms = 0;
    std::vector<std::uint32_t> sizes;
    for (const auto& segment : snapshot.segments) {
        rows += segment->n();
        postings += segment->rows().size();
        bytes += segment->bytes();
        sizes.push_back(segment->n());
    }
    for (const float scale : *snapshot.scales) terms += scale > 0;
    py::dict out;
    out["n"] = snapshot.n;
    out["removed"] = rows - snapshot.n;
    out["segments"] = sizes;
    out["terms"] = terms;
    out["postings"] = postings;
    out["bytes"] = bytes;
    out["bytes_fixed"] = snapshot.scales->size() * sizeof(float);
    return out;
}

py::bytes file_of(const SparseEngine& engine, const py::bytes& meta) {
    const std::string text = meta;
    std::vector<std::byte> file;
    {
        const Unlocked unlocked;
        file = write_bytes(engine.as_parts(text));
    }
    return {reinterpret_cast<const char*>(file.data()), file.size()};
}

std::unique_ptr<SparseEngine> of_file(const Parts& parts) {
    if (!parts.params.contains("sparse.kind")) fail("holds no sparse index: fewbits.open reads it");
    return SparseEngine::of_parts(parts);
}

}  // namespace

void register_sparse(py::module_& m) {
    using namespace py::literals;
    py::class_<SparseEngine>(m, "SparseEngine")
        .def(py::init())
        .def("added", &added, "offsets"_a.noconvert(), "terms"_a.noconvert(), "values"_a.noconvert(),
             "ids"_a.noconvert() = py::none(), py::kw_only(), "replace"_a = false)
        .def(
            "removed",
            [](const SparseEngine& engine, const IdArray& ids) {
                const Unlocked unlocked;
                return engine.removed(span_of(ids));
            },
            "ids"_a.noconvert())
        .def("compacted", &SparseEngine::compacted, py::call_guard<Unlocked>())
        .def("search", &search_sparse, "offsets"_a.noconvert(), "terms"_a.noconvert(), "values"_a.noconvert(), "k"_a,
             py::kw_only(), "filters"_a = FilterList(), "filter_of"_a.noconvert() = py::none(), "min_score"_a = 0.0f,
             "mass"_a = 1.0, "rerank"_a = 0, "threads"_a = 0)
        .def("score", &score_sparse, "offsets"_a.noconvert(), "terms"_a.noconvert(), "values"_a.noconvert(),
             "ids"_a.noconvert(), py::kw_only(), "threads"_a = 0)
        .def("reconstruct", &reconstruct, "ids"_a.noconvert())
        .def("contains", &contains, "ids"_a.noconvert())
        .def("ids", &ids_of)
        .def("stats", &stats)
        .def("scales",
             [](const SparseEngine& engine) {
                 std::vector<float> scales = *engine.snapshot().scales;
                 const auto n = static_cast<py::ssize_t>(scales.size());
                 return to_numpy(std::move(scales), {n});
             })
        .def("__len__", [](const SparseEngine& engine) { return engine.snapshot().n; })
        .def_property_readonly("next_id", [](const SparseEngine& engine) { return engine.snapshot().next_id; })
        .def_property_readonly("meta", [](const SparseEngine& engine) { return py::bytes(engine.meta()); })
        .def("save", &write_to<SparseEngine, &IndexFile::save>, "file"_a, "meta"_a)
        .def("sync", &write_to<SparseEngine, &IndexFile::sync>, "file"_a, "meta"_a)
        .def("to_bytes", &file_of, "meta"_a)
        .def_static(
            "open",
            [](IndexFile& file) {
                const Unlocked unlocked;
                Parts parts = file.read(false, Verify::all);
                auto engine = of_file(parts);
                file.give_back(std::move(parts));
                return engine;
            },
            "file"_a)
        .def_static(
            "from_bytes",
            [](const py::buffer& file) {
                const HeldBytes bytes(file);
                const Unlocked unlocked;
                return of_file(read_bytes(bytes.span()));
            },
            "file"_a);
}

}  // namespace fewbits::bindings
