// Builders of segments.
#include "bindings/engine_arguments.h"
#include "index/builder.h"
#include "multivector/coding.h"

namespace fewbits::bindings {
namespace {

// Numbers of n rows, or null.
const std::int64_t* numbers_or_null(const char* what, const std::optional<IdArray>& given, std::size_t n) {
    if (!given) return nullptr;
    if (given->ndim() != 1 || static_cast<std::size_t>(given->size()) != n)
        fail(std::string(what) + ": got " + std::to_string(given->size()) + ", expected " + std::to_string(n));
    return given->data();
}

// tokens, offsets: for a multi-vector index, the set that each row of x stands for. rerank_vectors: for an index of two
// embeddings.
void append(SegmentBuilder& builder, const FloatArray& x, const std::optional<IdArray>& ids,
            const std::optional<FloatArray>& tokens, const std::optional<OffsetArray>& offsets,
            const std::optional<IdArray>& labels, const std::optional<FloatArray>& rerank_vectors, unsigned threads) {
    const MatrixView rows = matrix_view(x);
    const MatrixView others = rerank_vectors ? matrix_view(*rerank_vectors) : MatrixView();
    const std::int64_t* numbers = numbers_or_null("ids", ids, rows.rows);
    const std::int64_t* own_labels = numbers_or_null("labels", labels, rows.rows);
    if (!tokens || !offsets || !builder.model().tokens) {
        if (tokens || offsets) fail("tokens: expected together with offsets, and only for a multi-vector index");
        const Unlocked unlocked;
        return builder.append(rows, numbers, threads, nullptr, own_labels, others);
    }
    const SetsView sets = sets_view(*tokens, *offsets);
    const Unlocked unlocked;
    const CodeSets coded = encode_sets(*builder.model().tokens, sets, threads);
    builder.append(rows, numbers, threads, &coded, own_labels, others);
}

void append_codes(SegmentBuilder& builder, const py::array_t<std::uint8_t, py::array::c_style>& rows,
                  const Numbers& lists, const std::optional<FloatArray>& a, const std::optional<FloatArray>& b,
                  const std::optional<IdArray>& ids) {
    if (rows.ndim() != 2) fail("rows: got " + std::to_string(rows.ndim()) + " dimensions, expected 2");
    const auto n = static_cast<std::size_t>(rows.shape(0));
    const CodedRows coded{
        n, {rows.data(), static_cast<std::size_t>(rows.size())}, span_or_none(lists), span_or_none(a), span_or_none(b)};
    const std::int64_t* numbers = numbers_or_null("ids", ids, n);
    const Unlocked unlocked;
    builder.append(coded, numbers);
}

}  // namespace

void register_builder(py::module_& m) {
    using namespace py::literals;
    py::class_<SegmentBuilder>(m, "Builder")
        .def("append", &append, "x"_a.noconvert(), "ids"_a.noconvert() = py::none(), py::kw_only(),
             "tokens"_a.noconvert() = py::none(), "offsets"_a.noconvert() = py::none(),
             "labels"_a.noconvert() = py::none(), "rerank_vectors"_a.noconvert() = py::none(), "threads"_a = 0)
        .def("append_codes", &append_codes, "rows"_a.noconvert(), py::kw_only(), "lists"_a.noconvert() = py::none(),
             "a"_a.noconvert() = py::none(), "b"_a.noconvert() = py::none(), "ids"_a.noconvert() = py::none())
        .def("__len__", &SegmentBuilder::size);
}

}  // namespace fewbits::bindings
