// Tokens in files of format 1: in segments of their own, by document id. Whoever opens such a file finds them by row;
// what is saved has them in the segments of vectors (docs/format.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "index/token_column.h"

namespace fewbits {

class OldTokens : public std::enable_shared_from_this<OldTokens> {
public:
    // Whether a param or an array is of tokens that lie so.
    static bool is_part(const std::string& name);
    // Params "tokens.segments" and "tokens<i>.n", arrays "tokens<i>.ids", ".lists", ".codes", ".a"; null if a file has
    // none. mapped: reads of single documents are announced to the system.
    static std::shared_ptr<const OldTokens> in(const Parts& parts, const CodeLayout& layout, bool mapped);

    // The tokens of rows with these ids. Ids without tokens have an empty set.
    std::shared_ptr<const TokenRows> rows(std::size_t n, const std::function<std::int64_t(std::uint32_t)>& id) const;

private:
    class Rows;
    CodeSet document(std::uint32_t number) const;

    std::vector<TokenColumn> columns_;
    std::vector<std::uint32_t> first_documents_{0};              // of each column; one more at the end
    std::vector<std::pair<std::int64_t, std::uint32_t>> by_id_;  // documents in order of their ids, then as they came
};

}  // namespace fewbits
