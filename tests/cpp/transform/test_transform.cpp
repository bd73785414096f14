// Transforms: orthonormal, inverted by their transposes, the same bits for a row in any batch, hostile parts rejected.
#include <algorithm>
#include <vector>

#include "check.h"
#include "partition/samples.h"
#include "transform/transform.h"

namespace {

using fewbits::DType;
using fewbits::Parts;

Parts hadamard(std::uint32_t dim, std::uint64_t seed = 7, std::uint64_t rounds = 3) {
    Parts parts;
    parts.params = {
        {"transform.kind", 2}, {"transform.out_dim", dim}, {"transform.seed", seed}, {"transform.rounds", rounds}};
    return parts;
}

// Rows made orthonormal one after the other.
std::vector<float> orthonormal(std::uint32_t out, std::uint32_t dim) {
    std::vector<double> rows(std::size_t{out} * dim);
    for (std::size_t r = 0; r < out; ++r) {
        double* row = rows.data() + r * dim;
        for (std::size_t j = 0; j < dim; ++j) row[j] = fewbits::random_unit(3, r * dim + j) - 0.5;
        for (int again = 0; again < 2; ++again) {
            for (std::size_t p = 0; p < r; ++p) {
                double product = 0;
                for (std::size_t j = 0; j < dim; ++j) product += row[j] * rows[p * dim + j];
                for (std::size_t j = 0; j < dim; ++j) row[j] -= product * rows[p * dim + j];
            }
        }
        double norm = 0;
        for (std::size_t j = 0; j < dim; ++j) norm += row[j] * row[j];
        for (std::size_t j = 0; j < dim; ++j) row[j] /= std::sqrt(norm);
    }
    return {rows.begin(), rows.end()};
}

Parts dense(std::uint32_t out, const std::vector<float>& matrix) {
    Parts parts;
    parts.params = {{"transform.kind", 1}, {"transform.out_dim", out}};
    parts.arrays["transform.matrix"] = samples::array(DType::f32, matrix);
    return parts;
}

std::vector<float> applied(const fewbits::Transform& map, fewbits::MatrixView x) {
    std::vector<float> y(x.rows * map.out_dim());
    map.apply(x, y.data());
    return y;
}

// The result must not depend on the division of the rows into calls.
void check_rows_alone(const fewbits::Transform& map, const samples::Rows& x) {
    const std::vector<float> together = applied(map, x.view());
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
        std::vector<float> apart;
        for (std::size_t first = 0; first < x.n; first += step) {
            const auto part = applied(map, x.view().block(first, std::min(step, x.n - first)));
            apart.insert(apart.end(), part.begin(), part.end());
        }
        CHECK(samples::same_bits(together, apart));
    }
}

void check_keeps_geometry(const fewbits::Transform& map, const samples::Rows& x, double tolerance) {
    const std::vector<float> y = applied(map, x.view());
    std::vector<float> back(x.values.size());
    map.invert({y.data(), x.n, x.d}, back.data());
    double off = 0;
    for (std::size_t i = 0; i < x.n; ++i) {
        const double scale = samples::dot(x.view().row(i), x.view().row(i), x.d) + 1e-9;
        off = std::max(off, samples::distance(back.data() + i * x.d, x.view().row(i), x.d) / scale);
        for (std::size_t l = 0; l < x.n; ++l)
            off = std::max(off, std::abs(samples::dot(y.data() + i * x.d, y.data() + l * x.d, x.d)
                                         - samples::dot(x.view().row(i), x.view().row(l), x.d))
                                    / scale);
    }
    if (off > tolerance)
        check::report(__FILE__, __LINE__, "dim " + std::to_string(x.d) + ": off by " + std::to_string(off));
}

TEST("transform: identity copies") {
    Parts parts;
    parts.params = {{"transform.kind", 0}, {"transform.out_dim", 5}};
    const auto map = fewbits::make_transform(parts, 5);
    const auto x = samples::clustered(4, 5, 1);
    CHECK(samples::same_bits(applied(*map, x.view()), x.values));
    parts.params["transform.out_dim"] = 4;
    CHECK_THROWS(fewbits::make_transform(parts, 5), "transform.out_dim");
}

