#include "partition/coded_centroids.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "base/interrupt.h"
#include "base/norm.h"
#include "blocks/blocks.h"
#include "partition/assign.h"
#include "partition/best_scores.h"
#include "partition/clusters.h"
#include "partition/exact_centroids.h"

namespace fewbits {
namespace {

constexpr std::size_t least_dim = 32, least_floats = 1 << 21;  // fewer floats are read as fast
constexpr std::size_t block = kernels::block_size;
constexpr std::size_t rows_at_once = 64;  // floats of so many rows stay in cache while a batch is compared with them
constexpr float table_limit = 127;        // sums of such entries are fastest

// The fewer signs, the larger their errors, and the more candidates are needed. The more lists are wanted, the less the
// last ones matter.
std::size_t candidates(std::size_t wanted, std::size_t dim) {
    const auto spare = static_cast<std::size_t>(24 * std::sqrt(static_cast<double>(wanted)));
    return (wanted + spare + 384) * std::max<std::size_t>(dim, 384) / dim;
}
// What 8-bit codes leave of these.
std::size_t finalists(std::size_t wanted) {
    return wanted + wanted / 16 + 8;
}

std::shared_ptr<const Transform> rotation(std::size_t dim) {
    Parts parts;
    parts.params = {{"transform.kind", 2}, {"transform.out_dim", dim}, {"transform.seed", 0}, {"transform.rounds", 3}};
    return make_transform(parts, static_cast<std::uint32_t>(dim));
}

}  // namespace

bool is_worth_coding(std::size_t nlist, std::size_t dim) {
    return nlist >= two_level_from && dim >= least_dim && nlist * dim >= least_floats;
}

// A query in the terms of both codes, and what is found for it. A score by signs is sign_scale * sum of the table's
// entries + sign_offset, times the centroid's scale.
struct CodedCentroids::Search {
    std::vector<float> moved, rotated, scores;
    std::vector<std::uint8_t> table;
    ByteCodes::Query coded;
    float sign_scale = 1, sign_offset = 0;
    std::vector<Hit> hits;
    std::size_t found = 0;  // of the hits
    TopHits sample;
    std::vector<std::uint32_t> rows;
    BestScores best;
};

CodedCentroids::CodedCentroids(MatrixView centroids, bool spherical, const std::vector<float>& terms)
    : spherical_(spherical), terms_(terms), bytes_(centroids.rows, centroids.cols) {
    const std::size_t k = centroids.rows, d = centroids.cols;
    units_.resize(spherical ? centroids.size() : 0);
    if (spherical) directions(centroids, terms, units_.data());
    compared_ = {spherical ? units_.data() : centroids.data, k, d};
    center_ = mean_of(compared_);
    rotation_ = rotation(d);
    order_ = shuffled(k, 0);
    signs_.resize(kernels::blocks_bytes(4, (d + 3) / 4, k));
    sign_scales_.resize(k);
    code_terms_.resize(spherical ? 0 : k);
    std::vector<float> rows;
    for (std::size_t first = 0; first < k; first += block) encode(first, std::min(block, k - first), rows);
}

void CodedCentroids::encode(std::size_t first, std::size_t count, std::vector<float>& rows) {
    const std::size_t d = compared_.cols, m = (d + 3) / 4, row_bytes = (m + 1) / 2;
    std::vector<float> moved(count * d);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = 0; j < d; ++j) moved[i * d + j] = compared_.row(order_[first + i])[j] - center_[j];
    rows.resize(count * d);
    rotation_->apply({moved.data(), count, d}, rows.data());
    std::vector<std::uint8_t> signs(count * row_bytes);
    for (std::size_t i = 0; i < count; ++i) {
        const std::span<const float> row(rows.data() + i * d, d);
        double sum = 0;
        for (std::size_t j = 0; j < d; ++j) {
            sum += std::fabs(double{row[j]});
            signs[i * row_bytes + j / 8] |= static_cast<std::uint8_t>((row[j] >= 0) << (j % 8));
        }
        const double squared = squared_length(row.data(), d);
        sign_scales_[first + i] = static_cast<float>(sum > 0 ? squared / sum : 0);
        bytes_.set(first + i, row);
        if (!spherical_) code_terms_[first + i] = static_cast<float>(-squared / 2);
    }
    pack_block(signs.data(), row_bytes, 4, static_cast<std::uint32_t>(m), static_cast<std::uint32_t>(count),
               signs_.data() + kernels::blocks_bytes(4, m, first));
}

