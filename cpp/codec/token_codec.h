// The codec of tokens: any codec, and for those that want one a random rotation before it, which queries and tokens
// meet alike. As it is a codec itself, nothing else knows of the rotation.
#pragma once

#include <memory>

#include "base/parts.h"
#include "codec/codec.h"

namespace fewbits {

// Param "tokens.dim"; params and arrays "tokens.*" as make_codec's, under ip; "tokens.transform.*" as make_transform's,
// if there are any.
std::shared_ptr<const Codec> make_token_codec(const Parts& parts);

}  // namespace fewbits
