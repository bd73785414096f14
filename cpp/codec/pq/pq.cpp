#include "codec/pq/pq.h"

#include <cmath>
#include <utility>

#include "codec/packing.h"
#include "codec/pq/anisotropic.h"
#include "codec/pq/table_limit.h"
#include "codec/residuals.h"
#include "codec/sums.h"
#include "codec/tables.h"

namespace fewbits::codec {
namespace {

constexpr float max_eta = 1e6f;

std::uint32_t bits_param(const Parts& parts, const std::string& prefix) {
    const auto bits = static_cast<std::uint32_t>(parts.param(prefix + ".bits", 4, 8));
    if (bits != 4 && bits != 8)
        corrupt("param '" + prefix + ".bits': got " + std::to_string(bits) + ", expected 4 or 8");
    return bits;
}

std::vector<float> scaled(std::span<const float> values, float factor) {
    std::vector<float> out(values.begin(), values.end());
    for (float& value : out) value *= factor;
    return out;
}

}  // namespace

PqCodec::PqCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual)
    : dim_(dim),
      m_(static_cast<std::uint32_t>(parts.param(prefix + ".m", 1, dim))),
      bits_(bits_param(parts, prefix)),
      l2_(metric == Metric::l2),
      residual_(residual),
      assignment_(parts.finite(prefix + ".codebook", entries() * pq_width(m_, dim)), m_, k(), dim) {
    if (parts.has(prefix + ".scoring"))
        scoring_.emplace_back(parts.finite(prefix + ".scoring", entries() * pq_width(m_, dim)), m_, k(), dim);
    if (parts.has(prefix + ".eta")) eta_ = parts.finite(prefix + ".eta", 1).front();
    if (!(eta_ >= 1 && eta_ <= max_eta))
        corrupt("array '" + prefix + ".eta': got " + std::to_string(eta_) + ", expected 1 to 1e6");
    nearest_bias_ = scaled(assignment_.squared_norms(), -0.5f);
    if (l2_ && !residual_) table_bias_ = scaled(scoring().squared_norms(), -1.0f);
    uneven_ = is_uneven(scoring());
}

CodeLayout PqCodec::layout() const {
    CodeLayout layout;
    layout.element_bits = bits_;
    layout.elements = m_;
    layout.has_b = l2_ && residual_;
    return layout;
}

void PqCodec::nearest(MatrixView y, std::uint8_t* codes) const {
    std::vector<std::uint32_t> best(y.rows);
    std::vector<float> score(y.rows);
    for (std::uint32_t s = 0; s < m_; ++s) {
        kernels::active().tile_best(assignment_.tile(s, y.data, y.rows, nearest_bias_.data()), best.data(),
                                    score.data());
        for (std::size_t i = 0; i < y.rows; ++i) codes[i * m_ + s] = static_cast<std::uint8_t>(best[i]);
    }
}

// Lowers the anisotropic loss of the codes of y (x or its residuals), a few vectors at a time, so that the costs of all
// codewords stay in the cache.
void PqCodec::improve(MatrixView x, MatrixView y, std::uint8_t* codes) const {
    constexpr std::size_t floats_at_once = 1 << 15;
    const std::size_t at_once = std::max<std::size_t>(1, floats_at_once / entries());
    const std::span<const float> squared_norms = assignment_.squared_norms();
    std::vector<float> errors(at_once * entries()), along(at_once * entries());
    const bool same = x.data == y.data;
    for (std::size_t first = 0; first < x.rows; first += at_once) {
        const std::size_t count = std::min(at_once, x.rows - first);
        for (std::uint32_t s = 0; s < m_; ++s) {
            const std::size_t at = std::size_t{s} * k();
            const auto products = [&](MatrixView of, float* out) {
                kernels::active().tile_dot(assignment_.tile(s, of.row(first), count, nullptr), out + at, entries());
            };
            products(x, along.data());
            if (!same) products(y, errors.data());
        }
        for (std::size_t i = 0; i < count; ++i) {
            const float* vector = x.row(first + i);
            const float squares = squared_norm(vector, dim_);
            const float inverse = squares > 0 ? 1 / std::sqrt(squares) : 0.0f;
            float* own_errors = errors.data() + i * entries();
            float* own_along = along.data() + i * entries();
            const float* own_products = same ? own_along : own_errors;
            for (std::size_t e = 0; e < entries(); ++e) own_errors[e] = squared_norms[e] - 2 * own_products[e];
            for (std::size_t e = 0; e < entries(); ++e) own_along[e] *= inverse;
            const float target = dot(vector, y.row(first + i), dim_) * inverse;
            descend({own_errors, own_along, target, eta_ - 1}, m_, k(), codes + (first + i) * m_);
        }
    }
}

void PqCodec::encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const {
    std::vector<float> buffer, decoded;
    std::vector<std::uint8_t> codes(rows_at_once * m_);
    for (std::size_t first = 0; first < x.rows; first += rows_at_once) {
        const std::size_t count = std::min(rows_at_once, x.rows - first);
        const MatrixView y = residuals(x, origin, first, count, buffer);
        nearest(y, codes.data());
        if (eta_ > 1) improve(x.block(first, count), y, codes.data());
        for (std::size_t i = 0; i < count; ++i)
            pack_codes(codes.data() + i * m_, m_, bits_, rows + (first + i) * row_bytes());
        if (!layout().has_b) continue;
        decoded.resize(count * dim_);
        for (std::size_t i = 0; i < count; ++i) scoring().decode(codes.data() + i * m_, decoded.data() + i * dim_);
        negated_norms({decoded.data(), count, dim_}, origin ? origin + first * dim_ : nullptr, factors.b + first);
    }
}

