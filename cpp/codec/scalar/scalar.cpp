#include "codec/scalar/scalar.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "codec/integer_rows.h"
#include "codec/packing.h"
#include "codec/query.h"
#include "codec/range.h"
#include "codec/residuals.h"
#include "codec/staging/staged.h"
#include "codec/sums.h"

namespace fewbits::codec {
namespace {

std::uint32_t bits_param(const Parts& parts, const std::string& prefix) {
    const auto bits = static_cast<std::uint32_t>(parts.param(prefix + ".bits", 4, 8));
    if (bits != 4 && bits != 8)
        corrupt("param '" + prefix + ".bits': got " + std::to_string(bits) + ", expected 4 or 8");
    return bits;
}

std::vector<std::uint8_t> checked_levels(const Parts& parts, const std::string& name) {
    const std::span<const std::uint8_t> levels = parts.array<std::uint8_t>(name, level_count);
    for (const std::uint8_t level : levels)
        if (level > 127) corrupt("array '" + name + "': got level " + std::to_string(level) + ", expected at most 127");
    for (std::uint32_t i = 0; i < level_count; ++i) {
        if (i > 0 && levels[i] <= levels[i - 1]) corrupt("array '" + name + "': expected ascending levels");
        if (levels[i] + levels[level_count - 1 - i] != 127)
            corrupt("array '" + name + "': expected symmetry about 63.5");
    }
    return {levels.begin(), levels.end()};
}

std::vector<float> copied(std::span<const float> values) {
    return {values.begin(), values.end()};
}

// The largest sum of positive weights, or of negated negative weights, over the dimensions that max_dot8 sums in 16
// bits (kernel_list.h). It is fast up to a sum of 128, and rounding to integers can add up to 2.
float largest_word(const std::vector<float>& weights) {
    float largest = 0;
    for (std::size_t first = 0; first < weights.size(); first += 8) {
        float up[2] = {}, down[2] = {};
        for (std::size_t j = first; j < std::min(first + 8, weights.size()); ++j) {
            up[j / 2 % 2] += std::max(weights[j], 0.0f);
            down[j / 2 % 2] -= std::min(weights[j], 0.0f);
        }
        largest = std::max({largest, up[0], up[1], down[0], down[1]});
    }
    return largest;
}

}  // namespace

// Buffers for encoding one row.
struct ScalarCodec::Scratch {
    explicit Scratch(std::size_t dim) : centred(dim), normal(dim), decoded(dim), codes(dim), trial(dim) {}
    std::vector<float> centred;  // the row minus the mean
    std::vector<float> normal;   // the same in units of the steps
    std::vector<float> decoded;  // step * (level - center) of the trial
    std::vector<std::uint8_t> codes, trial;
};

ScalarCodec::ScalarCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual)
    : dim_(dim),
      bits_(bits_param(parts, prefix)),
      l2_(metric == Metric::l2),
      residual_(residual),
      mean_(copied(parts.finite(prefix + ".mean", dim))),
      step_(copied(parts.finite(prefix + ".step", dim))) {
    // A step of 0 means that all data equal the mean in this dimension.
    for (const float step : step_) {
        if (step != 0 && !(step >= std::numeric_limits<float>::min()))
            corrupt("array '" + prefix + ".step': got " + std::to_string(step)
                    + ", expected 0 or a positive normal number");
        inverse_step_.push_back(step == 0 ? 0.0f : 1 / step);
    }
    if (bits_ == 4) {
        levels_ = checked_levels(parts, prefix + ".levels");
        std::vector<float> values;
        for (const std::uint8_t level : levels_) values.push_back(static_cast<float>(level) - center());
        model_ = model_levels(values);
    }
}

CodeLayout ScalarCodec::layout() const {
    CodeLayout layout;
    layout.element_bits = bits_;
    layout.elements = dim_;
    layout.has_a = true;
    layout.has_b = l2_;
    return layout;
}

// --- encoding ------------------------------------------------------------------------------------------------------

