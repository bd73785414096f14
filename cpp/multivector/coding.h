// Between sets of tokens and their codes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "codec/code_set.h"
#include "index/snapshot.h"
#include "multivector/sets.h"

namespace fewbits {

// Documents as an index stores them.
CodeSets encode_sets(const Codec& codec, const SetsView& documents, unsigned threads);

// The tokens of a document of an index. An unknown id is an error that names it.
CodeSet tokens_of(const Snapshot& snapshot, std::int64_t id);

// The tokens of documents of an index, as their codes have them. An unknown id is an error that names it.
OwnedSets decode_documents(const Snapshot& snapshot, std::span<const std::int64_t> ids, unsigned threads);

}  // namespace fewbits
