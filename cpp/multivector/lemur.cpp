#include "multivector/lemur.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "blocks/blocks.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

constexpr std::size_t sets_a_task = 16;
constexpr std::uint64_t most_dim = 4096, most_dims = 65535, most_features = 65536, most_sample = 1 << 20;

MatrixView matrix(const Parts& parts, const char* name, std::size_t rows, std::size_t cols) {
    return {parts.finite(name, checked_mul(rows, cols)).data(), rows, cols};
}

TokenFeatures features_from(const Parts& parts) {
    const std::size_t n = parts.param("features", 0, most_features), dim = parts.param("dim", 1, most_dim);
    return {matrix(parts, "weights", n, dim), parts.finite("bias", n), dim};
}

TokenMaxima maxima_from(const Parts& parts) {
    const std::size_t n = parts.param("sample", 1, most_sample), dim = parts.param("dim", 1, most_dim);
    const std::span<const float> steps = parts.finite("steps", n);
    if (std::any_of(steps.begin(), steps.end(), [](float step) { return step < 0; }))
        throw Error(ErrorKind::corrupt, "array 'steps': expected numbers that are not negative");
    return {parts.array<std::int8_t>("levels", checked_mul(n, dim)), steps, dim};
}

void check(const SetsView& sets, std::size_t dim, const char* name) {
    check_sets(sets, name);
    if (sets.tokens.cols != dim)
        fail(std::string(name) + ": got " + std::to_string(sets.tokens.cols) + " dimensions, expected "
             + std::to_string(dim));
}

// out = x times the transposed matrix in `blocks`, which has `k` rows, plus bias (or null).
void multiply(MatrixView x, const std::vector<float>& blocks, std::size_t k, const float* bias, float* out) {
    poll(blocks.size() * sizeof(float));
    const auto rows = static_cast<std::uint32_t>(x.rows), cols = static_cast<std::uint32_t>(x.cols);
    kernels::active().tile_dot({x.data, cols, rows, cols, blocks.data(), static_cast<std::uint32_t>(k), bias}, out, k);
}

// Calls body(first, count, worker) for all sets, a few at a time.
template <class Body>
void for_sets(const SetsView& sets, unsigned threads, const Body& body) {
    parallel_for((sets.size() + sets_a_task - 1) / sets_a_task, threads, [&](std::size_t task, unsigned worker) {
        const std::size_t first = task * sets_a_task;
        body(first, std::min(sets_a_task, sets.size() - first), worker);
    });
}

}  // namespace

Lemur::Lemur(Parts parts)
    : parts_(std::move(parts)),
      dim_(parts_.param("dim", 1, most_dim)),
      dims_(parts_.param("dims", 1, most_dims)),
      features_(features_from(parts_)),
      maxima_(maxima_from(parts_)),
      documents_(pack_floats(matrix(parts_, "documents", dims_, maxima_.size()))),
      queries_(pack_floats(matrix(parts_, "queries", dims_ + 1, features_.size()))) {
    for (const float value : parts_.finite("offset", dims_)) negated_offset_.push_back(-value);
}

void Lemur::encode_queries(const SetsView& queries, float* out, float* shared, unsigned threads) const {
    check(queries, dim_, "queries");
    threads = resolve_threads(threads);
    std::vector<std::vector<float>> scratch(threads);
    for_sets(queries, threads, [&](std::size_t first, std::size_t count, unsigned worker) {
        std::vector<float> sums(count * features_.size()), mapped(count * (dims_ + 1));
        for (std::size_t i = 0; i < count; ++i)
            features_.sum(queries[first + i], scratch[worker], sums.data() + i * features_.size());
        multiply({sums.data(), count, features_.size()}, queries_, dims_ + 1, nullptr, mapped.data());
        for (std::size_t i = 0; i < count; ++i) {
            std::copy_n(mapped.data() + i * (dims_ + 1), dims_, out + (first + i) * dims_);
            shared[first + i] = mapped[i * (dims_ + 1) + dims_];
        }
    });
}

void Lemur::encode_documents(const SetsView& documents, float* out, unsigned threads) const {
    check(documents, dim_, "documents");
    threads = resolve_threads(threads);
    std::vector<TokenMaxima::Scratch> scratch(threads);
    for_sets(documents, threads, [&](std::size_t first, std::size_t count, unsigned worker) {
        std::vector<float> values(count * maxima_.size());
        for (std::size_t i = 0; i < count; ++i)
            maxima_.find(documents[first + i], scratch[worker], values.data() + i * maxima_.size());
        multiply({values.data(), count, maxima_.size()}, documents_, dims_, negated_offset_.data(),
                 out + first * dims_);
    });
}

void find_maxima(const TokenMaxima& points, const SetsView& sets, float* out, unsigned threads) {
    check_sets(sets, "documents");
    threads = resolve_threads(threads);
    std::vector<TokenMaxima::Scratch> scratch(threads);
    for_sets(sets, threads, [&](std::size_t first, std::size_t count, unsigned worker) {
        for (std::size_t i = first; i < first + count; ++i)
            points.find(sets[i], scratch[worker], out + i * points.size());
    });
}

}  // namespace fewbits