TEST("transform: block Hadamard is orthonormal for every dim") {
    std::vector<std::uint32_t> dims{100, 384, 1000, 1536, 10240, 65535};
    for (std::uint32_t dim = 1; dim <= 70; ++dim) dims.push_back(dim);
    for (const std::uint32_t dim : dims) {
        const auto map = fewbits::make_transform(hadamard(dim), dim);
        CHECK_EQ(map->out_dim(), dim);
        check_keeps_geometry(*map, samples::clustered(dim > 2000 ? 3 : 9, dim, dim), 2e-5);
    }
}

TEST("transform: block Hadamard spreads a single coordinate over all") {
    for (const std::uint32_t dim : {64u, 100u, 384u, 1000u}) {
        const auto map = fewbits::make_transform(hadamard(dim), dim);
        for (const std::uint32_t at : {0u, dim / 2, dim - 1}) {
            std::vector<float> x(dim, 0.0f);
            x[at] = 1;
            float largest = 0;
            for (const float value : applied(*map, {x.data(), 1, dim})) largest = std::max(largest, std::abs(value));
            CHECK(largest < 0.75f);
        }
    }
}

TEST("transform: block Hadamard depends on seed and rounds, and on nothing else") {
    const auto x = samples::clustered(11, 100, 5);
    const auto map = fewbits::make_transform(hadamard(100), 100);
    const auto y = applied(*map, x.view());
    check_rows_alone(*map, x);
    CHECK(samples::same_bits(y, applied(*fewbits::make_transform(hadamard(100), 100), x.view())));
    CHECK(!samples::same_bits(y, applied(*fewbits::make_transform(hadamard(100, 8), 100), x.view())));
    CHECK(!samples::same_bits(y, applied(*fewbits::make_transform(hadamard(100, 7, 2), 100), x.view())));
    Parts unsaid = hadamard(100);
    unsaid.params.erase("transform.rounds");
    CHECK(samples::same_bits(y, applied(*fewbits::make_transform(unsaid, 100), x.view())));
}

TEST("transform: dense rotation and projection") {
    for (const std::uint32_t dim : {1u, 2u, 31u, 33u, 100u}) {
        const auto map = fewbits::make_transform(dense(dim, orthonormal(dim, dim)), dim);
        check_keeps_geometry(*map, samples::clustered(9, dim, dim), 2e-5);
        check_rows_alone(*map, samples::clustered(9, dim, dim));
    }
    const std::uint32_t dim = 40, out = 12;
    const auto matrix = orthonormal(out, dim);
    const auto map = fewbits::make_transform(dense(out, matrix), dim);
    const auto x = samples::clustered(7, dim, 2);
    const auto y = applied(*map, x.view());
    for (std::size_t i = 0; i < x.n; ++i)
        for (std::size_t r = 0; r < out; ++r)
            CHECK(std::abs(double{y[i * out + r]} - samples::dot(x.view().row(i), matrix.data() + r * dim, dim))
                  < 1e-4);
    std::vector<float> back(x.values.size());  // it lies in the subspace, so projecting again changes nothing
    map->invert({y.data(), x.n, out}, back.data());
    const auto again = applied(*map, {back.data(), x.n, dim});
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::abs(y[i] - again[i]) < 1e-4f);
}

// Vectors are stretched by 2 and queries by 3.
Parts pair(const std::vector<float>& matrix, float stretch_back) {
    Parts parts = dense(8, matrix);
    parts.params["transform.kind"] = 3;
    std::vector<float> vectors(matrix), queries(matrix), inverse(matrix.size());
    for (float& value : vectors) value *= 2;
    for (float& value : queries) value *= 3;
    for (std::size_t r = 0; r < 8; ++r)
        for (std::size_t j = 0; j < 10; ++j) inverse[j * 8 + r] = stretch_back * matrix[r * 10 + j];
    parts.arrays["transform.matrix"] = samples::array(DType::f32, vectors);
    parts.arrays["transform.queries"] = samples::array(DType::f32, queries);
    parts.arrays["transform.inverse"] = samples::array(DType::f32, inverse);
    return parts;
}

