// The table of codecs: one row per kind. Code outside a codec's own folder, in C++ and in Python, uses the traits to
// determine what the codec can do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "codec/codec.h"

namespace fewbits {

struct CodecTraits {
    bool exact = false;            // codes are the vectors as 32-bit or 16-bit floats
    bool cosine_only = false;      // supports no metric other than cosine
    bool trains = false;           // its arrays are fitted to a sample
    bool subspaces = false;        // codes groups of dimensions: param m is at most the number of dimensions
    bool residual = false;         // can code residuals of list centroids
    bool rerank = false;           // can be a rerank store, which codes vectors without rotation
    bool tokens = false;           // can code the tokens of a multi-vector index
    bool staged = false;           // can be scanned in two stages
    bool rotates = false;          // should be preceded by a random rotation, unless it has trained maps
    bool score_aware = false;      // can weight the error along a vector more than the error across it
    bool scoring = false;          // scores with a codebook ("codec.scoring") that can be trained while codes stay
    bool encoder = false;          // its maps can be replaced and codes remain comparable
    bool corrects_itself = false;  // factor b corrects the errors of codes of whole vectors (codec/direction.h)
};

struct CodecTrait {
    const char* name;
    bool CodecTraits::* value;
};
std::span<const CodecTrait> codec_traits();

struct CodecKind {
    std::uint64_t kind;  // param "<prefix>.kind"
    const char* name;
    CodecTraits traits;
    std::shared_ptr<const Codec> (*make)(const Parts& parts, const std::string& prefix, std::uint32_t dim,
                                         Metric metric, bool residual);
};
std::span<const CodecKind> codec_kinds();

// The row of param "<prefix>.kind"; throws corrupt if there is none.
const CodecKind& codec_kind(const Parts& parts, const std::string& prefix);

}  // namespace fewbits
