// Sets of vectors: encodings, Chamfer similarity and reduction of sets, declared in python/fewbits/_core.pyi.
#include "bindings/engine_arguments.h"
#include "multivector/chamfer.h"
#include "multivector/fde.h"
#include "multivector/features.h"
#include "multivector/lemur.h"
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

using LevelArray = py::array_t<std::int8_t, py::array::c_style>;

py::ssize_t as_size(std::size_t n) {
    return static_cast<py::ssize_t>(n);
}

Parts lemur_parts(const Engine& engine) {
    return engine.model().parts.under("lemur");
}

// Queries as vectors, and of each what its products with all documents lack.
py::tuple lemur_queries(const Lemur& lemur, const FloatArray& tokens, const OffsetArray& offsets, unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    std::vector<float> out(checked_mul(sets.size(), lemur.dims())), shared(sets.size());
    {
        const Unlocked unlocked;
        lemur.encode_queries(sets, out.data(), shared.data(), threads);
    }
    return py::make_tuple(to_numpy(std::move(out), {as_size(sets.size()), as_size(lemur.dims())}),
                          to_numpy(std::move(shared), {as_size(sets.size())}));
}

py::array_t<float> lemur_documents(const Lemur& lemur, const FloatArray& tokens, const OffsetArray& offsets,
                                   unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    std::vector<float> out(checked_mul(sets.size(), lemur.dims()));
    {
        const Unlocked unlocked;
        lemur.encode_documents(sets, out.data(), threads);
    }
    return to_numpy(std::move(out), {as_size(sets.size()), as_size(lemur.dims())});
}

py::array_t<float> token_features(const FloatArray& tokens, const FloatArray& weights, const FloatArray& bias) {
    const MatrixView x = matrix_view(tokens), w = matrix_view(weights);
    if (w.cols != x.cols || as_size(w.rows) != bias.size()) fail("weights: expected (features, dim), and a bias each");
    const TokenFeatures features(w, {bias.data(), w.rows}, x.cols);
    std::vector<float> out(checked_mul(x.rows, features.size()));
    {
        const Unlocked unlocked;
        features.find(x, out.data());
    }
    return to_numpy(std::move(out), {as_size(x.rows), as_size(features.size())});
}

py::tuple rounded_rows(const FloatArray& x) {
    const MatrixView rows = matrix_view(x);
    RoundedRows rounded = round_rows(rows);
    return py::make_tuple(to_numpy(std::move(rounded.levels), {as_size(rows.rows), as_size(rows.cols)}),
                          to_numpy(std::move(rounded.steps), {as_size(rows.rows)}));
}

py::array_t<float> token_maxima(const LevelArray& levels, const FloatArray& steps, const FloatArray& tokens,
                                const OffsetArray& offsets, unsigned threads) {
    const SetsView sets = sets_view(tokens, offsets);
    const auto n = static_cast<std::size_t>(steps.size());
    if (levels.ndim() != 2 || levels.shape(0) != steps.size() || levels.shape(1) != as_size(sets.tokens.cols))
        fail("levels: expected one row per step, of the tokens' dimensions");
    const TokenMaxima points({levels.data(), static_cast<std::size_t>(levels.size())}, {steps.data(), n},
                             sets.tokens.cols);
    std::vector<float> out(checked_mul(sets.size(), n));
    {
        const Unlocked unlocked;
        find_maxima(points, sets, out.data(), threads);
    }
    return to_numpy(std::move(out), {as_size(sets.size()), as_size(n)});
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
                         std::uint32_t final_dim, bool fill_empty, bool length_fair, std::uint64_t seed) {
                 return std::make_unique<Fde>(FdeParams{dim, repetitions, simhash_bits, directions_from(directions),
                                                        projection_from(projection), projection_dim, final_dim,
                                                        fill_empty, seed});
             }),
             "dim"_a, py::kw_only(), "repetitions"_a, "simhash_bits"_a, "directions"_a, "projection"_a,
             "projection_dim"_a, "final_dim"_a, "fill_empty"_a, "length_fair"_a, "seed"_a,
             py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("dims", &Fde::dims)
        .def("encode_queries", &encoded<&Fde::encode_queries>, "tokens"_a.noconvert(), "offsets"_a.noconvert(),
             py::kw_only(), "threads"_a = 0)
        .def("encode_documents", &encoded<&Fde::encode_documents>, "tokens"_a.noconvert(), "offsets"_a.noconvert(),
             py::kw_only(), "threads"_a = 0);
    m.def("token_features", &token_features, "tokens"_a.noconvert(), "weights"_a.noconvert(), "bias"_a.noconvert());
    m.def("rounded_rows", &rounded_rows, "x"_a.noconvert());
    m.def("token_maxima", &token_maxima, "levels"_a.noconvert(), "steps"_a.noconvert(), "tokens"_a.noconvert(),
          "offsets"_a.noconvert(), py::kw_only(), "threads"_a = 0);
    py::class_<Lemur>(m, "Lemur")
        .def(py::init([](const py::dict& params, const py::dict& arrays) {
                 return std::make_unique<Lemur>(parts_from(params, arrays));
             }),
             "params"_a, "arrays"_a)
        .def_static(
            "of", [](const Engine& engine) { return std::make_unique<Lemur>(lemur_parts(engine)); }, "engine"_a)
        .def_property_readonly("dim", &Lemur::dim)
        .def_property_readonly("params", [](const Lemur& lemur) { return params_to(lemur.parts()); })
        .def("arrays", [](const Lemur& lemur) { return arrays_to(lemur.parts()); })
        .def("encode_queries", &lemur_queries, "tokens"_a.noconvert(), "offsets"_a.noconvert(), py::kw_only(),
             "threads"_a = 0)
        .def("encode_documents", &lemur_documents, "tokens"_a.noconvert(), "offsets"_a.noconvert(), py::kw_only(),
             "threads"_a = 0);
}

}  // namespace fewbits::bindings
