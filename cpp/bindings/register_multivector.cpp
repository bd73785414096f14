// Sets of vectors: encodings, Chamfer similarity and reduction of sets, declared in python/fewbits/_core.pyi.
#include "bindings/engine_arguments.h"
#include "multivector/chamfer.h"
#include "multivector/fde.h"
#include "multivector/reduction.h"

namespace fewbits::bindings {

SetsView sets_view(const FloatArray& tokens, const OffsetArray& offsets) {
    if (offsets.ndim() != 1) fail("offsets: got " + std::to_string(offsets.ndim()) + " dimensions, expected 1");
    return {matrix_view(tokens), {offsets.data(), static_cast<std::size_t>(offsets.size())}};
}

py::tuple sets_to_tuple(OwnedSets sets, std::size_t dim) {
    const auto columns = static_cast<py::ssize_t>(dim), rows = static_cast<py::ssize_t>(sets.tokens.size() / dim);
    const auto offsets = static_cast<py::ssize_t>(sets.offsets.size());
    return py::make_tuple(to_numpy(std::move(sets.tokens), {rows, columns}),
                          to_numpy(std::move(sets.offsets), {offsets}));
}

namespace {

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

py::tuple pooled(const FloatArray& tokens, const OffsetArray& offsets, double share, std::size_t max_tokens,
                 const std::string& method, unsigned threads) {
    const SetsView documents = sets_view(tokens, offsets);
    const Clustering clustering = clustering_from(method);
    OwnedSets sets;
    {
        const Unlocked unlocked;
        sets = pool(documents, share, max_tokens, clustering, threads);
    }
    return sets_to_tuple(std::move(sets), documents.tokens.cols);
}

py::tuple carved(const FloatArray& tokens, const OffsetArray& offsets, float min_similarity, unsigned threads) {
    const SetsView queries = sets_view(tokens, offsets);
    OwnedSets sets;
    {
        const Unlocked unlocked;
        sets = carve(queries, min_similarity, threads);
    }
    return sets_to_tuple(std::move(sets), queries.tokens.cols);
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

}  // namespace

void register_multivector(py::module_& m) {
    using namespace py::literals;
    m.def("chamfer", &chamfer_of, "queries"_a.noconvert(), "query_offsets"_a.noconvert(), "documents"_a.noconvert(),
          "document_offsets"_a.noconvert(), py::kw_only(), "threads"_a = 0);
    m.def("pool", &pooled, "tokens"_a.noconvert(), "offsets"_a.noconvert(), py::kw_only(), "share"_a, "max_tokens"_a,
          "method"_a, "threads"_a = 0);
    m.def("carve", &carved, "tokens"_a.noconvert(), "offsets"_a.noconvert(), py::kw_only(), "min_similarity"_a,
          "threads"_a = 0);
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
