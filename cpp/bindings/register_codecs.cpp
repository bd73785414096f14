// Codecs for training in Python: fitting codebooks and levels, and coding vectors without an index. Work runs without
// the GIL; codes do not depend on the number of threads, so these calls use all CPUs by default.
#include <optional>
#include <tuple>

#include "bindings/arrays.h"
#include "codec/pq/train.h"
#include "codec/scalar/lloyd_max.h"
#include "index/model.h"

namespace fewbits::bindings {
namespace {

using Size = py::ssize_t;
using ByteArray = py::array_t<std::uint8_t, py::array::c_style>;
using OptionalFloats = std::optional<FloatArray>;

constexpr std::size_t rows_per_task = 1024;

std::uint32_t ranged(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
        fail(std::string(name) + ": got " + std::to_string(value) + ", expected " + std::to_string(low) + ".."
             + std::to_string(high));
    return static_cast<std::uint32_t>(value);
}

void expect(const char* name, std::size_t got, std::size_t expected) {
    if (got != expected)
        fail(std::string(name) + ": got size " + std::to_string(got) + ", expected " + std::to_string(expected));
}

py::array_t<float> pq_train_of(const FloatArray& x, std::int64_t m, std::int64_t bits, std::int64_t iterations,
                               std::uint64_t seed, unsigned threads, const OptionalFloats& initial,
                               py::object callback) {
    const MatrixView points = matrix_view(x);
    const auto dim = static_cast<std::uint32_t>(std::min<std::size_t>(points.cols, 65535));
    const std::uint32_t parts = ranged("m", m, 1, dim);
    const std::uint32_t width = ranged("bits", bits, 4, 8);
    const std::uint32_t rounds = ranged("iterations", iterations, 1, 10000);
    const std::vector<Size> shape{m, Size{1} << width, pq_width(parts, dim)};
    if (initial)
        expect("initial", static_cast<std::size_t>(initial->size()),
               static_cast<std::size_t>(shape[0] * shape[1] * shape[2]));
    const Progress progress = progress_from(std::move(callback));
    std::vector<float> codebook;
    {
        const float* start = initial ? initial->data() : nullptr;
        const Unlocked unlocked;
        codebook = pq_train(points, parts, width, rounds, seed, threads, start, progress);
    }
    return to_numpy(std::move(codebook), shape);
}

py::array_t<float> lloyd_max_of(const FloatArray& x, std::int64_t levels, std::int64_t iterations) {
    const std::uint32_t count = ranged("levels", levels, 1, 4096);
    const std::uint32_t rounds = ranged("iterations", iterations, 1, 1000000);
    const std::span<const float> values{x.data(), static_cast<std::size_t>(x.size())};
    std::vector<float> out;
    {
        const Unlocked unlocked;
        out = lloyd_max(values, count, rounds);
    }
    return to_numpy(std::move(out), {static_cast<Size>(count)});
}

template <class Body>
void in_blocks(std::size_t rows, unsigned threads, const Body& body) {
    parallel_for((rows + rows_per_task - 1) / rows_per_task, threads, [&](std::size_t task, unsigned) {
        const std::size_t first = task * rows_per_task;
        body(first, std::min(rows_per_task, rows - first));
    });
}

py::object factor(std::vector<float>&& values) {
    if (values.empty()) return py::none();
    const auto n = static_cast<Size>(values.size());
    return to_numpy(std::move(values), {n});
}

py::tuple encode_of(const py::dict& params, const py::dict& arrays, const std::string& prefix, const FloatArray& x,
                    const OptionalFloats& origin, unsigned threads) {
    const MatrixView points = matrix_view(x);
    const auto codec = make_model_codec(parts_from(params, arrays), prefix);
    expect("x.shape[1]", points.cols, codec->dim());
    if (origin) expect("origin", static_cast<std::size_t>(origin->size()), points.size());
    const float* from = origin ? origin->data() : nullptr;
    const CodeLayout layout = codec->layout();
    const std::size_t n = points.rows, row_bytes = layout.row_bytes();
    std::vector<std::uint8_t> rows(checked_mul(n, row_bytes));
    std::vector<float> a(layout.has_a ? n : 0), b(layout.has_b ? n : 0);
    {
        const Unlocked unlocked;
        in_blocks(n, threads, [&](std::size_t first, std::size_t count) {
            std::vector<float> stage(layout.has_stage ? count : 0);
            codec->encode(points.block(first, count), from ? from + first * points.cols : nullptr,
                          rows.data() + first * row_bytes,
                          {a.empty() ? nullptr : a.data() + first, b.empty() ? nullptr : b.data() + first,
                           stage.empty() ? nullptr : stage.data()});
        });
    }
    auto codes = to_numpy(std::move(rows), {static_cast<Size>(n), static_cast<Size>(row_bytes)});
    return py::make_tuple(std::move(codes), factor(std::move(a)), factor(std::move(b)));
}

py::array_t<float> decode_of(const py::dict& params, const py::dict& arrays, const std::string& prefix,
                             const ByteArray& rows, const OptionalFloats& a, const OptionalFloats& b,
                             unsigned threads) {
    const auto codec = make_model_codec(parts_from(params, arrays), prefix);
    const CodeLayout layout = codec->layout();
    if (rows.ndim() != 2) fail("rows: got " + std::to_string(rows.ndim()) + " dimensions, expected 2");
    const auto n = static_cast<std::size_t>(rows.shape(0));
    expect("rows.shape[1]", static_cast<std::size_t>(rows.shape(1)), layout.row_bytes());
    if (layout.has_a) expect("a", a ? static_cast<std::size_t>(a->size()) : 0, n);
    if (b) expect("b", static_cast<std::size_t>(b->size()), n);
    const std::uint8_t* codes = rows.data();
    const StoredFactors factors{layout.has_a ? a->data() : nullptr, b ? b->data() : nullptr, nullptr};
    std::vector<float> x(checked_mul(n, codec->dim()));
    {
        const Unlocked unlocked;
        in_blocks(n, threads, [&](std::size_t first, std::size_t count) {
            codec->decode(codes + first * layout.row_bytes(), factors.from(first), nullptr, count,
                          x.data() + first * codec->dim());
        });
    }
    return to_numpy(std::move(x), {static_cast<Size>(n), static_cast<Size>(codec->dim())});
}

}  // namespace

void register_codecs(py::module_& m) {
    m.def("pq_train", pq_train_of, py::arg("x"), py::arg("m"), py::arg("bits"), py::kw_only(),
          py::arg("iterations") = 16, py::arg("seed") = 0, py::arg("threads") = 0, py::arg("initial") = py::none(),
          py::arg("progress") = py::none(),
          "Product quantizer codebook (m, 2**bits, ceil(dim / m)) of the rows of x, padded with zeros.");
    m.def("lloyd_max", lloyd_max_of, py::arg("x"), py::arg("levels"), py::kw_only(), py::arg("iterations") = 50,
          "Levels, in ascending order, of the scalar quantizer with the least squared error for the values in x.");
    m.def("encode", encode_of, py::arg("params"), py::arg("arrays"), py::arg("prefix"), py::arg("x"),
          py::arg("origin") = py::none(), py::kw_only(), py::arg("threads") = 0,
          "(codes, a, b) of the rows of x; factors that the codec does not have are None.");
    m.def("decode", decode_of, py::arg("params"), py::arg("arrays"), py::arg("prefix"), py::arg("rows"), py::arg("a"),
          py::arg("b") = py::none(), py::kw_only(), py::arg("threads") = 0, "Decoded vectors, without the origin.");
}

}  // namespace fewbits::bindings
