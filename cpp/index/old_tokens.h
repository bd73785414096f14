// Tokens in files of format 1, which are in separate segments, by document id. After opening they are available by row;
// new files store them in the segments of vectors (docs/format.md).
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
    // Whether a param or an array belongs to tokens in this form.
    static bool is_part(const std::string& name);
    // Params "tokens.segments" and "tokens<i>.n", arrays "tokens<i>.ids", ".lists", ".codes", ".a"; null if the
    // file has none. mapped: the system is advised that single documents will be read.
    static std::shared_ptr<const OldTokens> in(const Parts& parts, const CodeLayout& layout, bool mapped);

    // The tokens of rows with these ids; an empty set for ids without tokens.
    std::shared_ptr<const TokenRows> rows(std::size_t n, const std::function<std::int64_t(std::uint32_t)>& id) const;

private:
    class Rows;
    CodeSet document(std::uint32_t number) const;

    std::vector<TokenColumn> columns_;
    std::vector<std::uint32_t> first_documents_{0};              // per column, and the total at the end
    std::vector<std::pair<std::int64_t, std::uint32_t>> by_id_;  // documents by id, then in the order of the file
};

}  // namespace fewbits
