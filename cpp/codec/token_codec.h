// The codec of tokens: any codec, preceded by a random rotation of queries and tokens if it needs one. The combination
// is itself a codec, so no other code handles the rotation.
#pragma once

#include <memory>

#include "base/parts.h"
#include "codec/codec.h"

namespace fewbits {

// Reads param "tokens.dim", params and arrays "tokens.*" as in make_codec (metric ip), and "tokens.transform.*", if
// there are any, as in make_transform.
std::shared_ptr<const Codec> make_token_codec(const Parts& parts);

}  // namespace fewbits
