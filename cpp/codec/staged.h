// 4-bit scalar codes in two stages: blocks hold only the high bit plane, so that a scan reads a quarter of the code.
// What it scores optimistically enough is scored exactly from all four planes.
#pragma once

#include "codec/planes.h"
#include "codec/scalar.h"

namespace fewbits::codec {

bool is_staged(const Parts& parts, const std::string& prefix);

class StagedCodec final : public ScalarCodec {
public:
    StagedCodec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric, bool residual);

    CodeLayout layout() const override;
    void (*scan_kernel() const)(const kernels::Scan&) override;
    void (*max_kernel() const)(const kernels::Scan&) override { return nullptr; }
    const std::uint8_t* levels() const override { return nullptr; }  // tables know them
    std::size_t table_bytes() const override { return planes_.table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first) const override {
        planes_.refine(scan, rest, row_query, query, first);
    }

protected:
    void pack(const std::uint8_t* codes, std::uint8_t* row) const override;
    void unpack(const std::uint8_t* row, std::uint8_t* codes) const override;
    void sum_rows(const std::int16_t* query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                  std::int32_t* sums) const override {
        planes_.sum_rows(query, codes, rows, n, sums);
    }

private:
    Planes planes_;
};

}  // namespace fewbits::codec
