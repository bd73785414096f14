#include "codec/token_codec.h"

#include <string>
#include <utility>
#include <vector>

#include "codec/registry.h"
#include "transform/transform.h"

namespace fewbits {
namespace {

class RotatedCodec final : public Codec {
public:
    RotatedCodec(std::shared_ptr<const Codec> codec, std::shared_ptr<const Transform> rotation)
        : codec_(std::move(codec)), rotation_(std::move(rotation)) {}

    std::uint32_t dim() const override { return rotation_->in_dim(); }
    CodeLayout layout() const override { return codec_->layout(); }
    void encode(MatrixView x, const float* origin, std::uint8_t* rows, const Factors& factors) const override {
        require(origin == nullptr, "tokens: rotated codes have no origin");
        codec_->encode({rotated(x).data(), x.rows, rotation_->out_dim()}, nullptr, rows, factors);
    }
    void decode(const std::uint8_t* rows, const StoredFactors& factors, const float* origin, std::size_t n,
                float* x) const override {
        require(origin == nullptr, "tokens: rotated codes have no origin");
        std::vector<float> y(n * rotation_->out_dim());
        codec_->decode(rows, factors, nullptr, n, y.data());
        rotation_->invert({y.data(), n, rotation_->out_dim()}, x);
    }

    void (*scan_kernel() const)(const kernels::Scan&) override { return codec_->scan_kernel(); }
    void (*max_kernel() const)(const kernels::Scan&) override { return codec_->max_kernel(); }
    const std::uint8_t* levels() const override { return codec_->levels(); }
    std::size_t table_bytes() const override { return codec_->table_bytes(); }
    QueryTerms prepare(const float* query, std::uint8_t* table) const override {
        return codec_->prepare(rotated({query, 1, dim()}).data(), table);
    }
    QueryTerms prepare_max(const float* query, std::uint8_t* table) const override {
        return codec_->prepare_max(rotated({query, 1, dim()}).data(), table);
    }

    std::size_t row_query_bytes() const override { return codec_->row_query_bytes(); }
    void prepare_rows(const float* query, std::uint8_t* row_query) const override {
        codec_->prepare_rows(rotated({query, 1, dim()}).data(), row_query);
    }
    void score_rows(const std::uint8_t* row_query, const RowCodes& codes, const std::uint32_t* rows, std::size_t n,
                    float* scores) const override {
        codec_->score_rows(row_query, codes, rows, n, scores);
    }
    void refine(const kernels::Scan& scan, const RowCodes& rest, const std::uint8_t* row_query,
                kernels::ScanQuery& query, std::size_t first, std::vector<kernels::Hit>* exceeding) const override {
        codec_->refine(scan, rest, row_query, query, first, exceeding);
    }

private:
    std::vector<float> rotated(MatrixView x) const {
        std::vector<float> y(x.rows * rotation_->out_dim());
        rotation_->apply(x, y.data());
        return y;
    }

    std::shared_ptr<const Codec> codec_;
    std::shared_ptr<const Transform> rotation_;
};

}  // namespace

std::shared_ptr<const Codec> make_token_codec(const Parts& parts) {
    const auto dim = static_cast<std::uint32_t>(parts.param("tokens.dim", 1, 65535));
    const bool rotates = !parts.under("tokens.transform").params.empty();
    std::shared_ptr<const Transform> rotation = rotates ? make_transform(parts.under("tokens"), dim) : nullptr;
    const CodecKind& kind = codec_kind(parts, "tokens");
    if (!kind.traits.tokens)
        corrupt(std::string("param 'tokens.kind': got ") + kind.name + ", expected a codec that can code tokens");
    auto codec = make_codec(parts, "tokens", rotates ? rotation->out_dim() : dim, Metric::ip, false);
    if (codec->layout().has_b || codec->layout().has_stage)
        corrupt("tokens: got codes with factor b or a factor of the first stage, expected at most factor a");
    if (!rotates) return codec;
    return std::make_shared<RotatedCodec>(std::move(codec), std::move(rotation));
}

}  // namespace fewbits
