#include "codec/direction.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "codec/residuals.h"
#include "codec/sums.h"

namespace fewbits::codec {
namespace {

constexpr float unit_tolerance = 0x1p-10f;

// The share of a code's error in the product of a vector with itself that b corrects: half, the weight that |x^|^2 has
// relative to <q, x^> in |q - x^|^2.
constexpr float own_share = 0.5f;

}  // namespace

DirectionCodec::DirectionCodec(std::shared_ptr<const Codec> inner, std::span<const float> direction, bool corrects)
    : inner_(std::move(inner)), corrects_(corrects), direction_(direction.begin(), direction.end()) {
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

// out[i] = <s_i - s^_i, of_i> for each row i, where s^_i is the decoded code of s_i.
void DirectionCodec::missed(const std::uint8_t* codes, const Factors& own, const float* origin, const float* of,
                            Matrix<float> s, float* out) const {
    std::vector<float> decoded(s.size());
    inner_->decode(codes, {own.a, own.b, nullptr}, origin, s.rows, decoded.data());
    for (std::size_t i = 0; i < s.size(); ++i) decoded[i] = s.data[i] - decoded[i];
    for (std::size_t i = 0; i < s.rows; ++i) out[i] = dot(decoded.data() + i * s.cols, of + i * s.cols, s.cols);
}

void DirectionCodec::encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const {
    const std::size_t d = dim(), row_bytes = layout().row_bytes();
    std::vector<float> ignored(rows_at_once), error(rows_at_once);
    for (std::size_t first = 0; first < x.rows; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, x.rows - first);
        std::vector<float> s(x.row(first), x.row(first) + count * d);
        std::vector<float> centroids;
        if (origin) centroids.assign(origin + first * d, origin + (first + count) * d);
        float* b = factors.b + first;
        std::vector<float> along(count);  // <t, u> of what queries resemble: t is the centroid, or the vector itself
        for (std::size_t i = 0; i < count; ++i) {
            b[i] = along[i] = split(s.data() + i * d);
            if (origin) b[i] -= along[i] = split(centroids.data() + i * d);
        }
        Factors own = factors.from(first);
        if (inner_->layout().has_b) own.b = ignored.data();
        std::uint8_t* codes = rows + first * row_bytes;
        const float* from = origin ? centroids.data() : nullptr;
        inner_->encode({s.data(), count, d}, from, codes, own);
        if (!origin && !corrects_) continue;
        missed(codes, own, from, origin ? from : s.data(), {s.data(), count, d}, error.data());
        for (std::size_t i = 0; i < count; ++i)
            if (along[i] > 0) b[i] += (origin ? 1.0f : own_share) * error[i] / along[i];
    }
}

void DirectionCodec::decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                            float* x) const {
    require(factors.b != nullptr, "codes with a separate direction: decoding needs their factors b");
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

QueryTerms DirectionCodec::prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const {
    std::vector<float> q(query, query + dim());
    const float along = split(q.data());
    QueryTerms terms = inner_->prepare_scan(q.data(), table, wide);
    terms.b_scale = along;
    return terms;
}

// The inner codec's query, then the query's component along u.
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