void CodedCentroids::score(const float* query, const std::uint32_t* rows, std::size_t n, float* scores) const {
    constexpr std::size_t some = 8, line = 64;
    const std::size_t row_bytes = compared_.cols * sizeof(float);
    const auto* base = reinterpret_cast<const std::uint8_t*>(compared_.data);
    for (std::size_t first = 0; first < n; first += some) {
        for (std::size_t i = first + some; i < std::min(n, first + 2 * some); ++i)
            for (std::size_t at = 0; at < row_bytes; at += line) __builtin_prefetch(base + rows[i] * row_bytes + at);
        kernels::active().rows_dot_f32({base, row_bytes, rows + first,
                                        static_cast<std::uint32_t>(std::min(some, n - first)),
                                        static_cast<std::uint32_t>(compared_.cols), nullptr, query, scores + first});
    }
    for (std::size_t i = 0; !spherical_ && i < n; ++i) scores[i] += terms_[rows[i]];
}

void CodedCentroids::scores(MatrixView queries, float* scores) const {
    std::uint32_t rows[rows_at_once];
    for (std::size_t first = 0; first < compared_.rows; first += rows_at_once) {
        const std::size_t n = std::min(rows_at_once, compared_.rows - first);
        for (std::size_t i = 0; i < n; ++i) rows[i] = static_cast<std::uint32_t>(first + i);
        poll(queries.rows * n * compared_.cols * sizeof(float));
        for (std::size_t q = 0; q < queries.rows; ++q)
            score(queries.row(q), rows, n, scores + q * compared_.rows + first);
    }
}

void CodedCentroids::nearest(MatrixView queries, std::uint32_t wanted, Hit* best) const {
    Search search;
    for (std::size_t q = 0; q < queries.rows; ++q, best += wanted) {
        const float* query = queries.row(q);
        search.best.reset(wanted);
        if (prepare(query, search) && find_candidates(wanted, search)) {
            keep_best(finalists(wanted), search);
            search.scores.resize(search.rows.size());
            score(query, search.rows.data(), search.rows.size(), search.scores.data());
            for (std::size_t i = 0; i < search.rows.size(); ++i)
                search.best.offer(search.rows[i], {&search.scores[i], 1});
        } else {
            search.scores.resize(compared_.rows);
            scores({query, 1, compared_.cols}, search.scores.data());
            search.best.offer(0, search.scores);
        }
        std::ranges::copy(search.best.sorted(), best);
    }
}

// Under l2, the query is moved as the centroids are. A product with the center is the same for all of them. False if a
// number is so large that sums may not be finite.
bool CodedCentroids::prepare(const float* query, Search& search) const {
    const std::size_t d = compared_.cols, m = (d + 3) / 4;
    search.moved.assign(query, query + d);
    for (std::size_t j = 0; !spherical_ && j < d; ++j) search.moved[j] -= center_[j];
    search.rotated.assign(4 * m, 0);
    rotation_->apply({search.moved.data(), 1, d}, search.rotated.data());
    if (!bytes_.prepare({search.rotated.data(), d}, search.coded)) return false;

    // The entry of four signs is the sum of their coordinates, from minus to plus the sum of magnitudes.
    float largest = 0, total = 0;
    for (std::size_t s = 0; s < m; ++s) {
        float magnitude = 0;
        for (std::size_t j = 4 * s; j < 4 * s + 4; ++j) magnitude += std::fabs(search.rotated[j]);
        largest = std::max(largest, magnitude);
        total += magnitude;
    }
    const float step = std::max(2 * largest / table_limit, std::numeric_limits<float>::min()), inverse = 1 / step;
    search.table.resize(16 * m);
    for (std::size_t s = 0; s < m; ++s) {
        const float* q = search.rotated.data() + 4 * s;
        float above[16] = {};  // the least entry
        for (unsigned j = 0; j < 4; ++j) above[0] += std::max(-q[j], 0.0f);
        for (unsigned j = 0; j < 4; ++j)
            for (unsigned code = 0; code < 1u << j; ++code) above[code | 1u << j] = above[code] + q[j];
        for (unsigned code = 0; code < 16; ++code)
            search.table[16 * s + code] = static_cast<std::uint8_t>(2 * above[code] * inverse + 0.5f);
    }
    search.sign_scale = step;
    search.sign_offset = -total;
    return true;
}

