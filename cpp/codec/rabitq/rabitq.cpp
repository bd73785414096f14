#include "codec/rabitq/rabitq.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codec/integer_rows.h"
#include "codec/rabitq/digits.h"
#include "codec/rabitq/quads.h"
#include "codec/residuals.h"
#include "codec/staging/staged.h"
#include "codec/sums.h"

namespace fewbits::codec {

// Buffers for encoding one row.
struct RabitqCodec::Scratch {
    explicit Scratch(std::size_t dim) : r(dim), scaled(dim), grid(dim), codes(dim), trial(dim) {}
    std::vector<float> r, scaled;
    std::vector<float> grid;  // grid vector of the current trial, finally of the code
    std::vector<std::uint8_t> codes, trial;
};

RabitqCodec::RabitqCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual,
                         std::shared_ptr<const Grid> grid)
    : dim_(dim), l2_(metric == Metric::l2), residual_(residual), grid_(std::move(grid)) {
    mean_.resize(dim);
    if (!residual) std::ranges::copy(parts.finite(prefix + ".mean", dim), mean_.begin());
}

CodeLayout RabitqCodec::layout() const {
    CodeLayout layout;
    grid_->set_layout(layout);
    layout.has_a = true;
    layout.has_b = l2_ || residual_;
    return layout;
}

// --- encoding ------------------------------------------------------------------------------------------------------

// The grid vector with the smallest angle to r is the rounding of some multiple of r. Finding that multiple exactly
// matters little: the best of a few around the multiple that suits a normal distribution has nearly the best cosine.
// The trials are few and close together so that the high plane holds about the same share of every vector (planes.h).
// Returns <r, g>.
float RabitqCodec::nearest_direction(Scratch& scratch) const {
    constexpr float trials[] = {0.92f, 0.96f, 1.00f, 1.04f, 1.08f};
    const std::size_t d = grid_->dim();
    const float deviation = std::sqrt(squared_norm(scratch.r.data(), d) / static_cast<float>(d));
    float best = -1, product = 0;
    for (const float factor : trials) {
        grid_->round(scratch.r.data(), deviation * factor, scratch.scaled.data(), scratch.trial.data());
        grid_->vector_of(scratch.trial.data(), scratch.grid.data());
        const float along = dot(scratch.r.data(), scratch.grid.data(), d);
        const float fit = along * (along / squared_norm(scratch.grid.data(), d));
        if (fit > best) {
            best = fit;
            product = along;
            scratch.codes.swap(scratch.trial);
        }
    }
    grid_->vector_of(scratch.codes.data(), scratch.grid.data());
    return product;
}

// Fills codes and grid; returns a, or 0 for a vector without a direction.
float RabitqCodec::encode_row(Scratch& scratch) const {
    const float squares = squared_norm(scratch.r.data(), grid_->dim());
    float product = 0;
    if (grid_->is_signs() || !(squares >= std::numeric_limits<float>::min())) {
        const std::uint8_t high = grid_->middle();
        for (std::size_t j = 0, d = grid_->dim(); j < d; ++j)
            scratch.codes[j] = static_cast<std::uint8_t>(scratch.r[j] < 0 ? high - 1 : high);
        grid_->vector_of(scratch.codes.data(), scratch.grid.data());
        product = dot(scratch.r.data(), scratch.grid.data(), grid_->dim());
    } else {
        product = nearest_direction(scratch);
    }
    const float a = squares / product;
    return squares >= std::numeric_limits<float>::min() && product > 0 && a <= std::numeric_limits<float>::max() ? a
                                                                                                                 : 0.0f;
}

// The factor of the high bits alone, taken as signs: exact along r.
float RabitqCodec::high_bit_factor(const Scratch& scratch) const {
    std::vector<float> signs(dim_);
    const std::uint8_t middle = grid_->middle();
    for (std::size_t j = 0; j < dim_; ++j) signs[j] = scratch.codes[j] < middle ? -1.0f : 1.0f;
    const float along = dot(scratch.r.data(), signs.data(), dim_);
    return along > 0 ? squared_norm(scratch.r.data(), dim_) / along : 0.0f;
}

