// The coded tokens of some documents, immutable: each document's as TokenCodes has them (chamfer.h). In RAM or mapped,
// a segment is the same thing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/parts.h"
#include "codec/codec.h"
#include "multivector/chamfer.h"
#include "multivector/sets.h"
#include "storage/append_buffer.h"
#include "storage/spill.h"

namespace fewbits {

class TokenSegment {
public:
    // Arrays "<prefix>.lists" (u64, documents + 1 first tokens), ".codes", ".a", ".ids" (i64) and param "<prefix>.n",
    // the number of documents; every length is checked.
    TokenSegment(const Codec& codec, const Parts& parts, const std::string& prefix);

    std::size_t size() const { return ids_.size(); }
    std::span<const std::int64_t> ids() const { return ids_; }
    std::ptrdiff_t find(std::int64_t id) const;  // the document with this id, or -1
    std::uint32_t tokens(std::size_t document) const {
        return static_cast<std::uint32_t>(lists_[document + 1] - lists_[document]);
    }
    std::size_t total_tokens() const { return lists_.back(); }
    std::span<const std::uint8_t> codes(std::size_t document) const {
        return codes_.subspan(code_offsets_[document], code_offsets_[document + 1] - code_offsets_[document]);
    }
    std::span<const std::uint8_t> all_codes() const { return codes_; }
    std::span<const float> factors(std::size_t document) const {
        return a_.empty() ? a_ : a_.subspan(lists_[document], tokens(document));
    }
    TokenCodes operator[](std::size_t document) const {
        return {codes(document).data(), a_.empty() ? nullptr : factors(document).data(), tokens(document)};
    }
    const Parts& parts() const { return parts_; }  // without prefix, for saving

private:
    Parts parts_;
    std::span<const std::uint64_t> lists_;
    std::span<const std::uint8_t> codes_;
    std::span<const float> a_;
    std::span<const std::int64_t> ids_;
    std::vector<std::size_t> code_offsets_;
    std::vector<std::uint32_t> by_id_;  // documents in order of their ids; empty if that is their order
};

// Collects documents into one segment, coding them as they come.
class TokenSegmentBuilder {
public:
    // directory: of the nameless file that takes the codes; empty: they stay in memory.
    TokenSegmentBuilder(std::shared_ptr<const Codec> codec, const std::string& directory);

    void append(const SetsView& documents, const std::int64_t* ids, unsigned threads);
    // Documents of another segment of the same codec, as they are.
    void append(const TokenSegment& segment, std::span<const std::uint32_t> documents);
    std::shared_ptr<const TokenSegment> finish();  // ends the builder

private:
    void put_codes(std::span<const std::uint8_t> codes);

    std::shared_ptr<const Codec> codec_;
    std::unique_ptr<io::Spill> spill_;
    Growing codes_{1}, a_{sizeof(float)}, ids_{sizeof(std::int64_t)}, lists_{sizeof(std::uint64_t)};
    std::size_t code_bytes_ = 0, tokens_ = 0, documents_ = 0;
};

}  // namespace fewbits
