// The table of codecs: one row per kind. Everything outside a codec's own folder, in C++ and in Python, learns from its
// traits what the codec can do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "codec/codec.h"

namespace fewbits {

struct CodecTraits {
    bool exact = false;            // codes are the vectors as floats, of 32 or 16 bits
    bool cosine_only = false;      // scores cosines and nothing else
    bool trains = false;           // its arrays are fitted to a sample
    bool subspaces = false;        // codes groups of dimensions: param m is at most the number of dimensions
    bool residual = false;         // can code residuals of list centroids
    bool rerank = false;           // can be a rerank store: codes vectors that are not rotated
    bool tokens = false;           // can code the tokens of a multi-vector index
    bool staged = false;           // can be scanned in two stages
    bool rotates = false;          // wants a random rotation in front, unless it has trained maps of its own
    bool score_aware = false;      // can weight the error along a vector more than the error across it
    bool scoring = false;          // scores with a codebook that can be trained while codes stay ("codec.scoring")
    bool encoder = false;          // its maps can be replaced while codes stay comparable
    bool corrects_itself = false;  // factor b takes in what codes miss of the vector itself (codec/direction.h)
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
