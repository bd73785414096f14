#include "codec/codec.h"

#include "codec/common.h"
#include "codec/direction.h"
#include "codec/float/float.h"
#include "codec/pq/pq.h"
#include "codec/rabitq/rabitq.h"
#include "codec/recurrent_binary/recurrent_binary.h"
#include "codec/scalar/scalar.h"
#include "codec/scalar/staged.h"

namespace fewbits {

// Scores of codecs that are not staged are final.
void Codec::refine(const kernels::Scan&, const RowCodes&, const std::uint8_t*, kernels::ScanQuery&, std::size_t,
                   std::vector<kernels::Hit>*) const {}

bool Codec::is_wide(const float*) const {
    return false;
}
QueryTerms Codec::prepare_wide(const float*, float*) const {
    fail("codec: its queries are never wide");
}
void Codec::scan_wide(const kernels::Scan&) const {
    fail("codec: its queries are never wide");
}

namespace {

enum Kind : std::uint64_t { floats = 1, scalar = 2, product_quantizer = 3, rabitq = 4, recurrent_binary = 5 };

std::shared_ptr<const Codec> make_kind(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric,
                                       bool residual) {
    switch (parts.param(prefix + ".kind", floats, recurrent_binary)) {
        case floats:
            return std::make_shared<codec::FloatCodec>(parts, prefix, dim, metric, residual);
        case scalar:
            if (codec::staging_of(parts, prefix, codec::Staging::none) != codec::Staging::none)
                return std::make_shared<codec::StagedCodec>(parts, prefix, dim, metric, residual);
            return std::make_shared<codec::ScalarCodec>(parts, prefix, dim, metric, residual);
        case product_quantizer:
            return std::make_shared<codec::PqCodec>(parts, prefix, dim, metric, residual);
        case rabitq:
            return std::make_shared<codec::RabitqCodec>(parts, prefix, dim, metric, residual);
        default:
            return std::make_shared<codec::RecurrentBinaryCodec>(parts, prefix, dim, metric, residual);
    }
}

}  // namespace

std::shared_ptr<const Codec> make_codec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric,
                                        bool residual) {
    require(dim >= 1 && dim <= 65535, "codec: the dimension must be in 1..65535");
    require(metric != Metric::cosine, "codec: the metric must be l2 or ip (cosine is ip of normalised rows)");
    auto codec = make_kind(parts, prefix, dim, metric, residual);
    const std::string direction = prefix + ".direction";
    if (!parts.has(direction)) return codec;
    if (metric == Metric::l2) codec::corrupt("array '" + direction + "': got one under l2, expected it under ip");
    const bool nearest = parts.param(prefix + ".kind") == product_quantizer;
    return std::make_shared<codec::DirectionCodec>(std::move(codec), parts.finite(direction, dim), nearest);
}

}  // namespace fewbits
