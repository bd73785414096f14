// Codecs made from plain vectors, data to encode, and the two ways of scoring: by scan (over packed blocks) and by
// rows.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "blocks/blocks.h"
#include "check.h"
#include "codec/codec.h"
#include "codec/pq/train.h"

namespace fixture {

using namespace fewbits;

constexpr std::uint32_t odd_dims[] = {1, 3, 5, 7, 13, 100};

// Approximately normal, deterministic.
inline std::vector<float> normal(std::size_t n, std::uint64_t seed) {
    std::vector<float> x(n);
    for (std::size_t i = 0; i < n; ++i) {
        double sum = -6;
        for (std::uint64_t part = 0; part < 12; ++part) sum += random_unit(seed, 12 * i + part);
        x[i] = static_cast<float>(sum);
    }
    return x;
}

template <class T>
void set_array(Parts& parts, const std::string& name, const std::vector<T>& values) {
    auto kept = std::make_shared<std::vector<T>>(values);
    parts.arrays[name] = {dtype_of<T>::value, std::as_bytes(std::span<const T>(*kept)), kept};
}

inline Parts float_parts(std::uint32_t bits) {
    Parts parts;
    parts.params = {{"codec.kind", 1}, {"codec.bits", bits}};
    return parts;
}

inline std::vector<std::uint8_t> uniform_levels() {
    std::vector<std::uint8_t> levels(16);
    for (std::size_t i = 0; i < 16; ++i)
        levels[i] = static_cast<std::uint8_t>(std::lround(static_cast<double>(i) * 127 / 15));
    return levels;
}

inline Parts scalar_parts(std::uint32_t bits, std::uint32_t dim, std::uint32_t staged = 0) {
    Parts parts;
    parts.params = {{"codec.kind", 2}, {"codec.bits", bits}, {"codec.staged", staged}};
    std::vector<float> mean = normal(dim, 71), step(dim);
    for (std::uint32_t j = 0; j < dim; ++j) step[j] = 0.5f + 0.1f * static_cast<float>(j % 7);
    set_array(parts, "codec.mean", mean);
    set_array(parts, "codec.step", step);
    if (bits == 4) set_array(parts, "codec.levels", uniform_levels());
    return parts;
}

// Random codewords with the same spread as the data.
inline Parts pq_parts(std::uint32_t bits, std::uint32_t m, std::uint32_t dim, bool scoring = false) {
    Parts parts;
    parts.params = {{"codec.kind", 3}, {"codec.bits", bits}, {"codec.m", m}};
    const std::size_t count = (std::size_t{m} << bits) * pq_width(m, dim);
    set_array(parts, "codec.codebook", normal(count, 72));
    if (scoring) set_array(parts, "codec.scoring", normal(count, 73));
    return parts;
}

inline Parts rabitq_parts(std::uint32_t bits, std::uint32_t dim, std::uint32_t staged = 0) {
    Parts parts;
    parts.params = {{"codec.kind", 4}, {"codec.bits", bits}, {"codec.staged", staged}};
    set_array(parts, "codec.mean", normal(dim, 71));
    return parts;
}

// RaBitQ with `most` digits in front, and fewer behind.
inline constexpr float digits_value = 1.2f;  // the largest one
inline Parts digits_parts(std::uint32_t most, std::uint32_t dim) {
    Parts parts;
    parts.params = {{"codec.kind", 4}};
    const std::uint32_t quads = (dim + 3) / 4;
    std::vector<std::uint8_t> digits(quads);
    std::vector<float> step(dim), value(dim);
    for (std::uint32_t q = 0; q < quads; ++q)
        digits[q] = static_cast<std::uint8_t>(most - (most + 1) * q / (quads + 1));
    for (std::uint32_t j = 0; j < dim; ++j) {
        step[j] = digits[j / 4] > 0 ? 3 / std::exp2(2.0f * digits[j / 4]) : 0.0f;
        value[j] = digits[j / 4] == 1 ? digits_value : step[j];
    }
    set_array(parts, "codec.mean", normal(dim, 71));
    set_array(parts, "codec.digits", digits);
    set_array(parts, "codec.step", step);
    set_array(parts, "codec.value", value);
    return parts;
}

struct Case {
    std::string name;
    Parts parts;
    std::uint32_t dim;
    float relative;  // allowed relative error of score_rows against the decoded vectors' scores, see tolerance()
};

inline std::vector<Case> cases() {
    std::vector<Case> all;
    for (const std::uint32_t dim : odd_dims) {
        const std::string tail = " dim " + std::to_string(dim);
        for (const std::uint32_t bits : {16u, 32u}) all.push_back({"float" + tail, float_parts(bits), dim, 1e-5f});
        for (const std::uint32_t bits : {4u, 8u}) {
            all.push_back({"scalar " + std::to_string(bits) + tail, scalar_parts(bits, dim), dim, 0});
            for (const std::uint32_t m : {1u, (dim + 1) / 2, dim, (2 * dim + 2) / 3}) {
                const std::string name = "pq " + std::to_string(bits) + " m " + std::to_string(m) + tail;
                all.push_back({name, pq_parts(bits, m, dim), dim, 1e-5f});
                all.push_back({name + " scoring", pq_parts(bits, m, dim, true), dim, 1e-5f});
            }
        }
        for (std::uint32_t bits = 1; bits <= 8; ++bits) {
            const std::string name = "rabitq " + std::to_string(bits) + tail;
            all.push_back({name, rabitq_parts(bits, dim), dim, 1e-5f});
            if (bits % 3 == 2)
                for (const std::uint32_t staged : {1u, 2u})
                    all.push_back({name + " staged", rabitq_parts(bits, dim, staged), dim, 1e-5f});
        }
        for (std::uint32_t most = 1; most <= 4; ++most)
            all.push_back({"digits " + std::to_string(most) + tail, digits_parts(most, dim), dim, 1e-5f});
        for (const std::uint32_t staged : {1u, 2u})
            all.push_back({"staged" + tail, scalar_parts(4, dim, staged), dim, 0});
    }
    return all;
}

template <class Values>
auto factors(Values& values) {
    return values.empty() ? nullptr : values.data();
}

// n encoded vectors in both forms.
struct Coded {
    Coded(const Codec& codec_, std::vector<float> x_, std::vector<float> origin_)
        : codec(codec_),
          layout(codec.layout()),
          n(x_.size() / codec.dim()),
          x(std::move(x_)),
          origin(std::move(origin_)) {
        rows.resize(n * layout.row_bytes());
        a.resize(layout.has_a ? n : 0);
        b.resize(layout.has_b ? n : 0);
        stage.resize(layout.has_stage ? n : 0);
        codec.encode({x.data(), n, codec.dim()}, origin_or_null(), rows.data(),
                     {factors(a), factors(b), factors(stage)});
        decoded.resize(x.size());
        codec.decode(rows.data(), {factors(a), factors(b), nullptr}, origin_or_null(), n, decoded.data());
        blocks.resize(kernels::blocks_bytes(layout.element_bits, layout.elements, n));
        for (std::size_t first = 0; first < n; first += kernels::block_size)
            pack_block(rows.data() + first * layout.row_bytes(), layout.row_bytes(), layout.element_bits,
                       layout.elements,
                       static_cast<std::uint32_t>(std::min<std::size_t>(kernels::block_size, n - first)),
                       blocks.data() + kernels::blocks_bytes(layout.element_bits, layout.elements, first));
    }