// The codes for the smallest scale that does not clip, and then the best scale for these codes: without the latter, a
// column with a larger unit would dominate the error.
float ScalarCodec::encode_bytes(Scratch& scratch) const {
    std::vector<float>& u = scratch.normal;
    const float a = largest_magnitude(u.data(), dim_) / 127.5f;
    const bool flat = !(a >= std::numeric_limits<float>::min());
    for (float& value : u) value -= a / 2;  // bytes are the halves between integers: -127.5 is byte 0
    kernels::active().encode_uniform(u.data(), dim_, flat ? 0.0f : 1 / a, -128, 127, scratch.codes.data());
    if (flat) return 0;
    for (std::size_t j = 0; j < dim_; ++j) scratch.decoded[j] = step_[j] * value(scratch.codes[j]);
    return best_scale(scratch);
}

// The scale with the least squared error for the values in `decoded`; 0 if all of them are 0.
float ScalarCodec::best_scale(const Scratch& scratch) const {
    const float product = dot(scratch.centred.data(), scratch.decoded.data(), dim_);
    const float squares = squared_norm(scratch.decoded.data(), dim_);
    const float scale = squares > 0 ? std::max(product / squares, 0.0f) : 0.0f;
    return scale <= std::numeric_limits<float>::max() ? scale : 0.0f;
}

// The best of a few scales around the one that suits a normal distribution, then the least-squares scale of its codes:
// ranking depends on the direction of x^, and the best scale differs between vectors (recall@10 +.002 to +.012).
float ScalarCodec::encode_nibbles(Scratch& scratch) const {
    constexpr float trials[] = {0.80f, 0.86f, 0.93f, 1.00f, 1.07f, 1.15f};
    const float deviation = std::sqrt(squared_norm(scratch.normal.data(), dim_) / static_cast<float>(dim_));
    const float start = deviation / model_->deviation;
    float best = -1, a = 0;
    for (const float factor : trials) {
        std::array<float, level_count - 1> edges;
        for (std::size_t e = 0; e < edges.size(); ++e) edges[e] = model_->edges[e] * (start * factor);
        kernels::active().encode_levels(scratch.normal.data(), dim_, edges.data(), level_count - 1,
                                        scratch.trial.data());
        for (std::size_t j = 0; j < dim_; ++j) scratch.decoded[j] = step_[j] * model_->values[scratch.trial[j]];
        const float product = dot(scratch.centred.data(), scratch.decoded.data(), dim_);
        const float squares = squared_norm(scratch.decoded.data(), dim_);
        const float fit = squares > 0 && product > 0 ? product * (product / squares) : 0.0f;
        if (fit > best) {
            best = fit;
            a = squares > 0 ? std::max(product / squares, 0.0f) : 0.0f;
            scratch.codes.swap(scratch.trial);
        }
    }
    return a;
}

float ScalarCodec::encode_row(Scratch& scratch) const {
    for (std::size_t j = 0; j < dim_; ++j) scratch.normal[j] = scratch.centred[j] * inverse_step_[j];
    return bits_ == 8 ? encode_bytes(scratch) : encode_nibbles(scratch);
}

// The factor of the high bits alone, taken as signs times the steps: exact along the row itself.
float ScalarCodec::high_bit_factor(const Scratch& scratch) const {
    const auto high = static_cast<std::uint8_t>(1u << (bits_ - 1));
    std::vector<float> signs(dim_);
    for (std::size_t j = 0; j < dim_; ++j) signs[j] = scratch.codes[j] < high ? -step_[j] : step_[j];
    const float along = dot(scratch.centred.data(), signs.data(), dim_);
    return along > 0 ? squared_norm(scratch.centred.data(), dim_) / along : 0.0f;
}

