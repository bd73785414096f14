#include "index/segment.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/bitmap.h"
#include "base/progress.h"

namespace fewbits {
namespace {

constexpr std::uint64_t max_rows = 0xffffffffu - 1;  // rows are u32
constexpr std::uint64_t max_first_id = std::uint64_t{1} << 62;

// Sorts runs and then merges them, so that sorting many rows can be cancelled.
template <class Less>
void sort_in_steps(std::vector<std::uint32_t>& rows, const Progress& progress, Less less) {
    constexpr std::size_t run = 1 << 17;
    const std::size_t n = rows.size();
    const auto at = [&](std::size_t i) { return rows.begin() + static_cast<std::ptrdiff_t>(std::min(i, n)); };
    ProgressCounter steps(progress, n * (1 + std::bit_width(n / run)));
    for (std::size_t first = 0; first < n; first += run) {
        std::sort(at(first), at(first + run), less);
        steps.add(std::min(run, n - first));
    }
    for (std::size_t half = run; half < n; half *= 2)
        for (std::size_t first = 0; first + half < n; first += 2 * half) {
            std::inplace_merge(at(first), at(first + half), at(first + 2 * half), less);
            steps.add(std::min(2 * half, n - first));
        }
}

// The arrays that a search follows, so that they are checked when a file is opened.
bool is_followed(const std::string& name) {
    return name.ends_with("lists") || name == "second.rows" || name.starts_with("labels.");
}

}  // namespace

SecondEntries::SecondEntries(const CodeLayout& layout, const Parts& parts, std::uint32_t nlist,
                             const CodeLists& first) try
    : CodeLists(layout, parts, nlist, static_cast<std::uint32_t>(parts.count<std::uint32_t>("rows"))),
      rows(parts.array<std::uint32_t>("rows", n())) {
    Bitmap seen(first.n());
    for (std::uint32_t list = 0; list < nlist; ++list) {
        const std::uint32_t begin = first_row(list), end = begin + list_size(list);
        const std::uint32_t own = first.first_row(list), after = own + first.list_size(list);
        for (std::uint32_t entry = begin; entry < end; ++entry) {
            const std::uint32_t row = rows[entry];
            const bool ascends = entry == begin || rows[entry - 1] < row;
            if (!ascends || row >= first.n() || (row >= own && row < after) || seen.test(row))
                throw Error(ErrorKind::corrupt,
                            "array 'rows': expected rows below " + std::to_string(first.n())
                                + " that ascend in every list, each once and not in its first list, got "
                                + std::to_string(row) + " in list " + std::to_string(list));
            seen.set(row);
        }
    }
} catch (const Error& error) {
    throw Error(error.kind(), std::string("second: ") + error.what());
}

Segment::Segment(const Model& model, const Parts& parts, const std::string& prefix, const OldTokens* old) try
    : parts_(parts.under(prefix)) {
    parts_.arrays.erase("removed");  // part of the snapshot, as it changes
    for (auto& [name, array] : parts_.arrays) array.bulk = !is_followed(name);
    first_id_ = static_cast<std::int64_t>(parts_.param("first_id", 0, max_first_id));
    const CodeLayout layout = model.codec->layout();
    const std::uint32_t nlist = model.partition->nlist();
    static_cast<CodeLists&>(*this) =
        CodeLists(layout, parts_, nlist, static_cast<std::uint32_t>(parts_.param("n", 0, max_rows)));
    if (model.partition->spills() && parts_.has("second.rows"))
        second_ = std::make_shared<const SecondEntries>(layout, parts_.under("second"), nlist, *this);
    if (parts_.has("labels.rows")) labels_ = std::make_shared<const LabelRuns>(parts_.under("labels"), *this, nlist);

    const auto ids = parts_.arrays.find("ids");
    if (ids != parts_.arrays.end() && ids->second.dtype == DType::i64)
        custom_ids_ = parts_.array<std::int64_t>("ids", n());
    else if (ids != parts_.arrays.end())
        positions_ = parts_.array<std::uint32_t>("ids", n());
    next_id_ = first_id_ + n();
    if (parts_.params.contains("next_id") || custom_ids())
        next_id_ = static_cast<std::int64_t>(parts_.param("next_id", 0, max_first_id + max_rows));

    if (model.rerank) {
        const CodeLayout finer = model.rerank->layout();
        rerank_.stride = finer.row_bytes();
        rerank_rows_ = parts_.array<std::uint8_t>("rerank", checked_mul(n(), rerank_.stride));
        rerank_.base = rerank_rows_.data();
        if (finer.has_a) rerank_.a = parts_.array<float>("rerank_a", n()).data();
        if (finer.has_b) rerank_.b = parts_.array<float>("rerank_b", n()).data();
    }
    if (model.tokens && old)
        tokens_ = old->rows(n(), [this](std::uint32_t row) { return id(row); });
    else if (model.tokens)
        tokens_ = std::make_shared<TokenColumn>(model.tokens->layout(), parts_.under("tokens"), n());
} catch (const Error& error) {
    throw Error(error.kind(), prefix + ": " + error.what());
}

std::vector<std::uint32_t> Segment::sorted_rows(const Progress& progress) const {
    std::vector<std::uint32_t> rows(n());
    std::iota(rows.begin(), rows.end(), 0u);
    sort_in_steps(rows, progress, [this](std::uint32_t x, std::uint32_t y) { return id(x) < id(y); });
    return rows;
}

const std::vector<std::uint32_t>& Segment::rows_by_id() const {
    return sorted_.get([this] { return sorted_rows({}); });
}

std::int64_t Segment::row_of(std::int64_t wanted) const {
    if (wanted < 0 || wanted >= next_id_ || (!custom_ids() && wanted < first_id_)) return -1;
    if (!custom_ids() && positions_.empty()) return wanted - first_id_ < n() ? wanted - first_id_ : -1;
    const auto& rows = rows_by_id();
    const auto found = std::lower_bound(rows.begin(), rows.end(), wanted,
                                        [this](std::uint32_t row, std::int64_t value) { return id(row) < value; });
    return found != rows.end() && id(*found) == wanted ? std::int64_t{*found} : -1;
}

void Segment::order_ids(const Progress& progress) const {
    const bool ordered = !custom_ids() && positions_.empty();
    if (ordered || sorted_.made() != nullptr) return;
    sorted_.offer(std::make_unique<const std::vector<std::uint32_t>>(sorted_rows(progress)));
}

std::int64_t Segment::duplicate_id(const Progress& progress) const {
    if (!custom_ids()) return -1;
    order_ids(progress);
    const auto& rows = rows_by_id();
    const auto twice = std::adjacent_find(rows.begin(), rows.end(),
                                          [this](std::uint32_t x, std::uint32_t y) { return id(x) == id(y); });
    return twice == rows.end() ? -1 : id(*twice);
}

}  // namespace fewbits
