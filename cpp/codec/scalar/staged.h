// 4-bit scalar codes in two stages: blocks hold only the high bit plane, so that a scan reads a quarter of the code.
// What it scores optimistically enough is scored exactly from all four planes.
#pragma once

#include "codec/scalar/scalar.h"
#include "codec/staging/planes.h"

namespace fewbits::codec {

// Param "<prefix>.staged" (absent: 0): 0 whole codes in blocks; 1 staged, by the factor of the whole code; 2 staged, by
// a factor of its own.
enum class Staging : std::uint32_t { none = 0, shared_factor = 1, own_factor = 2 };
Staging staging_of(const Parts& parts, const std::string& prefix, Staging absent);

class StagedCodec final : public ScalarCodec {
public:
    StagedCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    CodeLayout layout() const override;
    void (*scan_kernel() const)(const kernels::Scan&) override;
    void (*max_kernel() const)(const kernels::Scan&) override { return nullptr; }
    const std::uint8_t* levels() const override { return nullptr; }  // tables know them
    std::size_t table_bytes() const override { return planes_.table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;
    // By the integers that a scan of whole codes has, so that scores are those of codes that are not staged.
    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const override {
        planes_.refine(scan, rest, row_query, query, first, exceeding);
    }
    bool is_wide(const float*) const override { return false; }  // tables are of floats, a step for all

protected:
    void pack(const std::uint8_t* codes, std::uint8_t* row) const override;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override;
    void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                  std::int32_t* sums) const override {
        planes_.sum_rows(query, codes, rows, n, sums);
    }

private:
    Staging staging_;
    Planes planes_;
};

// Whole or staged, as param "<prefix>.staged" says.
std::shared_ptr<const Codec> make_scalar(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual);

}  // namespace fewbits::codec
