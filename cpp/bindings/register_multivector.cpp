// Multi-vector search: encodings of sets, Chamfer similarity and the token store, as python/fewbits/_core.pyi lists
// them. Sets are flat tokens and offsets.
#include "bindings/arrays.h"
#include "multivector/chamfer.h"
#include "multivector/fde.h"
#include "multivector/reduction.h"
#include "multivector/token_store.h"

namespace fewbits::bindings {
namespace {

using OffsetArray = py::array_t<std::int64_t, py::array::c_style>;

SetsView sets_view(const FloatArray& tokens, const OffsetArray& offsets) {
    if (offsets.ndim() != 1) fail("offsets: got " + std::to_string(offsets.ndim()) + " dimensions, expected 1");
    return {matrix_view(tokens), {offsets.data(), static_cast<std::size_t>(offsets.size())}};
}

ProjectionKind projection_from(const std::string& name) {
    if (name == "none") return ProjectionKind::none;
    if (name == "dense") return ProjectionKind::dense;
    if (name == "sketch") return ProjectionKind::sketch;
    fail("projection: got '" + name + "', expected 'none', 'dense' or 'sketch'");
}

DirectionKind directions_from(const std::string& name) {
    if (name == "gaussian") return DirectionKind::gaussian;
    if (name == "hadamard") return DirectionKind::hadamard;
    fail("directions: got '" + name + "', expected 'gaussian' or 'hadamard'");
}

Clustering clustering_from(const std::string& name) {
    if (name == "agglomerative") return Clustering::agglomerative;
    if (name == "kmeans") return Clustering::kmeans;
    fail("method: got '" + name + "', expected 'agglomerative' or 'kmeans'");
}

// Sets by themselves: (tokens, offsets).
py::tuple to_tuple(ReducedSets sets, std::size_t dim) {
    const auto columns = static_cast<py::ssize_t>(dim), rows = static_cast<py::ssize_t>(sets.tokens.size() / dim);
    const auto offsets = static_cast<py::ssize_t>(sets.offsets.size());
    return py::make_tuple(to_numpy(std::move(sets.tokens), {rows, columns}),
                          to_numpy(std::move(sets.offsets), {offsets}));
}

py::tuple pooled(const FloatArray& tokens, const OffsetArray& offsets, double share, std::size_t most,
                 const std::string& method, unsigned threads) {
    const SetsView documents = sets_view(tokens, offsets);
    const Clustering clustering = clustering_from(method);
    ReducedSets sets;
    {
        const Unlocked unlocked;
        sets = pool(documents, share, most, clustering, threads);
    }
    return to_tuple(std::move(sets), documents.tokens.cols);
}

py::tuple carved(const FloatArray& tokens, const OffsetArray& offsets, float least, unsigned threads) {
    const SetsView queries = sets_view(tokens, offsets);
    ReducedSets sets;
    {
        const Unlocked unlocked;
        sets = carve(queries, least, threads);
    }
    return to_tuple(std::move(sets), queries.tokens.cols);
}

using Encode = void (Fde::*)(const SetsView&, float*, unsigned) const;

template <Encode encode>
py::array_t<float> encoded(const Fde& fde, const FloatArray& tokens, const OffsetArray& offsets, unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    std::vector<float> out(checked_mul(sets.size(), fde.dims()));
    {
        const Unlocked unlocked;
        (fde.*encode)(sets, out.data(), threads);
    }
    return to_numpy(std::move(out), {static_cast<py::ssize_t>(sets.size()), static_cast<py::ssize_t>(fde.dims())});
}

py::array_t<float> chamfer_of(const FloatArray& queries, const OffsetArray& query_offsets, const FloatArray& documents,
                              const OffsetArray& document_offsets, unsigned threads) {
    const SetsView left = sets_view(queries, query_offsets), right = sets_view(documents, document_offsets);
    std::vector<float> out(checked_mul(left.size(), right.size()));
    {
        const Unlocked unlocked;
        chamfer(left, right, out.data(), threads);
    }
    return to_numpy(std::move(out), {static_cast<py::ssize_t>(left.size()), static_cast<py::ssize_t>(right.size())});
}

void append(TokenSegmentBuilder& builder, const FloatArray& tokens, const OffsetArray& offsets, const OffsetArray& ids,
            unsigned threads) {
    const SetsView documents = sets_view(tokens, offsets);
    if (static_cast<std::size_t>(ids.size()) != documents.size())
        fail("ids: got " + std::to_string(ids.size()) + ", expected " + std::to_string(documents.size()));
    const std::int64_t* of = ids.data();
    const Unlocked unlocked;
    builder.append(documents, of, threads);
}

py::tuple rerank(const TokenStore& store, const FloatArray& tokens, const OffsetArray& offsets,
                 const OffsetArray& candidates, std::size_t k, unsigned threads) {
    const SetsView queries = sets_view(tokens, offsets);
    if (candidates.ndim() != 2 || static_cast<std::size_t>(candidates.shape(0)) != queries.size())
        fail("candidates: expected one row a query (" + std::to_string(queries.size()) + ")");
    const auto n = static_cast<std::size_t>(candidates.shape(1));
    const std::int64_t* given = candidates.data();
    std::vector<std::int64_t> ids(checked_mul(queries.size(), k));
    std::vector<float> scores(ids.size());
    {
        const Unlocked unlocked;
        store.rerank(queries, given, n, k, ids.data(), scores.data(), threads);
    }
    const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(queries.size()), static_cast<py::ssize_t>(k)};
    return py::make_tuple(to_numpy(std::move(ids), shape), to_numpy(std::move(scores), shape));
}

void register_token_store(py::module_& m) {
    using namespace py::literals;
    py::class_<TokenSegmentBuilder>(m, "TokenBuilder")
        .def("append", &append, "tokens"_a.noconvert(), "offsets"_a.noconvert(), "ids"_a.noconvert(), py::kw_only(),
             "threads"_a = 0);

    py::class_<TokenStore>(m, "TokenStore")
        .def(py::init([](const py::dict& params, const py::dict& arrays) {
                 const Parts parts = parts_from(params, arrays);
                 const py::gil_scoped_release unlocked;
                 return std::make_unique<TokenStore>(parts);
             }),
             "params"_a, "arrays"_a)
        .def_static("open", &TokenStore::open, "path"_a, py::kw_only(), "mapped"_a = true, py::call_guard<Unlocked>())
        .def_static(
            "from_bytes",
            [](const py::buffer& file) {
                const HeldBytes bytes(file);
                const Unlocked unlocked;
                return TokenStore::from_bytes(bytes.span());
            },
            "file"_a)
        .def(
            "builder", [](const TokenStore& store, const std::string& directory) { return store.builder(directory); },
            "directory"_a, py::call_guard<Unlocked>())
        .def("publish", &TokenStore::publish, "builder"_a, py::call_guard<Unlocked>())
        .def("withdraw", &TokenStore::withdraw)
        .def(
            "keep",
            [](TokenStore& store, const OffsetArray& ids, const std::string& directory) {
                const std::span<const std::int64_t> kept{ids.data(), static_cast<std::size_t>(ids.size())};
                const Unlocked unlocked;
                store.keep(kept, directory);
            },
            "ids"_a.noconvert(), "directory"_a)
        .def("ids",
             [](const TokenStore& store) {
                 std::vector<std::int64_t> ids;
                 {
                     const py::gil_scoped_release unlocked;
                     ids = store.ids();
                 }
                 const auto n = static_cast<py::ssize_t>(ids.size());
                 return to_numpy(std::move(ids), {n});
             })
        .def_property_readonly("params", [](const TokenStore& store) { return params_to(store.model()); })
        .def("bytes",
             [](const TokenStore& store) {
                 std::map<std::string, std::size_t> out;
                 for (const auto& [name, array] : store.parts().arrays)
                     out[name.substr(name.find('.') + 1)] += array.bytes.size();
                 return out;
             })
        .def_property_readonly("tokens", &TokenStore::tokens)
        .def("__len__", &TokenStore::size)
        .def("rerank", &rerank, "tokens"_a.noconvert(), "offsets"_a.noconvert(), "candidates"_a.noconvert(), "k"_a,
             py::kw_only(), "threads"_a = 0);
}

}  // namespace