    std::vector<float> by_rows(const float* query) const {
        std::vector<std::uint8_t> prepared(codec.row_query_bytes());
        codec.prepare_rows(query, prepared.data());
        std::vector<float> scores(n);
        codec.score_rows(prepared.data(), row_codes(), nullptr, n, scores.data());
        return scores;
    }
    const float* origin_or_null() const { return origin.empty() ? nullptr : origin.data(); }
    RowCodes row_codes() const { return {rows.data(), layout.row_bytes(), factors(a), factors(b)}; }

    kernels::Scan scan(kernels::ScanQuery& query) const {
        return {blocks.data(),
                static_cast<std::uint32_t>(n),
                layout.elements,
                0,
                stage.empty() ? factors(a) : factors(stage),
                factors(b),
                nullptr,
                codec.levels(),
                &query,
                1};
    }
    // All vectors are hits, in order; `scale` receives the value of one step of the table.
    std::vector<kernels::Hit> by_scan(const float* query, float threshold, float* scale = nullptr) const {
        std::vector<std::uint8_t> table(codec.table_bytes());
        const QueryTerms terms = codec.prepare(query, table.data());
        std::vector<kernels::Hit> hits(n);
        kernels::ScanQuery scanned{table.data(), terms.scale, terms.offset, terms.constant, threshold,
                                   hits.data(),  0,           terms.b_scale};
        codec.scan_kernel()(scan(scanned));
        hits.resize(scanned.count);
        if (scale) *scale = terms.scale;
        return hits;
    }

    const Codec& codec;
    CodeLayout layout;
    std::size_t n;
    std::vector<float> x, origin, decoded, a, b, stage;
    std::vector<std::uint8_t> rows, blocks;
};

inline double inner(const float* x, const float* y, std::size_t n) {
    double sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += double{x[j]} * double{y[j]};
    return sum;
}

// The score of the decoded vector, minus the terms that the engine adds per list (<q, origin>, twice that for l2).
inline double expected_score(const Coded& coded, std::size_t i, const float* query, Metric metric) {
    const std::size_t d = coded.codec.dim();
    const float* decoded = coded.decoded.data() + i * d;
    const double coarse = coded.origin.empty() ? 0 : inner(query, coded.origin.data() + i * d, d);
    if (metric == Metric::ip) return inner(query, decoded, d) - coarse;
    double sum = 0;
    for (std::size_t j = 0; j < d; ++j) {
        const double difference = double{query[j]} - double{decoded[j]};
        sum += difference * difference;
    }
    return -sum - 2 * coarse;
}

// The magnitude of the terms of a score, to which errors are relative.
inline double magnitude(const Coded& coded, std::size_t i, const float* query) {
    const std::size_t d = coded.codec.dim();
    const float* decoded = coded.decoded.data() + i * d;
    return 1 + 2 * (inner(query, query, d) + inner(decoded, decoded, d));
}

}  // namespace fixture
