// 4-bit scalar codes in two stages: blocks hold only the high bit plane, so that a scan reads a quarter of the code.
// What it scores optimistically enough is scored exactly from all four planes.
//
// Row form: the high plane, then the three others, high first. The refined score of a row is bit for bit score_rows'.
#pragma once

#include "codec/scalar.h"

namespace fewbits::codec {

bool is_staged(const Parts& parts, const std::string& prefix);

class StagedCodec final : public ScalarCodec {
public:
    StagedCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    CodeLayout layout() const override;
    void (*scan_kernel() const)(const kernels::Scan&) override;
    const std::uint8_t* levels() const override { return nullptr; }  // tables know them
    std::size_t table_bytes() const override { return nibbles() * 16; }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first) const override;

protected:
    void pack(const std::uint8_t* codes, std::uint8_t* row) const override;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override;
    void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                  std::int32_t* sums) const override;

private:
    std::size_t nibbles() const { return (std::size_t{dim_} + 3) / 4; }
};

}  // namespace fewbits::codec