// Writes the centroids first..first + count whose score by signs is the threshold or more; returns their number.
std::size_t CodedCentroids::scan_signs(const Search& search, std::size_t first, std::size_t count, float threshold,
                                       Hit* hits) const {
    const std::size_t m = (compared_.cols + 3) / 4;
    kernels::ScanQuery query{search.table.data(), search.sign_scale, search.sign_offset, 0, threshold, hits, 0, 1};
    kernels::Scan scan{};
    scan.codes = signs_.data() + kernels::blocks_bytes(4, m, first);
    scan.n = static_cast<std::uint32_t>(count);
    scan.m = static_cast<std::uint32_t>(m);
    scan.first_row = static_cast<std::uint32_t>(first);
    scan.a = sign_scales_.data() + first;
    scan.b = spherical_ ? nullptr : code_terms_.data() + first;
    scan.queries = &query;
    scan.n_queries = 1;
    kernels::active().scan4(scan);
    return query.count;
}

// About as many as are needed: the threshold is that of the first centroids, which are a random sample. False if too
// few are found, or if so many are needed that all can be compared.
bool CodedCentroids::find_candidates(std::size_t wanted, Search& search) const {
    constexpr std::size_t step = 512, chunk = 4096;
    const std::size_t k = compared_.rows, needed = candidates(wanted, compared_.cols), first = k / 16 / block * block;
    if (needed > k / 2) return false;
    search.sample.reset(std::max<std::size_t>(1, first * needed / k));
    for (std::size_t begin = 0; begin < first; begin += step) {
        const std::size_t count = std::min(step, first - begin);
        const float threshold = search.sample.threshold();
        search.sample.added(scan_signs(search, begin, count, threshold, search.sample.tail(count)));
        search.sample.compact();
    }
    search.hits.resize(std::max(search.hits.size(), needed + chunk));
    search.found = 0;
    for (std::size_t begin = 0; begin < k; begin += chunk) {
        const std::size_t count = std::min(chunk, k - begin);
        if (search.hits.size() < search.found + count) search.hits.resize(2 * search.found + count);
        search.found += scan_signs(search, begin, count, search.sample.threshold(), search.hits.data() + search.found);
    }
    return search.found >= std::max<std::size_t>(needed / 2, finalists(wanted));
}

// Leaves the best of the candidates by their bytes, in search.rows.
void CodedCentroids::keep_best(std::size_t wanted, Search& search) const {
    const std::size_t d = compared_.cols, n = search.found;
    poll(n * d);
    search.rows.resize(n);
    search.scores.resize(n);
    for (std::size_t i = 0; i < n; ++i) search.rows[i] = search.hits[i].row;
    bytes_.products(search.coded, search.rows.data(), n, search.scores.data());
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t c = search.rows[i];  // a code's place
        search.hits[i] = {order_[c], search.scores[i] + (spherical_ ? 0 : code_terms_[c])};
    }
    select_best({search.hits.data(), n}, wanted);
    search.rows.resize(wanted);
    for (std::size_t i = 0; i < wanted; ++i) search.rows[i] = search.hits[i].row;
}

}  // namespace fewbits
