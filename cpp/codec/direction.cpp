#include "codec/direction.h"

#include <algorithm>
#include <cstring>

#include "codec/common.h"

namespace fewbits::codec {
namespace {

constexpr float unit_tolerance = 1e-3f;

}  // namespace

DirectionCodec::DirectionCodec(std::shared_ptr<const Codec> inner, std::span<const float> direction)
    : inner_(std::move(inner)), direction_(direction.begin(), direction.end()) {
    const float length = std::sqrt(squared_norm(direction_.data(), direction_.size()));
    if (!(std::fabs(length - 1) <= unit_tolerance))
        corrupt("array 'direction': got length " + std::to_string(length) + ", expected 1");
}

CodeLayout DirectionCodec::layout() const {
    CodeLayout layout = inner_->layout();
    layout.has_b = true;
    return layout;
}

float DirectionCodec::split(float* x) const {
    const float along = dot(x, direction_.data(), direction_.size());
    for (std::size_t j = 0; j < direction_.size(); ++j) x[j] -= along * direction_[j];
    return along;
}

std::vector<float> DirectionCodec::without(const float* x, std::size_t n) const {
    std::vector<float> out(x, x + n * dim());
    for (std::size_t i = 0; i < n; ++i) split(out.data() + i * dim());
    return out;
}

void DirectionCodec::encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const {
    const std::size_t d = dim(), row_bytes = layout().row_bytes();
    std::vector<float> ignored(rows_at_once), decoded(origin ? rows_at_once * d : 0);
    for (std::size_t first = 0; first < x.rows; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, x.rows - first);
        std::vector<float> s(x.row(first), x.row(first) + count * d);
        for (std::size_t i = 0; i < count; ++i) factors.b[first + i] = split(s.data() + i * d);
        const std::vector<float> centroids = origin ? without(origin + first * d, count) : std::vector<float>{};
        Factors own = factors.from(first);
        if (inner_->layout().has_b) own.b = ignored.data();
        std::uint8_t* codes = rows + first * row_bytes;
        inner_->encode({s.data(), count, d}, origin ? centroids.data() : nullptr, codes, own);
        if (!origin) continue;
        inner_->decode(codes, {own.a, own.b, nullptr}, centroids.data(), count, decoded.data());
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t j = 0; j < d; ++j) s[i * d + j] -= decoded[i * d + j];
            const float missed = dot(s.data() + i * d, centroids.data() + i * d, d);
            const float along = dot(origin + (first + i) * d, direction_.data(), d);
            factors.b[first + i] -= along;
            if (along > 0) factors.b[first + i] += missed / along;
        }
    }
}

void DirectionCodec::decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                            float* x) const {
    require(factors.b != nullptr, "codes without their mean's direction: decoding needs their factors b");
    inner_->decode(rows, {factors.a, nullptr, nullptr}, origin, n, x);
    for (std::size_t i = 0; i < n; ++i) {
        split(x + i * dim());
        float along = factors.b[i];
        if (origin) along += dot(origin + i * dim(), direction_.data(), dim());
        for (std::size_t j = 0; j < direction_.size(); ++j) x[i * dim() + j] += along * direction_[j];
    }
}

QueryTerms DirectionCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> q(query, query + dim());
    const float along = split(q.data());
    QueryTerms terms = inner_->prepare(q.data(), table);
    terms.b_scale = along;
    return terms;
}

bool DirectionCodec::is_wide(const float* query) const {
    return inner_->is_wide(without(query, 1).data());
}

QueryTerms DirectionCodec::prepare_wide(const float* query, float* weights) const {
    std::vector<float> q(query, query + dim());
    const float along = split(q.data());
    QueryTerms terms = inner_->prepare_wide(q.data(), weights);
    terms.b_scale = along;
    return terms;
}

// The query's part along u behind the inner codec's query.
void DirectionCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    std::vector<float> q(query, query + dim());
    const float along = split(q.data());
    inner_->prepare_rows(q.data(), row_query);
    std::memcpy(row_query + inner_->row_query_bytes(), &along, sizeof along);
}

void DirectionCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                                std::size_t n, float* scores) const {
    float along;
    std::memcpy(&along, row_query + inner_->row_query_bytes(), sizeof along);
    inner_->score_rows(row_query, {codes.base, codes.stride, codes.a, nullptr}, rows, n, scores);
    for (std::size_t i = 0; i < n; ++i) scores[i] += along * codes.b[rows ? rows[i] : i];
}

}  // namespace fewbits::codec
