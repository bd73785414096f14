#include "codec/float/float.h"

#include <cstring>

#include "codec/range.h"
#include "codec/residuals.h"
#include "codec/sums.h"

namespace fewbits::codec {

FloatCodec::FloatCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual)
    : dim_(dim),
      bits_(static_cast<std::uint32_t>(parts.param(prefix + ".bits", 16, 32))),
      differences_(metric == Metric::l2 && !residual),
      norms_(metric == Metric::l2 && residual) {
    if (bits_ != 16 && bits_ != 32)
        corrupt("param '" + prefix + ".bits': got " + std::to_string(bits_) + ", expected 16 or 32");
}

CodeLayout FloatCodec::layout() const {
    CodeLayout layout;
    layout.element_bits = bits_;
    layout.elements = dim_;
    layout.has_b = norms_;
    return layout;
}

void FloatCodec::encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const {
    std::vector<float> buffer, decoded;
    for (std::size_t first = 0; first < x.rows; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, x.rows - first);
        const MatrixView block = residuals(x, origin, first, count, buffer);
        std::uint8_t* out = rows + first * row_bytes();
        if (half()) {
            if (largest_magnitude(block.data, block.size()) >= 65520.0f)
                fail(
                    "float16 codes hold values up to 65504 in magnitude; got a larger one: use float32 or rescale the "
                    "data");
            kernels::active().f32_to_f16(block.data, block.size(), reinterpret_cast<std::uint16_t*>(out));
        } else {
            std::memcpy(out, block.data, block.size() * sizeof(float));
        }
        if (norms_) {
            decoded.resize(block.size());
            values(out, block.size(), decoded.data());
            negated_norms({decoded.data(), count, dim_}, origin ? origin + first * dim_ : nullptr, factors.b + first);
        }
    }
}

void FloatCodec::values(const std::uint8_t* codes, std::size_t count, float* out) const {
    if (half())
        kernels::active().f16_to_f32(reinterpret_cast<const std::uint16_t*>(codes), count, out);
    else
        std::memcpy(out, codes, count * sizeof(float));
}

void FloatCodec::decode(const std::uint8_t* rows, const StoredFactors&, const float* origin, std::size_t n,
                        float* x) const {
    values(rows, n * dim_, x);
    add_origin({x, n, dim_}, origin);
}

void (*FloatCodec::scan_kernel() const)(const kernels::Scan&) {
    const auto& k = kernels::active();
    if (differences_) return half() ? k.l2_f16 : k.l2_f32;
    return half() ? k.dot_f16 : k.dot_f32;
}

void (*FloatCodec::max_kernel() const)(const kernels::Scan&) {
    if (differences_) return nullptr;
    return half() ? kernels::active().max_dot_f16 : kernels::active().max_dot_f32;
}

QueryTerms FloatCodec::write_query(const float* query, float* out) const {
    const float factor = norms_ ? 2.0f : 1.0f;
    for (std::size_t j = 0; j < dim_; ++j) out[j] = factor * query[j];
    return {1, 0, norms_ ? -squared_norm(query, dim_) : 0.0f, 1};
}

QueryTerms FloatCodec::prepare(const float* query, std::uint8_t* table) const {
    return write_query(query, reinterpret_cast<float*>(table));
}

// The query, then the constant.
void FloatCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    auto* values = reinterpret_cast<float*>(row_query);
    values[dim_] = write_query(query, values).constant;
}

void FloatCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                            std::size_t n, float* scores) const {
    const auto* query = reinterpret_cast<const float*>(row_query);
    const kernels::Rows arguments{codes.base, codes.stride, rows,  static_cast<std::uint32_t>(n),
                                  dim_,       nullptr,      query, scores};
    const auto& k = kernels::active();
    if (differences_) {
        (half() ? k.rows_l2_f16 : k.rows_l2_f32)(arguments);
        for (std::size_t i = 0; i < n; ++i) scores[i] = -scores[i];
    } else {
        (half() ? k.rows_dot_f16 : k.rows_dot_f32)(arguments);
        if (norms_)
            for (std::size_t i = 0; i < n; ++i) scores[i] = scores[i] + codes.b[rows ? rows[i] : i] + query[dim_];
    }
}

}  // namespace fewbits::codec