TEST("transform: a pair has a map for vectors, one for queries, and a way back") {
    const auto matrix = orthonormal(8, 10);
    const auto plain = fewbits::make_transform(dense(8, matrix), 10);
    const auto map = fewbits::make_transform(pair(matrix, 0.5f), 10);
    const samples::Rows x = samples::clustered(20, 10, 5);
    const std::vector<float> once = applied(*plain, x.view()), vectors = applied(*map, x.view());
    std::vector<float> queries(once.size()), back(x.n * 10), expected(x.n * 10);
    map->apply_to_queries(x.view(), queries.data());
    for (std::size_t i = 0; i < once.size(); ++i) {
        CHECK(std::abs(vectors[i] - 2 * once[i]) < 1e-4f);
        CHECK(std::abs(queries[i] - 3 * once[i]) < 1e-4f);
    }
    map->invert({vectors.data(), x.n, 8}, back.data());
    plain->invert({once.data(), x.n, 8}, expected.data());
    for (std::size_t i = 0; i < back.size(); ++i) CHECK(std::abs(back[i] - expected[i]) < 1e-4f);
    check_rows_alone(*map, x);
    CHECK_THROWS(fewbits::make_transform(pair(matrix, 0.6f), 10), "transform.inverse");
    const auto there_and_back = [](float stretch) {
        Parts parts;
        parts.params = {{"transform.kind", 3}, {"transform.out_dim", 1}};
        for (const char* name : {"transform.matrix", "transform.queries", "transform.inverse"})
            parts.arrays[name] = samples::array(DType::f32, std::vector<float>{1});
        parts.arrays["transform.matrix"] = samples::array(DType::f32, std::vector<float>{stretch});
        return fewbits::make_transform(parts, 1)->out_dim();
    };
    CHECK_EQ(there_and_back(1 + 0x1p-7f), 1u);  // the tolerance
    CHECK_THROWS(there_and_back(1 + 0x1.01p-7f), "transform.inverse");
    Parts missing = pair(matrix, 0.5f);
    missing.arrays.erase("transform.queries");
    CHECK_THROWS(fewbits::make_transform(missing, 10), "transform.queries");
}

TEST("transform: hostile parts are refused") {
    auto matrix = orthonormal(8, 10);
    CHECK_THROWS(fewbits::make_transform(dense(9, matrix), 10), "transform.matrix");
    CHECK_THROWS(fewbits::make_transform(dense(11, matrix), 10), "transform.out_dim");
    CHECK_THROWS(fewbits::make_transform(dense(0, matrix), 10), "transform.out_dim");
    for (const float wrong : {1.5f, -0.4f, NAN, INFINITY, 1e30f}) {
        auto changed = matrix;
        changed[37] += wrong;
        CHECK_THROWS(fewbits::make_transform(dense(8, changed), 10), "transform.matrix");
    }
    auto repeated = matrix;
    std::copy_n(matrix.begin(), 10, repeated.begin() + 10);
    CHECK_THROWS(fewbits::make_transform(dense(8, repeated), 10), "orthonormal");
    Parts half = dense(8, matrix);
    half.arrays["transform.matrix"].dtype = DType::f16;
    CHECK_THROWS(fewbits::make_transform(half, 10), "transform.matrix");
    CHECK_THROWS(fewbits::make_transform(hadamard(10, 7, 0), 10), "transform.rounds");
    CHECK_THROWS(fewbits::make_transform(hadamard(10, 7, 9), 10), "transform.rounds");
    CHECK_THROWS(fewbits::make_transform(hadamard(9), 10), "transform.out_dim");
    CHECK_THROWS(fewbits::make_transform(hadamard(10), 0), "dim: got 0");
    CHECK_THROWS(fewbits::make_transform(hadamard(65536), 65536), "dim: got 65536");
    CHECK_EQ(fewbits::make_transform(hadamard(1), 1)->out_dim(), 1u);
    CHECK_EQ(fewbits::make_transform(hadamard(65535), 65535)->out_dim(), 65535u);
    Parts unknown = hadamard(10);
    unknown.params["transform.kind"] = 4;
    CHECK_THROWS(fewbits::make_transform(unknown, 10), "transform.kind");
    CHECK_THROWS(fewbits::make_transform(Parts{}, 10), "transform.kind");
}

}  // namespace