void RabitqCodec::encode_levels(MatrixView x, const float* origin, std::uint8_t* codes, const Factors& factors) const {
    Scratch scratch(dim_);
    for (std::size_t i = 0; i < x.rows; ++i) {
        const float* from = origin ? origin + i * dim_ : mean_.data();
        for (std::size_t j = 0; j < dim_; ++j) scratch.r[j] = x.row(i)[j] - from[j];
        const float a = factors.a[i] = encode_row(scratch);
        std::ranges::copy(scratch.codes, codes + i * dim_);
        if (factors.stage) factors.stage[i] = high_bit_factor(scratch);
        if (l2_) factors.b[i] = -squared_norm(scratch.r.data(), dim_);
        if (!residual_) continue;
        const float estimate = a * dot(scratch.grid.data(), from, grid_->dim());
        if (l2_)
            factors.b[i] -= squared_norm(from, dim_) + 2 * estimate;
        else
            factors.b[i] = dot(scratch.r.data(), from, dim_) - estimate;
    }
}

void RabitqCodec::decode_levels(const std::uint8_t* codes, const StoredFactors& factors, const float* origin,
                                std::size_t n, float* x) const {
    require(factors.a != nullptr, "RaBitQ codes: decoding needs their factors a");
    std::vector<float> g(dim_);  // zero where there is no code
    for (std::size_t i = 0; i < n; ++i) {
        grid_->vector_of(codes + i * dim_, g.data());
        for (std::size_t j = 0; j < dim_; ++j) x[i * dim_ + j] = mean_[j] + factors.a[i] * g[j];
    }
    add_origin({x, n, dim_}, origin);
}

// --- scores --------------------------------------------------------------------------------------------------------

// Writes the weights that multiply a g in the score, one per dimension. Returns the constant.
float RabitqCodec::weigh(const float* query, float* weights) const {
    if (!l2_) {
        std::copy_n(query, dim_, weights);
        return dot(query, mean_.data(), dim_);
    }
    for (std::size_t j = 0; j < dim_; ++j) weights[j] = query[j] - mean_[j];
    const float constant = -squared_norm(weights, dim_);
    for (std::size_t j = 0; j < dim_; ++j) weights[j] *= 2;
    return constant;
}

QueryTerms RabitqCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    QueryTerms terms = grid_->terms(weights.data(), table);
    terms.constant = constant;
    return terms;
}

std::size_t RabitqCodec::row_query_bytes() const {
    return integer_query_bytes(grid_->dim());
}

void RabitqCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    if (const float* steps = grid_->steps())
        for (std::size_t j = 0; j < grid_->dim(); ++j) weights[j] *= steps[j];
    prepare_integer_query(weights.data(), grid_->dim(), grid_->largest(), grid_->center(), constant, row_query);
}

void RabitqCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                             std::size_t n, float* scores) const {
    score_unpacked_rows(row_query, codes, rows, n, grid_->dim(), scores,
                        [&](const std::uint8_t* row, std::uint8_t* out) { unpack(row, out); });
}

std::shared_ptr<const Codec> make_rabitq(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual) {
    if (parts.has(prefix + ".digits")) {
        if (parts.params.count(prefix + ".bits") > 0 || parts.params.count(prefix + ".staged") > 0)
            corrupt("array '" + prefix + ".digits': got it with params 'bits' or 'staged', expected none of them");
        return std::make_shared<const RabitqCodec>(parts, prefix, dim, metric, residual,
                                                   std::make_shared<const Digits>(parts, prefix, dim));
    }
    const auto grid =
        std::make_shared<const Quads>(dim, static_cast<std::uint32_t>(parts.param(prefix + ".bits", 1, 8)));
    auto whole = std::make_shared<const RabitqCodec>(parts, prefix, dim, metric, residual, grid);
    // Files written before this param existed are staged.
    const Staging staging = staging_of(parts, prefix, Staging::shared_factor);
    if (staging == Staging::none || grid->is_signs()) return whole;
    return std::make_shared<const StagedCodec>(std::move(whole), grid->levels_of_codes(), staging);
}

}  // namespace fewbits::codec
