#include "multivector/fde.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/blocks.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/kernels.h"
#include "multivector/random_directions.h"

namespace fewbits {
namespace {

constexpr std::size_t sets_a_task = 8;
constexpr std::size_t tokens_at_once = 256;
constexpr std::uint64_t most_dims = std::uint64_t{1} << 24;

// Seeds of the three kinds of random numbers.
constexpr std::uint64_t stream(std::uint64_t seed, std::uint64_t kind) {
    return random_bits(seed, kind);
}

// Differing bits of two bucket numbers (std::popcount is a call where no instruction is assumed).
std::uint32_t distance(std::uint32_t a, std::uint32_t b) {
    std::uint32_t x = a ^ b;
    x = (x & 0x5555u) + (x >> 1 & 0x5555u);
    x = (x & 0x3333u) + (x >> 2 & 0x3333u);
    x = (x & 0x0f0fu) + (x >> 4 & 0x0f0fu);
    return (x & 0x00ffu) + (x >> 8);
}

std::vector<float> packed_directions(const FdeParams& params) {
    const std::size_t n = std::size_t{params.repetitions} * params.simhash_bits;
    const std::vector<double> drawn = random_directions(n, params.dim, stream(params.seed, 0));
    const std::vector<float> rows(drawn.begin(), drawn.end());
    return pack_floats({rows.data(), n, params.dim});
}

void check(const char* name, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (value < low || value > high)
        fail(std::string(name) + ": got " + std::to_string(value) + ", expected " + std::to_string(low) + ".."
             + std::to_string(high));
}

}  // namespace

struct Fde::Scratch {
    std::vector<float> products;        // of some tokens with every direction
    std::vector<std::uint32_t> bucket;  // of each token in each repetition: repetitions x tokens
    // Of the repetition at hand:
    std::vector<std::uint32_t> begin;  // bucket b holds tokens order[begin[b]] .. order[begin[b + 1] - 1], ascending
    std::vector<std::uint32_t> order;
    std::vector<std::uint32_t> occupied;  // the buckets that hold tokens, in the order of their first ones
    std::vector<float> sums;              // buckets x dim
    std::vector<float> encoded;           // of the set, before the final sketch
};

Fde::Fde(const FdeParams& params) : params_(params) {
    check("dim", params.dim, 1, 4096);
    check("repetitions", params.repetitions, 1, 4096);
    check("simhash_bits", params.simhash_bits, 0, 16);
    check("projection_dim", params.projection_dim, params.projection == ProjectionKind::none ? params.dim : 1,
          params.dim);
    check("dimensions before final_dim",
          std::uint64_t{params.repetitions} * params.projection_dim << params.simhash_bits, 1, most_dims);
    check("final_dim", params.final_dim, 0, encoded_dims());
    directions_ = packed_directions(params);
    projection_ = make_projection(params.projection, params.dim, params.projection_dim, params.repetitions,
                                  stream(params.seed, 1));
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
    std::vector<Scratch> scratch(resolve_threads(threads));
    parallel_for((sets.size() + sets_a_task - 1) / sets_a_task, threads, [&](std::size_t task, unsigned worker) {
        const std::size_t end = std::min(sets.size(), (task + 1) * sets_a_task);
        for (std::size_t i = task * sets_a_task; i < end; ++i)
            encode_set(sets[i], document, scratch[worker], out + i * dims());
    });
}

// Bit i of a token's bucket: whether its product with the repetition's direction i is positive.
void Fde::find_buckets(MatrixView tokens, Scratch& scratch) const {
    const std::uint32_t bits = params_.simhash_bits, directions = params_.repetitions * bits;
    scratch.bucket.assign(params_.repetitions * tokens.rows, 0);
    scratch.products.resize(tokens_at_once * directions);
    for (std::size_t begin = 0; begin < tokens.rows && directions > 0; begin += tokens_at_once) {
        const MatrixView some = tokens.block(begin, std::min(tokens_at_once, tokens.rows - begin));
        const kernels::Tile tile{some.data,   params_.dim,        static_cast<std::uint32_t>(some.rows),
                                 params_.dim, directions_.data(), directions,
                                 nullptr};
        kernels::active().tile_dot(tile, scratch.products.data(), directions);
        for (std::size_t t = 0; t < some.rows; ++t) {
            const float* product = scratch.products.data() + t * directions;
            for (std::uint32_t r = 0; r < params_.repetitions; ++r) {
                std::uint32_t bucket = 0;
                for (std::uint32_t i = 0; i < bits; ++i) bucket |= std::uint32_t{*product++ > 0} << i;
                scratch.bucket[r * tokens.rows + begin + t] = bucket;
            }
        }
    }
}

// Sorts the tokens by bucket, stably.
void Fde::group(const std::uint32_t* bucket, std::size_t tokens, Scratch& scratch) const {
    scratch.begin.assign(buckets() + 1, 0);
    scratch.order.resize(tokens);
    scratch.occupied.clear();
    for (std::size_t t = 0; t < tokens; ++t)
        if (scratch.begin[bucket[t]]++ == 0) scratch.occupied.push_back(bucket[t]);
    std::exclusive_scan(scratch.begin.begin(), scratch.begin.end(), scratch.begin.begin(), 0u);
    for (std::uint32_t t = 0; t < tokens; ++t) scratch.order[scratch.begin[bucket[t]]++] = t;
    std::copy_backward(scratch.begin.begin(), scratch.begin.end() - 1, scratch.begin.end());
    scratch.begin[0] = 0;
}

// The nearest bucket that holds tokens, in Hamming distance; of several, the one whose first token comes first.
std::uint32_t Fde::nearest_occupied(std::uint32_t bucket, const Scratch& scratch) {
    std::uint32_t nearest = scratch.occupied.front();
    for (const std::uint32_t other : scratch.occupied)
        if (distance(other, bucket) < distance(nearest, bucket)) nearest = other;
    return nearest;
}

// Sums of the tokens in each bucket; of a document their means, or the token that fills an empty one.
void Fde::aggregate(MatrixView tokens, bool document, Scratch& scratch) const {
    const std::size_t dim = params_.dim;
    scratch.sums.resize(buckets() * dim);
    kernels::Rows rows{};
    rows.base = reinterpret_cast<const std::uint8_t*>(tokens.data);
    rows.stride = dim * sizeof(float);
    rows.dim = params_.dim;
    for (std::uint32_t b = 0; b < buckets(); ++b) {
        float* sum = scratch.sums.data() + b * dim;
        const std::uint32_t held = scratch.begin[b + 1] - scratch.begin[b];
        const bool filled = held == 0 && document && params_.fill_empty;
        rows.rows = scratch.order.data() + scratch.begin[filled ? nearest_occupied(b, scratch) : b];
        rows.n = filled ? 1 : held;
        rows.out = sum;
        kernels::active().rows_sum_f32(rows);
        const float share = 1.0f / static_cast<float>(held);
        for (std::size_t j = 0; j < dim && document && held > 1; ++j) sum[j] *= share;
    }
}

void Fde::encode_set(MatrixView tokens, bool document, Scratch& scratch, float* out) const {
    const std::size_t dim = params_.dim, part = buckets() * params_.projection_dim;
    scratch.encoded.resize(params_.final_dim > 0 ? encoded_dims() : 0);
    float* encoded = params_.final_dim > 0 ? scratch.encoded.data() : out;
    find_buckets(tokens, scratch);
    for (std::uint32_t r = 0; r < params_.repetitions; ++r) {
        group(scratch.bucket.data() + r * tokens.rows, tokens.rows, scratch);
        aggregate(tokens, document, scratch);
        projection_->apply(r, {scratch.sums.data(), buckets(), dim}, encoded + r * part);
    }
    if (params_.final_dim == 0) return;
    std::fill_n(out, params_.final_dim, 0.0f);
    for (std::size_t j = 0; j < final_place_.size(); ++j)
        out[final_place_[j] / 2] += final_place_[j] % 2 ? -encoded[j] : encoded[j];
}

}  // namespace fewbits
