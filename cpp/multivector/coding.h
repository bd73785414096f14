// Converts sets of tokens to codes, and back.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "codec/code_set.h"
#include "index/snapshot.h"
#include "multivector/sets.h"

namespace fewbits {

// Encodes documents in the form in which an index stores them.
CodeSets encode_sets(const Codec& codec, const SetsView& documents, unsigned threads);

// The tokens of a document of an index. Throws if the id is unknown.
CodeSet tokens_of(const Snapshot& snapshot, std::int64_t id);

// Decodes the tokens of documents of an index. Throws if an id is unknown.
OwnedSets decode_documents(const Snapshot& snapshot, std::span<const std::int64_t> ids, unsigned threads);

}  // namespace fewbits
