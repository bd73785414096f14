#include "codec/registry.h"

#include "base/registry.h"
#include "codec/float/float.h"
#include "codec/pq/pq.h"
#include "codec/rabitq/rabitq.h"
#include "codec/recurrent_binary/recurrent_binary.h"
#include "codec/scalar/scalar.h"

namespace fewbits {
namespace {

template <class Kind>
std::shared_ptr<const Codec> make(const Parts& parts, const std::string& prefix, std::uint32_t dim, Metric metric,
                                  bool residual) {
    return std::make_shared<const Kind>(parts, prefix, dim, metric, residual);
}

constexpr CodecTrait traits[] = {
    {"exact", &CodecTraits::exact},
    {"cosine_only", &CodecTraits::cosine_only},
    {"trains", &CodecTraits::trains},
    {"subspaces", &CodecTraits::subspaces},
    {"residual", &CodecTraits::residual},
    {"rerank", &CodecTraits::rerank},
    {"tokens", &CodecTraits::tokens},
    {"staged", &CodecTraits::staged},
    {"rotates", &CodecTraits::rotates},
    {"score_aware", &CodecTraits::score_aware},
    {"scoring", &CodecTraits::scoring},
    {"encoder", &CodecTraits::encoder},
    {"corrects_itself", &CodecTraits::corrects_itself},
};
static_assert(sizeof(CodecTraits) == std::size(traits) * sizeof(bool), "every trait has a name");

constexpr CodecKind kinds[] = {
    {1, "float", {.exact = true, .rerank = true, .tokens = true}, make<codec::FloatCodec>},
    {2, "scalar", {.trains = true, .rerank = true, .tokens = true, .staged = true}, codec::make_scalar},
    {3,
     "pq",
     {.trains = true,
      .subspaces = true,
      .residual = true,
      .rerank = true,
      .tokens = true,
      .score_aware = true,
      .scoring = true,
      .corrects_itself = true},
     make<codec::PqCodec>},
    {4,
     "rabitq",
     {.trains = true, .residual = true, .tokens = true, .staged = true, .rotates = true},
     codec::make_rabitq},
    {5, "recurrent_binary", {.cosine_only = true, .rotates = true, .encoder = true}, make<codec::RecurrentBinaryCodec>},
};

}  // namespace

std::span<const CodecTrait> codec_traits() {
    return traits;
}

std::span<const CodecKind> codec_kinds() {
    return kinds;
}

const CodecKind& codec_kind(const Parts& parts, const std::string& prefix) {
    return row_of(codec_kinds(), parts, prefix + ".kind");
}

}  // namespace fewbits
