// Codes of levels in two stages (planes.h): codes, decoded vectors and final scores are the same, the layout differs.
#pragma once

#include <memory>

#include "codec/staging/level_codec.h"
#include "codec/staging/planes.h"

namespace fewbits::codec {

// Param "<prefix>.staged" (default: `absent`): 0 whole codes in blocks; 1 staged, the first stage shares the factor of
// the whole code; 2 staged, the first stage has its own factor.
enum class Staging : std::uint32_t { none = 0, shared_factor = 1, own_factor = 2 };
Staging staging_of(const Parts& parts, const std::string& prefix, Staging absent);

class StagedCodec final : public Codec {
public:
    StagedCodec(std::shared_ptr<const LevelCodec> whole, Levels levels, Staging staging);

    std::uint32_t dim() const override { return whole_->dim(); }
    CodeLayout layout() const override;
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override;
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override;

    void (*scan_kernel() const)(const kernels::Scan&) override;
    std::size_t table_bytes() const override { return planes_.table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override;
    // With an own factor, uses the integers of a scan of whole codes, so that scores equal those of unstaged codes.
    std::size_t row_query_bytes() const override;
    void prepare_rows(const float* query, std::uint8_t* row_query) const override;
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override;
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const override {
        planes_.refine(scan, rest, row_query, query, first, exceeding);
    }

private:
    bool has_own_factor() const { return staging_ == Staging::own_factor; }

    std::shared_ptr<const LevelCodec> whole_;
    Levels levels_;
    Staging staging_;
    Planes planes_;
};

}  // namespace fewbits::codec