void ScalarCodec::encode_levels(MatrixView x, const float* origin, std::uint8_t* codes, const Factors& factors) const {
    Scratch scratch(dim_);
    std::vector<float> buffer, decoded(dim_);
    const MatrixView y = residuals(x, origin, 0, x.rows, buffer);
    for (std::size_t i = 0; i < x.rows; ++i) {
        for (std::size_t j = 0; j < dim_; ++j) scratch.centred[j] = y.row(i)[j] - mean_[j];
        const float a = factors.a[i] = encode_row(scratch);
        std::copy_n(scratch.codes.data(), dim_, codes + i * dim_);
        if (factors.stage) factors.stage[i] = high_bit_factor(scratch);
        if (!l2_) continue;
        for (std::size_t j = 0; j < dim_; ++j) {
            decoded[j] = step_[j] * (a * value(scratch.codes[j]));
            if (!centred()) decoded[j] = mean_[j] + decoded[j];
        }
        negated_norms({decoded.data(), 1, dim_}, origin ? origin + i * dim_ : nullptr, factors.b + i);
    }
}

void ScalarCodec::decode_levels(const std::uint8_t* codes, const StoredFactors& factors, const float* origin,
                                std::size_t n, float* x) const {
    require(factors.a != nullptr, "scalar codes: decoding needs their factors a");
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < dim_; ++j)
            x[i * dim_ + j] = mean_[j] + step_[j] * (factors.a[i] * value(codes[i * dim_ + j]));
    add_origin({x, n, dim_}, origin);
}

void ScalarCodec::pack(const std::uint8_t* codes, std::uint8_t* row) const {
    pack_codes(codes, dim_, bits_, row);
}
void ScalarCodec::unpack(const std::uint8_t* row, std::uint8_t* codes) const {
    unpack_codes(row, dim_, bits_, codes);
}

// --- scores --------------------------------------------------------------------------------------------------------

float ScalarCodec::weigh(const float* query, float* weights) const {
    std::vector<float> q(query, query + dim_);
    if (centred())
        for (std::size_t j = 0; j < dim_; ++j) q[j] -= mean_[j];
    const float factor = l2_ ? 2.0f : 1.0f;
    for (std::size_t j = 0; j < dim_; ++j) weights[j] = factor * q[j] * step_[j];
    const float shift = centred() ? 0.0f : factor * dot(q.data(), mean_.data(), dim_);
    return l2_ ? shift - squared_norm(q.data(), dim_) : shift;
}

void (*ScalarCodec::scan_kernel() const)(const kernels::Scan&) {
    return bits_ == 4 ? kernels::active().dot4 : kernels::active().dot8;
}

void (*ScalarCodec::max_kernel() const)(const kernels::Scan&) {
    return bits_ == 4 ? kernels::active().max_dot4 : kernels::active().max_dot8;
}

QueryTerms ScalarCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    return quantize(weights, constant, largest_magnitude(weights.data(), dim_), table);
}

QueryTerms ScalarCodec::prepare_max(const float* query, std::uint8_t* table) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    float largest = largest_magnitude(weights.data(), dim_);
    if (bits_ == 8) largest = std::max(largest, largest_word(weights) * (scan_limit / 126.0f));
    return quantize(weights, constant, largest, table);
}

// The tables of wide queries are the weights for dot_f32 over levels minus their center.
QueryTerms ScalarCodec::prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const {
    wide.resize(dim_);
    const float constant = weigh(query, wide.data());
    if (is_wide(wide)) return {1, 0, constant, 1};
    const QueryTerms terms = quantize(wide, constant, largest_magnitude(wide.data(), dim_), table);
    wide.clear();
    return terms;
}

bool ScalarCodec::is_wide(const std::vector<float>& weights) const {
    return spread(weights.data(), dim_) > widest_spread;
}

QueryTerms ScalarCodec::quantize(const std::vector<float>& weights, float constant, float largest,
                                 std::uint8_t* table) const {
    std::int64_t sum;
    auto* integers = reinterpret_cast<std::int8_t*>(table);
    const float scale = quantize_query(weights.data(), dim_, largest, scan_limit, integers, sum);
    return {scale, -center() * static_cast<float>(sum) * scale, constant, 1};
}

