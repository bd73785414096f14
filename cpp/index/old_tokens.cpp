#include "index/old_tokens.h"

#include <algorithm>

#include "io/advise.h"

namespace fewbits {
namespace {

constexpr std::uint64_t max_segments = 1u << 20;
constexpr std::uint64_t max_documents = 0xfffffffe;
constexpr std::uint32_t nothing = 0xffffffff;

}  // namespace

class OldTokens::Rows final : public TokenRows {
public:
    Rows(std::shared_ptr<const OldTokens> tokens, std::vector<std::uint32_t> documents)
        : tokens_(std::move(tokens)), documents_(std::move(documents)) {}
    CodeSet operator[](std::size_t row) const override {
        return documents_[row] == nothing ? CodeSet{} : tokens_->document(documents_[row]);
    }

private:
    std::shared_ptr<const OldTokens> tokens_;
    std::vector<std::uint32_t> documents_;
};

bool OldTokens::is_part(const std::string& name) {
    const bool of_segment = name.starts_with("tokens") && name.size() > 6 && name[6] >= '0' && name[6] <= '9';
    return of_segment || name == "tokens.segments" || name == "tokens.next_id";
}

std::shared_ptr<const OldTokens> OldTokens::in(const Parts& parts, const CodeLayout& layout, bool mapped) {
    if (!parts.params.contains("tokens.segments")) return nullptr;
    auto tokens = std::make_shared<OldTokens>();
    const std::uint64_t segments = parts.param("tokens.segments", 0, max_segments);
    for (std::uint64_t i = 0; i < segments; ++i) {
        const std::string name = "tokens" + std::to_string(i);
        const Parts own = parts.under(name);
        const std::uint32_t first = tokens->first_documents_.back();
        const auto n = static_cast<std::uint32_t>(own.param("n", 0, max_documents - first));
        tokens->columns_.emplace_back(layout, own, n);
        if (mapped) io::advise_random(tokens->columns_.back().codes());
        const auto ids = own.array<std::int64_t>("ids", n);
        for (std::uint32_t j = 0; j < n; ++j) tokens->by_id_.emplace_back(ids[j], first + j);
        tokens->first_documents_.push_back(first + n);
    }
    std::sort(tokens->by_id_.begin(), tokens->by_id_.end());
    return tokens;
}

CodeSet OldTokens::document(std::uint32_t number) const {
    const auto after = std::upper_bound(first_documents_.begin(), first_documents_.end(), number);
    const auto column = static_cast<std::size_t>(after - first_documents_.begin() - 1);
    return columns_[column][number - first_documents_[column]];
}

// If several documents have the same id, the last one is used.
std::shared_ptr<const TokenRows> OldTokens::rows(std::size_t n,
                                                 const std::function<std::int64_t(std::uint32_t)>& id) const {
    std::vector<std::uint32_t> documents(n, nothing);
    for (std::uint32_t row = 0; row < n; ++row) {
        const std::pair<std::int64_t, std::uint32_t> last{id(row), nothing};
        const auto after = std::upper_bound(by_id_.begin(), by_id_.end(), last);
        if (after != by_id_.begin() && std::prev(after)->first == last.first) documents[row] = std::prev(after)->second;
    }
    return std::make_shared<Rows>(shared_from_this(), std::move(documents));
}

}  // namespace fewbits
