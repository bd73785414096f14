#include "multivector/fde.h"

#include <algorithm>
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
constexpr std::size_t tokens_in_cache = 16;
constexpr std::uint64_t most_dims = std::uint64_t{1} << 24;

// Seeds of the three kinds of random numbers.
constexpr std::uint64_t stream(std::uint64_t seed, std::uint64_t kind) {
    return random_bits(seed, kind);
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
    std::vector<std::uint32_t> held;    // tokens of each bucket, in the repetition at hand
    std::vector<std::uint64_t> filler;  // which token fills each bucket, below its distance
    std::vector<float> tokens;          // projected: repetitions x tokens
    std::vector<float> sums;            // buckets x dim, before a projection
    std::vector<float> encoded;         // of the set, before the final sketch
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
            for (std::uint32_t r = 0; r < params_.repetitions; ++r, product += bits) {
                std::uint32_t bucket = 0;
                for (std::uint32_t i = bits; i-- > 0;) bucket = 2 * bucket + std::uint32_t{product[i] > 0};
                scratch.bucket[r * tokens.rows + begin + t] = bucket;
            }
        }
    }
}

// Counts the tokens of each bucket and finds the token to fill it with: the first of the nearest bucket in Hamming
// distance that holds any, of several such the earliest. Distances grow bit by bit, as through a cube's dimensions.
void Fde::find_fillers(const std::uint32_t* bucket, std::size_t tokens, Scratch& scratch) const {
    constexpr std::uint64_t one_bit = std::uint64_t{1} << 32, none = ~std::uint64_t{0} / 2;
    scratch.held.assign(buckets(), 0);
    scratch.filler.assign(buckets(), none);
    for (std::size_t t = 0; t < tokens; ++t)
        if (scratch.held[bucket[t]]++ == 0) scratch.filler[bucket[t]] = t;
    for (std::size_t bit = 1; bit < buckets(); bit *= 2) {
        for (std::size_t first = 0; first < buckets(); first += 2 * bit) {
            for (std::size_t b = first; b < first + bit; ++b) {
                const std::uint64_t low = scratch.filler[b], high = scratch.filler[b + bit];
                scratch.filler[b] = std::min(low, high + one_bit);
                scratch.filler[b + bit] = std::min(high, low + one_bit);
            }
        }
    }
}

// Sums of the rows in each bucket; of a document their means, or the row that fills an empty one.
void Fde::aggregate(MatrixView x, const std::uint32_t* bucket, bool document, Scratch& scratch, float* out) const {
    std::fill_n(out, buckets() * x.cols, 0.0f);
    kernels::active().add_to_buckets({x.data, x.rows, x.cols, bucket, out});
    if (!document) return;
    find_fillers(bucket, x.rows, scratch);
    for (std::size_t b = 0; b < buckets(); ++b, out += x.cols) {
        const std::uint32_t held = scratch.held[b];
        const float share = 1.0f / static_cast<float>(held);
        for (std::size_t j = 0; j < x.cols && held > 1; ++j) out[j] *= share;
        if (held == 0 && params_.fill_empty)
            std::copy_n(x.row(static_cast<std::uint32_t>(scratch.filler[b])), x.cols, out);
    }
}

// Some tokens at a time in every repetition, so that they are read from the nearest cache.
void Fde::project_tokens(MatrixView tokens, Scratch& scratch) const {
    const std::size_t short_dim = params_.projection_dim;
    scratch.tokens.resize(params_.repetitions * tokens.rows * short_dim);
    for (std::size_t first = 0; first < tokens.rows; first += tokens_in_cache) {
        const MatrixView some = tokens.block(first, std::min(tokens_in_cache, tokens.rows - first));
        for (std::uint32_t r = 0; r < params_.repetitions; ++r)
            projection_->apply(r, some, scratch.tokens.data() + (r * tokens.rows + first) * short_dim);
    }
}

// Projections are linear, so they go before the sums or after them, as is less work.
void Fde::encode_set(MatrixView tokens, bool document, Scratch& scratch, float* out) const {
    const std::size_t dim = params_.dim, short_dim = params_.projection_dim, part = buckets() * short_dim;
    scratch.encoded.resize(params_.final_dim > 0 ? encoded_dims() : 0);
    float* encoded = params_.final_dim > 0 ? scratch.encoded.data() : out;
    find_buckets(tokens, scratch);
    const bool tokens_first = projection_ && projection_->of_tokens();
    if (tokens_first) project_tokens(tokens, scratch);
    if (projection_ && !tokens_first) scratch.sums.resize(buckets() * dim);
    for (std::uint32_t r = 0; r < params_.repetitions; ++r) {
        const std::uint32_t* bucket = scratch.bucket.data() + r * tokens.rows;
        if (tokens_first) {
            const float* projected = scratch.tokens.data() + r * tokens.rows * short_dim;
            aggregate({projected, tokens.rows, short_dim}, bucket, document, scratch, encoded + r * part);
        } else if (projection_) {
            aggregate(tokens, bucket, document, scratch, scratch.sums.data());
            projection_->apply(r, {scratch.sums.data(), buckets(), dim}, encoded + r * part);
        } else {
            aggregate(tokens, bucket, document, scratch, encoded + r * part);
        }
    }
    if (params_.final_dim == 0) return;
    std::fill_n(out, params_.final_dim, 0.0f);
    for (std::size_t j = 0; j < final_place_.size(); ++j)
        out[final_place_[j] / 2] += final_place_[j] % 2 ? -encoded[j] : encoded[j];
}

}  // namespace fewbits
