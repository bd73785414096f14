// Training primitives that Python composes: k-means, assignment, transforms. Work runs without the GIL.
#include <algorithm>
#include <cmath>

#include "bindings/arrays.h"
#include "partition/assign.h"
#include "partition/kmeans.h"
#include "transform/transform.h"

namespace fewbits::bindings {
namespace {

using Size = py::ssize_t;

py::array_t<float> kmeans_of(const FloatArray& x, std::int64_t k, bool spherical, std::int64_t iterations,
                             std::uint64_t seed, unsigned threads, py::object callback) {
    const MatrixView points = matrix_view(x);
    if (k < 1 || k > (1 << 24)) fail("k: got " + std::to_string(k) + ", expected 1..16777216");
    if (iterations < 1 || iterations > 10000) {
        fail("iterations: got " + std::to_string(iterations) + ", expected 1..10000");
    }
    KMeansOptions options;
    options.k = static_cast<std::uint32_t>(k);
    options.iterations = static_cast<std::uint32_t>(iterations);
    options.spherical = spherical;
    options.seed = seed;
    options.threads = threads;
    for (const float value : points.span()) require(std::isfinite(value), "x: got a value that is not finite");
    const Progress progress = progress_from(std::move(callback));
    std::vector<float> centroids;
    {
        const Unlocked unlocked;
        centroids = kmeans_auto(points, options, progress);
    }
    return to_numpy(std::move(centroids), {static_cast<Size>(k), static_cast<Size>(points.cols)});
}

py::array_t<std::uint32_t> assign_of(const FloatArray& x, const FloatArray& centroids, bool spherical,
                                     unsigned threads) {
    const MatrixView points = matrix_view(x), of = matrix_view(centroids);
    std::vector<std::uint32_t> lists(points.rows);
    {
        const Unlocked unlocked;
        assign(points, of, spherical, lists.data(), threads);
    }
    return to_numpy(std::move(lists), {static_cast<Size>(points.rows)});
}

py::tuple second_lists_of(const FloatArray& x, const FloatArray& centroids, const Numbers& lists, float lambda,
                          bool spherical, unsigned threads) {
    const MatrixView points = matrix_view(x), of = matrix_view(centroids);
    const auto first = span_or_none(lists);
    if (first.size() != points.rows)
        fail("lists: got " + std::to_string(first.size()) + ", expected one per row, " + std::to_string(points.rows));
    for (const std::uint32_t list : first)
        if (list >= of.rows)
            fail("lists: got " + std::to_string(list) + ", expected numbers below " + std::to_string(of.rows));
    if (!(lambda >= 0)) fail("lam: expected a number of at least 0");
    std::vector<std::uint32_t> second(points.rows);
    std::vector<float> gains(points.rows);
    {
        const Unlocked unlocked;
        assign_second(points, of, spherical, first.data(), {lambda, 0}, {second.data(), gains.data()}, threads);
    }
    const auto n = static_cast<Size>(points.rows);
    return py::make_tuple(to_numpy(std::move(second), {n}), to_numpy(std::move(gains), {n}));
}

py::array_t<float> apply_transform_of(const py::dict& params, const py::dict& arrays, const FloatArray& x,
                                      unsigned threads) {
    const MatrixView points = matrix_view(x);
    const Parts parts = parts_from(params, arrays);
    const auto dim = static_cast<std::uint32_t>(parts.param("dim", 1, 65535));
    if (points.cols != dim) {
        fail("x: got " + std::to_string(points.cols) + " dimensions, expected " + std::to_string(dim));
    }
    std::size_t out_dim = 0;
    std::vector<float> y;
    {
        const Unlocked unlocked;
        constexpr std::size_t rows = 1024;
        const auto map = make_transform(parts, dim);
        out_dim = map->out_dim();
        y.resize(checked_mul(points.rows, out_dim));
        parallel_for((points.rows + rows - 1) / rows, threads, [&](std::size_t task, unsigned) {
            const std::size_t first = task * rows;
            map->apply(points.block(first, std::min(rows, points.rows - first)), y.data() + first * out_dim);
        });
    }
    return to_numpy(std::move(y), {static_cast<Size>(points.rows), static_cast<Size>(out_dim)});
}

}  // namespace

void register_training(py::module_& m) {
    m.def("kmeans", kmeans_of, py::arg("x"), py::arg("k"), py::kw_only(), py::arg("spherical") = false,
          py::arg("iterations") = 10, py::arg("seed") = 0, py::arg("threads") = 0, py::arg("progress") = py::none(),
          "Means of clusters (k x d); the same bits for any number of threads. If one Lloyd iteration would cost more\n"
          "than 2e11 products (rows * k * d) and k >= 1024, clusters of clusters are used instead.");
    m.def("second_lists", second_lists_of, py::arg("x"), py::arg("centroids"), py::arg("lists").noconvert(),
          py::kw_only(), py::arg("lam"), py::arg("spherical") = false, py::arg("threads") = 0,
          "The second list of each row by SOAR (2^32 - 1: none), given the first, and the squared length of its "
          "residual\n"
          "divided by the loss of the second list.");
    m.def("assign", assign_of, py::arg("x"), py::arg("centroids"), py::kw_only(), py::arg("spherical") = false,
          py::arg("threads") = 0,
          "The nearest centroid of each row; with 4096 centroids or more, searched for through groups of them.");
    m.def("apply_transform", apply_transform_of, py::arg("params"), py::arg("arrays"), py::arg("x"), py::kw_only(),
          py::arg("threads") = 0);
}

}  // namespace fewbits::bindings
