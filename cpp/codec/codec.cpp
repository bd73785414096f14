#include "codec/codec.h"

#include "codec/direction.h"
#include "codec/registry.h"

namespace fewbits {

// Scores of codecs that are not staged are final.
void Codec::refine(const kernels::Scan&, const RowCodes&, const std::uint8_t*, kernels::ScanQuery&, std::size_t,
                   std::vector<kernels::Hit>*) const {}

QueryTerms Codec::prepare_scan(const float* query, std::uint8_t* table, std::vector<float>& wide) const {
    wide.clear();
    return prepare(query, table);
}
void Codec::scan_wide(const kernels::Scan&) const {
    fail("codec: wide queries are not supported");
}

std::shared_ptr<const Codec> make_codec(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric,
                                        bool residual) {
    require(dim >= 1 && dim <= 65535, "codec: the dimension must be in 1..65535");
    require(metric != Metric::cosine, "codec: the metric must be l2 or ip (cosine is ip of normalised rows)");
    const CodecKind& kind = codec_kind(parts, prefix);
    auto codec = kind.make(parts, prefix, dim, metric, residual);
    const std::string direction = prefix + ".direction";
    if (!parts.has(direction)) return codec;
    if (metric == Metric::l2) corrupt("array '" + direction + "': got one under metric l2, expected metric ip");
    return std::make_shared<codec::DirectionCodec>(std::move(codec), parts.finite(direction, dim),
                                                   kind.traits.corrects_itself);
}

}  // namespace fewbits
