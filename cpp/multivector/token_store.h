// The tokens of every document of an index, coded, and found by the document's id: what candidates are reranked by.
// Like an index it is a pointer to an immutable list of segments: readers take it once and never lock again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/locks.h"
#include "multivector/token_segment.h"

namespace fewbits {

class TokenStore {
public:
    // Params "tokens.dim", "tokens.on_disk" and what make_token_codec reads.
    explicit TokenStore(Parts parts);
    // The store that an index file holds.
    static std::unique_ptr<TokenStore> open(const std::string& path, bool mapped);
    static std::unique_ptr<TokenStore> from_bytes(std::span<const std::byte> file);  // checked in full

    std::unique_ptr<TokenSegmentBuilder> builder(const std::string& directory) const;
    void publish(TokenSegmentBuilder& builder);
    void withdraw();  // undoes the last publish

    // Only these documents, ascending ids, in one segment: what an index's compact() leaves.
    void keep(std::span<const std::int64_t> ids, const std::string& directory);

    std::vector<std::int64_t> ids() const;  // ascending
    std::size_t size() const;               // documents
    std::size_t tokens() const;             // in all of them
    const Parts& model() const { return parts_; }
    Parts parts() const;  // the model's and, prefixed, the segments': what a file holds

    // The k best of each query's n candidate ids (-1: none) by Chamfer similarity, ties by id; padded with -1 and -inf.
    void rerank(const SetsView& queries, const std::int64_t* candidates, std::size_t n, std::size_t k,
                std::int64_t* ids, float* scores, unsigned threads) const;

private:
    using Segments = std::vector<std::shared_ptr<const TokenSegment>>;
    static std::unique_ptr<TokenStore> of_parts(const Parts& parts, bool mapped);
    std::shared_ptr<const Segments> segments() const;
    void replace(Segments segments);

    Parts parts_;
    std::shared_ptr<const Codec> codec_;
    bool on_disk_ = false;
    std::shared_ptr<const Segments> segments_;  // under a BriefLock
};

}  // namespace fewbits
