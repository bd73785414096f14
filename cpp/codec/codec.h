// How vectors are stored in memory and how queries score them. A codec is immutable. Everything it needs for search
// comes from the arrays it is made from, which are also its stored form (base/parts.h), so there is one constructor.
//
// x^ = origin + decoded code. `origin` is the centroid of the vector's list if the index codes residuals, otherwise
// zero.
// Similarities (larger is better): ip <q, x^>; l2 -|q - x^|^2. (RaBitQ estimates <q, x> and -|q - x|^2 without bias.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/matrix.h"
#include "base/metric.h"
#include "base/parts.h"
#include "kernels/kernels.h"

namespace fewbits {

struct CodeLayout {
    std::uint32_t element_bits = 8;  // of the part that is stored in blocks: 4, 8, 16 or 32
    std::uint32_t elements = 0;      // runs per block
    std::uint32_t rest_bytes = 0;    // staged codecs: bytes per row outside the blocks
    bool has_a = false;              // per-vector factors, see kernels.h
    bool has_b = false;
    bool has_stage = false;  // staged codecs: the first stage has its own factor a

    std::size_t block_part_bytes() const { return (std::size_t{elements} * element_bits + 7) / 8; }
    std::size_t row_bytes() const { return block_part_bytes() + rest_bytes; }
};

// Factors of consecutive rows; null where the layout has none.
template <class Float>
struct FactorColumns {
    Float* a = nullptr;
    Float* b = nullptr;
    Float* stage = nullptr;

    FactorColumns from(std::size_t row) const {
        const auto at = [row](Float* column) { return column ? column + row : nullptr; };
        return {at(a), at(b), at(stage)};
    }
};
using Factors = FactorColumns<float>;
using StoredFactors = FactorColumns<const float>;

// The terms that a query adds to scores (see ScanQuery). The first stage of staged codecs scores optimistically:
// `offset` then includes a margin.
struct QueryTerms {
    float scale = 1;
    float offset = 0;
    float constant = 0;
    float b_scale = 1;
};

// Row-form codes and factors, indexed by row number.
struct RowCodes {
    const std::uint8_t* base = nullptr;
    std::size_t stride = 0;
    const float* a = nullptr;
    const float* b = nullptr;
};

class Codec {
public:
    virtual ~Codec() = default;
    virtual std::uint32_t dim() const = 0;
    virtual CodeLayout layout() const = 0;

    // x: the vectors themselves (origin not yet subtracted); origin: n x dim or null. rows: n x row_bytes (block part
    // first, packed low first; then the rest). Deterministic: the same bytes for any thread count, block size and
    // instruction set.
    virtual void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const = 0;
    // Writes x^, including the origin (null: zero). The factor of the first stage is not needed.
    virtual void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                        float* x) const = 0;

    // Scan: the kernel, and its tables for one query.
    virtual void (*scan_kernel() const)(const kernels::Scan&) = 0;
    // The kernel that finds the maximum of the same scores, or null if there is none.
    virtual void (*max_kernel() const)(const kernels::Scan&) { return nullptr; }
    // As prepare, for max_kernel; may quantize more coarsely if that makes the kernel faster.
    virtual QueryTerms prepare_max(const float* query, std::uint8_t* table) const { return prepare(query, table); }
    virtual const std::uint8_t* levels() const { return nullptr; }
    virtual std::size_t table_bytes() const = 0;
    virtual QueryTerms prepare(const float* query, std::uint8_t* table) const = 0;

    // As prepare, unless the query's weights differ too much in magnitude for the kernel's 8 bits (for example because
    // a column has a larger unit). Such a query is wide: its float32 tables are written to `wide` instead, and
    // scan_wide scans it. For other queries, `wide` is cleared.
    virtual QueryTerms prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const;
    virtual void scan_wide(const kernels::Scan& scan) const;

    // Rows, as in rerank: scored with float tables or 12-bit queries, never with 8-bit tables.
    virtual std::size_t row_query_bytes() const = 0;
    virtual void prepare_rows(const float* query, std::uint8_t* row_query) const = 0;
    // scores[i] is the score of row rows[i]; `codes` holds whole rows (row_bytes each, stride apart).
    virtual void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows,
                            std::size_t n, float* scores) const = 0;

    // Staged codecs: replaces the optimistic scores of the hits query.hits[first..count) by those of the whole codes,
    // in order, and drops hits below the threshold. Vector v of the scan, v = hit.row - scan.first_row, has the rest of
    // its code at rest.base + v * rest.stride and its factor a at rest.a[v]. If `exceeding` is not null, a vector whose
    // full score exceeds the optimistic one keeps the optimistic score, and is appended to `exceeding` with its full
    // score. Selecting by the smaller of the two makes the result independent of the order in which thresholds rise
    // (planes.h).
    virtual void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                        kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const;
};

// kind, bits, ... are read from params "<prefix>.kind" etc., arrays from "<prefix>.codebook" etc.; every value and
// length is checked (the arguments may come from a hostile file). metric is l2 or ip.
std::shared_ptr<const Codec> make_codec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric,
                                        bool residual);

}  // namespace fewbits