void ScalarCodec::scan_wide(const kernels::Scan& scan) const {
    std::vector<float> blocks(std::size_t{scan.n} * dim_);
    if (bits_ == 8) {
        for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = value(scan.codes[i]);
    } else {
        float* out = blocks.data();
        const std::uint8_t* run = scan.codes;
        for (std::uint32_t first = 0; first < scan.n; first += kernels::block_size) {
            const std::uint32_t vectors = std::min(kernels::block_size, scan.n - first);
            for (std::uint32_t j = 0; j < dim_; ++j, run += kernels::run_bytes(4, vectors))
                for (std::uint32_t v = 0; v < vectors; ++v) *out++ = value(run[v / 2] >> (v % 2 * 4) & 15);
        }
    }
    kernels::Scan floats = scan;
    floats.codes = reinterpret_cast<const std::uint8_t*>(blocks.data());
    kernels::active().dot_f32(floats);
}

// An integer query or the weights of a wide one, then a flag for which of the two it is.
std::size_t ScalarCodec::row_query_bytes() const {
    return wide_query_bytes() + sizeof(std::uint32_t);
}

void ScalarCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    std::vector<float> weights(dim_);
    const float constant = weigh(query, weights.data());
    const std::uint32_t wide = spread(weights.data(), dim_) > widest_row_spread;
    std::memcpy(row_query + wide_query_bytes(), &wide, sizeof wide);
    if (wide) {
        *reinterpret_cast<QueryTerms*>(row_query) = {1, 0, constant, 1};
        std::memcpy(row_query + sizeof(QueryTerms), weights.data(), dim_ * sizeof(float));
    } else {
        prepare_integer_query(weights.data(), dim_, bits_ == 4 ? 127 : 255, center(), constant, row_query);
    }
}

void ScalarCodec::sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                           std::int32_t* sums) const {
    const kernels::Rows arguments{codes.base, codes.stride, rows,  static_cast<std::uint32_t>(n),
                                  dim_,       levels(),     query, sums};
    (bits_ == 4 ? kernels::active().rows_dot4 : kernels::active().rows_dot8)(arguments);
}

void ScalarCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                             std::size_t n, float* scores) const {
    std::uint32_t wide;
    std::memcpy(&wide, row_query + wide_query_bytes(), sizeof wide);
    if (wide) return score_wide_rows(row_query, codes, rows, n, scores);
    score_integer_rows(row_query, codes, rows, n, scores,
                       [&](const std::uint32_t* numbers, std::size_t count, std::int32_t* sums) {
                           sum_rows(query_integers(row_query), codes, numbers, count, sums);
                       });
}

void ScalarCodec::score_wide_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                                  std::size_t n, float* scores) const {
    const QueryTerms& terms = query_terms(row_query);
    const auto* weights = reinterpret_cast<const float*>(row_query + sizeof(QueryTerms));
    std::vector<std::uint8_t> unpacked(dim_);
    std::vector<float> levels(dim_);
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t row = rows ? rows[i] : i;
        unpack(codes.base + row * codes.stride, unpacked.data());
        for (std::size_t j = 0; j < dim_; ++j) levels[j] = value(unpacked[j]);
        const float score = dot(weights, levels.data(), dim_) * codes.a[row];
        scores[i] = (codes.b ? score + codes.b[row] : score) + terms.constant;
    }
}

Levels ScalarCodec::levels_of_codes() const {
    return {bits_, levels_, center(), 1, *model_};
}

std::shared_ptr<const Codec> make_scalar(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual) {
    auto whole = std::make_shared<const ScalarCodec>(parts, prefix, dim, metric, residual);
    const Staging staging = staging_of(parts, prefix, Staging::none);
    if (staging == Staging::none) return whole;
    if (parts.param(prefix + ".bits") != 4)
        corrupt("param '" + prefix + ".staged': got 1 with 8 bits, expected 4 bits");
    const Levels levels = whole->levels_of_codes();
    return std::make_shared<const StagedCodec>(std::move(whole), levels, staging);
}

}  // namespace fewbits::codec