void PqCodec::decode(const std::uint8_t* rows, const StoredFactors&, const float* origin, std::size_t n,
                     float* x) const {
    std::vector<std::uint8_t> codes(m_);
    for (std::size_t i = 0; i < n; ++i) {
        unpack_codes(rows + i * row_bytes(), m_, bits_, codes.data());
        scoring().decode(codes.data(), x + i * dim_);
    }
    add_origin({x, n, dim_}, origin);
}

void (*PqCodec::scan_kernel() const)(const kernels::Scan&) {
    return bits_ == 4 ? kernels::active().scan4 : kernels::active().scan8;
}

// Writes what each codeword adds to the score; returns the constant.
float PqCodec::fill_tables(const float* query, float* tables) const {
    std::vector<float> scaled_query(query, query + dim_);
    if (l2_)
        for (float& value : scaled_query) value *= 2;
    const float* bias = table_bias_.empty() ? nullptr : table_bias_.data();
    for (std::uint32_t s = 0; s < m_; ++s) {
        const kernels::Tile tile = scoring().tile(s, scaled_query.data(), 1, bias);
        kernels::active().tile_dot(tile, tables + std::size_t{s} * k(), k());
    }
    return l2_ ? -squared_norm(query, dim_) : 0.0f;
}

QueryTerms PqCodec::prepare(const float* query, std::uint8_t* table) const {
    std::vector<float> tables(entries());
    const float constant = fill_tables(query, tables.data());
    return quantize(tables.data(), constant, reach(tables.data()).limit, table);
}

QueryTerms PqCodec::prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const {
    wide.resize(entries());
    const float constant = fill_tables(query, wide.data());
    const Reach needed = reach(wide.data());
    if (needed.uneven) return {1, 0, constant, 1};
    const QueryTerms terms = quantize(wide.data(), constant, needed.limit, table);
    wide.clear();
    return terms;
}

// Tables of distances can saturate, tables of products cannot.
Reach PqCodec::reach(const float* tables) const {
    if (!uneven_) return {};
    if (!table_bias_.empty()) return reach_of_distances(tables, m_, k(), dim_ / m_);
    return {.uneven = outgrows_bytes(tables, m_, k())};
}

QueryTerms PqCodec::quantize(float* tables, float constant, float limit, std::uint8_t* table) const {
    QueryTerms terms = quantize_tables(tables, m_, k(), table, limit);
    terms.constant = constant;
    return terms;
}

// Computes sums in float32, then scores them as float codes of one dimension.
void PqCodec::scan_wide(const kernels::Scan& scan) const {
    constexpr float one = 1;
    std::vector<std::uint8_t> codes(std::size_t{scan.n} * m_);
    std::uint8_t* code = codes.data();
    const std::uint8_t* run = scan.codes;
    for (std::uint32_t first = 0; first < scan.n; first += kernels::block_size) {
        const std::uint32_t vectors = std::min(kernels::block_size, scan.n - first);
        for (std::uint32_t s = 0; s < m_; ++s, run += kernels::run_bytes(bits_, vectors), code += vectors)
            unpack_codes(run, vectors, bits_, code);
    }
    std::vector<float> sums(scan.n);
    for (std::uint32_t q = 0; q < scan.n_queries; ++q) {
        kernels::ScanQuery& query = scan.queries[q];
        const auto* tables = static_cast<const float*>(query.table);
        code = codes.data();
        std::fill(sums.begin(), sums.end(), 0.0f);
        for (std::uint32_t first = 0; first < scan.n; first += kernels::block_size) {
            const std::uint32_t vectors = std::min(kernels::block_size, scan.n - first);
            for (std::uint32_t s = 0; s < m_; ++s, code += vectors)
                for (std::uint32_t v = 0; v < vectors; ++v) sums[first + v] += tables[s * k() + code[v]];
        }
        kernels::Scan floats = scan;
        floats.codes = reinterpret_cast<const std::uint8_t*>(sums.data());
        floats.m = 1;
        floats.queries = &query;
        floats.n_queries = 1;
        const void* kept = std::exchange(query.table, &one);
        kernels::active().dot_f32(floats);
        query.table = kept;
    }
}

// The float tables, then the constant.
void PqCodec::prepare_rows(const float* query, std::uint8_t* row_query) const {
    auto* tables = reinterpret_cast<float*>(row_query);
    tables[entries()] = fill_tables(query, tables);
}

void PqCodec::score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                         float* scores) const {
    const auto* tables = reinterpret_cast<const float*>(row_query);
    const float constant = tables[entries()];
    std::vector<std::uint8_t> unpacked(m_);
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t row = rows ? rows[i] : i;
        const std::uint8_t* code = codes.base + row * codes.stride;
        if (bits_ == 4) {
            unpack_codes(code, m_, bits_, unpacked.data());
            code = unpacked.data();
        }
        float sums[4] = {};  // of the sub-quantizers s mod 4: a fixed order with four independent chains
        for (std::size_t s = 0; s < m_; ++s) sums[s % 4] += tables[s * k() + code[s]];
        float score = (sums[0] + sums[2]) + (sums[1] + sums[3]);
        if (layout().has_b) score = score + codes.b[row];
        scores[i] = score + constant;
    }
}

}  // namespace fewbits::codec
