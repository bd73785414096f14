#include "multivector/token_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/parallel.h"
#include "io/advise.h"
#include "io/file.h"
#include "multivector/token_codec.h"

namespace fewbits {
namespace {

constexpr std::uint64_t most_segments = 1u << 20;

std::string segment_name(std::size_t i) {
    return "tokens" + std::to_string(i);
}

// What a file, or training, holds of the store itself.
Parts model_parts(const Parts& parts) {
    Parts own;
    for (const auto& [name, value] : parts.params)
        if (name.starts_with("tokens.") && name != "tokens.segments") own.params[name] = value;
    for (const auto& [name, array] : parts.arrays)
        if (name.starts_with("tokens.")) own.arrays[name] = array;
    return own;
}

struct Scored {
    std::int64_t id;
    float score;
};

bool better(const Scored& x, const Scored& y) {
    return x.score > y.score || (x.score == y.score && x.id < y.id);
}

}  // namespace

TokenStore::TokenStore(Parts parts) : parts_(model_parts(parts)) {
    const auto dim = static_cast<std::uint32_t>(parts_.param("tokens.dim", 1, 65535));
    on_disk_ = parts_.param("tokens.on_disk", 0, 1) != 0;
    codec_ = make_token_codec(parts_, dim);
    replace({});
}

std::unique_ptr<TokenStore> TokenStore::open(const std::string& path, bool mapped) {
    return of_parts(read_file(path, mapped, Verify::trusted), mapped);
}

std::unique_ptr<TokenStore> TokenStore::from_bytes(std::span<const std::byte> file) {
    return of_parts(read_bytes(file), false);
}

std::unique_ptr<TokenStore> TokenStore::of_parts(const Parts& parts, bool mapped) {
    auto store = std::make_unique<TokenStore>(parts);
    Segments found;
    for (std::size_t i = 0; i < parts.param("tokens.segments", 0, most_segments); ++i) {
        found.push_back(std::make_shared<TokenSegment>(*store->codec_, parts, segment_name(i)));
        if (mapped && store->on_disk_) io::advise_random(std::as_bytes(found.back()->all_codes()));
    }
    store->replace(std::move(found));
    return store;
}

std::unique_ptr<TokenSegmentBuilder> TokenStore::builder(const std::string& directory) const {
    return std::make_unique<TokenSegmentBuilder>(codec_, on_disk_ ? directory : "");
}

std::shared_ptr<const TokenStore::Segments> TokenStore::segments() const {
    const BriefLock lock(this);
    return segments_;
}

void TokenStore::replace(Segments segments) {
    auto next = std::make_shared<const Segments>(std::move(segments));
    const BriefLock lock(this);
    segments_.swap(next);
}

void TokenStore::publish(TokenSegmentBuilder& builder) {
    Segments all = *segments();
    all.push_back(builder.finish());
    replace(std::move(all));
}

void TokenStore::withdraw() {
    Segments all = *segments();
    require(!all.empty(), "withdraw: nothing was published");
    all.pop_back();
    replace(std::move(all));
}

void TokenStore::keep(std::span<const std::int64_t> ids, const std::string& directory) {
    const auto all = segments();
    const auto kept = builder(directory);
    for (std::size_t s = 0; s < all->size(); ++s) {
        std::vector<std::uint32_t> documents;
        for (std::uint32_t i = 0; i < (*all)[s]->size(); ++i) {
            const std::int64_t id = (*all)[s]->ids()[i];
            const auto later = std::any_of(all->begin() + static_cast<std::ptrdiff_t>(s) + 1, all->end(),
                                           [id](const auto& segment) { return segment->find(id) >= 0; });
            if (!later && std::binary_search(ids.begin(), ids.end(), id)) documents.push_back(i);
        }
        kept->append(*(*all)[s], documents);
    }
    replace({kept->finish()});
}

std::vector<std::int64_t> TokenStore::ids() const {
    std::vector<std::int64_t> ids;
    for (const auto& segment : *segments()) ids.insert(ids.end(), segment->ids().begin(), segment->ids().end());
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    return ids;
}

std::size_t TokenStore::size() const {
    std::size_t n = 0;
    for (const auto& segment : *segments()) n += segment->size();
    return n;
}

std::size_t TokenStore::tokens() const {
    std::size_t n = 0;
    for (const auto& segment : *segments()) n += segment->total_tokens();
    return n;
}

Parts TokenStore::parts() const {
    const auto all = segments();
    Parts parts = parts_;
    parts.params["tokens.segments"] = all->size();
    for (std::size_t i = 0; i < all->size(); ++i) {
        const Parts& own = (*all)[i]->parts();
        for (const auto& [name, value] : own.params) parts.params[segment_name(i) + "." + name] = value;
        for (const auto& [name, array] : own.arrays) parts.arrays[segment_name(i) + "." + name] = array;
    }
    return parts;
}

void TokenStore::rerank(const SetsView& queries, const std::int64_t* candidates, std::size_t n, std::size_t k,
                        std::int64_t* ids, float* scores, unsigned threads) const {
    check_sets(queries, "queries");
    if (queries.tokens.cols != codec_->dim())
        fail("queries: got " + std::to_string(queries.tokens.cols) + " dimensions, expected "
             + std::to_string(codec_->dim()));
    const auto all = segments();
    parallel_for(queries.size(), threads, [&](std::size_t q, unsigned) {
        const ChamferQuery query(*codec_, queries[q]);
        ChamferQuery::Scratch scratch;
        std::vector<Scored> found;
        for (std::size_t i = 0; i < n; ++i) {
            const std::int64_t id = candidates[q * n + i];
            for (std::size_t s = id < 0 ? 0 : all->size(); s-- > 0;) {  // the latest first: ids can be given anew
                const TokenSegment& segment = *(*all)[s];
                const std::ptrdiff_t at = segment.find(id);
                if (at < 0) continue;
                found.push_back({id, query.score(segment[static_cast<std::size_t>(at)], scratch)});
                break;
            }
        }
        const std::size_t kept = std::min(k, found.size());
        std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(kept), found.end(), better);
        for (std::size_t i = 0; i < k; ++i) {
            ids[q * k + i] = i < kept ? found[i].id : -1;
            scores[q * k + i] = i < kept ? found[i].score : -std::numeric_limits<float>::infinity();
        }
    });
}

}  // namespace fewbits