void register_multivector(py::module_& m) {
    using namespace py::literals;
    register_token_store(m);
    m.def("chamfer", &chamfer_of, "queries"_a.noconvert(), "query_offsets"_a.noconvert(), "documents"_a.noconvert(),
          "document_offsets"_a.noconvert(), py::kw_only(), "threads"_a = 0);
    m.def("pool", &pooled, "tokens"_a.noconvert(), "offsets"_a.noconvert(), py::kw_only(), "share"_a, "most"_a,
          "method"_a, "threads"_a = 0);
    m.def("carve", &carved, "tokens"_a.noconvert(), "offsets"_a.noconvert(), py::kw_only(), "least"_a, "threads"_a = 0);
    py::class_<Fde>(m, "Fde")
        .def(py::init([](std::uint32_t dim, std::uint32_t repetitions, std::uint32_t simhash_bits,
                         const std::string& directions, const std::string& projection, std::uint32_t projection_dim,
                         std::uint32_t final_dim, bool fill_empty, std::uint64_t seed) {
                 return std::make_unique<Fde>(FdeParams{dim, repetitions, simhash_bits, directions_from(directions),
                                                        projection_from(projection), projection_dim, final_dim,
                                                        fill_empty, seed});
             }),
             "dim"_a, py::kw_only(), "repetitions"_a, "simhash_bits"_a, "directions"_a, "projection"_a,
             "projection_dim"_a, "final_dim"_a, "fill_empty"_a, "seed"_a, py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("dims", &Fde::dims)
        .def("encode_queries", &encoded<&Fde::encode_queries>, "tokens"_a.noconvert(), "offsets"_a.noconvert(),
             py::kw_only(), "threads"_a = 0)
        .def("encode_documents", &encoded<&Fde::encode_documents>, "tokens"_a.noconvert(), "offsets"_a.noconvert(),
             py::kw_only(), "threads"_a = 0);
}

}  // namespace fewbits::bindings
