#include "multivector/fde.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/parallel.h"
#include "base/random.h"
#include "kernels/kernels.h"

namespace fewbits {
namespace {

constexpr std::size_t sets_per_task = 8;
constexpr std::int32_t one_bit = 1 << 25;  // one bit of Hamming distance, above the bits of a token number
constexpr std::uint64_t max_dims = std::uint64_t{1} << 24;

// Seeds of the three kinds of random numbers.
constexpr std::uint64_t stream(std::uint64_t seed, std::uint64_t kind) {
    return random_bits(seed, kind);
}

void check(const char* name, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (value < low || value > high)
        fail(std::string(name) + ": got " + std::to_string(value) + ", expected " + std::to_string(low) + ".."
             + std::to_string(high));
}

float length(const float* x, std::size_t n) {
    float lanes[4] = {};
    std::size_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (std::size_t lane = 0; lane < 4; ++lane) lanes[lane] += x[j + lane] * x[j + lane];
    for (; j < n; ++j) lanes[0] += x[j] * x[j];
    return std::sqrt((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
}

}  // namespace

struct Fde::Scratch {
    SimHash::Scratch simhash;
    std::vector<std::uint32_t> bucket;  // of each token in each repetition: repetitions x tokens
    std::vector<std::uint32_t> held;    // number of tokens in each bucket, in the current repetition
    std::vector<float> lengths;         // sum over the tokens of each bucket
    std::vector<std::int32_t> filler;   // token that fills each bucket, plus one_bit per bit of distance
    std::vector<float> tokens;          // projected, for all repetitions
    std::vector<float> sums;            // buckets x dim, before the projection
    std::vector<float> encoded;         // of the set, before the final sketch
};

Fde::Fde(const FdeParams& params) : params_(params) {
    check("dim", params.dim, 1, 4096);
    check("repetitions", params.repetitions, 1, 4096);
    check("simhash_bits", params.simhash_bits, 0, 16);
    check("projection_dim", params.projection_dim, params.projection == ProjectionKind::none ? params.dim : 1,
          params.dim);
    check("dimensions before final_dim",
          std::uint64_t{params.repetitions} * params.projection_dim << params.simhash_bits, 1, max_dims);
    check("final_dim", params.final_dim, 0, encoded_dims());
    simhash_.emplace(params.directions, params.dim, params.repetitions, params.simhash_bits, stream(params.seed, 0));
    const std::uint64_t seed = stream(params.seed, 1);
    if (params.projection == ProjectionKind::dense)
        dense_.emplace(params.dim, params.projection_dim, params.repetitions, seed);
    if (params.projection == ProjectionKind::sketch)
        sketch_.emplace(params.dim, params.projection_dim, params.repetitions, seed);
    if (params.final_dim == 0) return;
    for (std::size_t j = 0; j < encoded_dims(); ++j) {
        const std::uint64_t place = random_below(stream(params.seed, 2), 2 * j, params.final_dim);
        const std::uint64_t negative = random_bits(stream(params.seed, 2), 2 * j + 1) >> 63;
        final_place_.push_back(static_cast<std::uint32_t>(place * 2 + negative));
    }
}

void Fde::encode_queries(const SetsView& queries, float* out, unsigned threads) const {
    encode(queries, false, out, threads);
}

void Fde::encode_documents(const SetsView& documents, float* out, unsigned threads) const {
    encode(documents, true, out, threads);
}

void Fde::encode(const SetsView& sets, bool document, float* out, unsigned threads) const {
    const char* name = document ? "documents" : "queries";
    check_sets(sets, name);
    if (sets.tokens.cols != params_.dim)
        fail(std::string(name) + ": got " + std::to_string(sets.tokens.cols) + " dimensions, expected "
             + std::to_string(params_.dim));
    for (std::size_t i = 0; i < sets.size(); ++i) check("tokens of a set", sets[i].rows, 1, one_bit - 1);
    threads = resolve_threads(threads);
    std::vector<Scratch> scratch(threads);
    parallel_for((sets.size() + sets_per_task - 1) / sets_per_task, threads, [&](std::size_t task, unsigned worker) {
        const std::size_t end = std::min(sets.size(), (task + 1) * sets_per_task);
        for (std::size_t i = task * sets_per_task; i < end; ++i)
            encode_set(sets[i], document, scratch[worker], out + i * dims());
    });
}

// Counts the tokens of each bucket and finds the token to fill it with: the first token of the non-empty bucket that is
// nearest in Hamming distance, or the earliest of these if there are several. Distances are propagated bit by bit, as
// along the dimensions of a hypercube.
void Fde::find_fillers(const std::uint32_t* bucket, std::size_t tokens, Scratch& scratch) const {
    constexpr std::int32_t none = 1 << 30;
    scratch.held.assign(buckets(), 0);
    scratch.filler.assign(buckets(), none);
    for (std::size_t t = 0; t < tokens; ++t)
        if (scratch.held[bucket[t]]++ == 0) scratch.filler[bucket[t]] = static_cast<std::int32_t>(t);
    std::int32_t* filler = scratch.filler.data();
    for (std::size_t bit = 1; bit < buckets(); bit *= 2) {
        for (std::size_t first = 0; first < buckets(); first += 2 * bit) {
            for (std::size_t b = first; b < first + bit; ++b) {
                const std::int32_t low = filler[b], high = filler[b + bit];
                filler[b] = std::min(low, high + one_bit);
                filler[b + bit] = std::min(high, low + one_bit);
            }
        }
    }
}

// Sums the lengths of the tokens in each bucket that holds several.
void Fde::sum_lengths(MatrixView x, std::size_t stride, const std::uint32_t* bucket, Scratch& scratch) const {
    scratch.lengths.assign(buckets(), 0.0f);
    for (std::size_t t = 0; t < x.rows; ++t)
        if (scratch.held[bucket[t]] > 1) scratch.lengths[bucket[t]] += length(x.data + t * stride, x.cols);
}

// Queries: the sum of the rows in each bucket. Documents: their mean, or the row that fills an empty bucket.
void Fde::aggregate(MatrixView x, std::size_t stride, const std::uint32_t* bucket, bool document, Scratch& scratch,
                    float* out) const {
    std::fill_n(out, buckets() * x.cols, 0.0f);
    kernels::active().add_to_buckets({x.data, x.rows, stride, x.cols, bucket, out});
    if (!document) return;
    find_fillers(bucket, x.rows, scratch);
    if (params_.length_fair) sum_lengths(x, stride, bucket, scratch);
    for (std::size_t b = 0; b < buckets(); ++b, out += x.cols) {
        const std::uint32_t held = scratch.held[b];
        float share = 1.0f / static_cast<float>(held);
        if (params_.length_fair && held > 1) {
            const float of_sum = length(out, x.cols);
            share = of_sum > 0 ? share * scratch.lengths[b] / of_sum : 0.0f;
        }
        for (std::size_t j = 0; j < x.cols && held > 1; ++j) out[j] *= share;
        if (held == 0 && params_.fill_empty)
            std::copy_n(x.data + static_cast<std::size_t>(scratch.filler[b] % one_bit) * stride, x.cols, out);
    }
}

// Projections are linear, so they are applied before or after the sums, whichever is less work.
void Fde::encode_set(MatrixView tokens, bool document, Scratch& scratch, float* out) const {
    const std::size_t dim = params_.dim, short_dim = params_.projection_dim, part = buckets() * short_dim;
    scratch.encoded.resize(params_.final_dim > 0 ? encoded_dims() : 0);
    float* encoded = params_.final_dim > 0 ? scratch.encoded.data() : out;
    scratch.bucket.resize(params_.repetitions * tokens.rows);
    simhash_->find(tokens, scratch.simhash, scratch.bucket.data());
    if (sketch_) {
        scratch.tokens.resize(tokens.rows * sketch_->stride());
        sketch_->apply(tokens, scratch.tokens.data());
    }
    scratch.sums.resize(dense_ ? buckets() * dim : 0);
    for (std::uint32_t r = 0; r < params_.repetitions; ++r) {
        const std::uint32_t* bucket = scratch.bucket.data() + r * tokens.rows;
        float* sums = dense_ ? scratch.sums.data() : encoded + r * part;
        if (sketch_) {
            const MatrixView projected{scratch.tokens.data() + r * short_dim, tokens.rows, short_dim};
            aggregate(projected, sketch_->stride(), bucket, document, scratch, sums);
        } else {
            aggregate(tokens, dim, bucket, document, scratch, sums);
        }
        if (dense_) dense_->apply(r, {sums, buckets(), dim}, encoded + r * part);
    }
    if (params_.final_dim == 0) return;
    std::fill_n(out, params_.final_dim, 0.0f);
    for (std::size_t j = 0; j < final_place_.size(); ++j)
        out[final_place_[j] / 2] += final_place_[j] % 2 ? -encoded[j] : encoded[j];
}

}  // namespace fewbits
