#include "index/segment.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/progress.h"
#include "blocks/blocks.h"

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

void check_lists(std::span<const std::uint64_t> lists, std::uint64_t n) {
    if (lists.front() != 0 || lists.back() != n || !std::is_sorted(lists.begin(), lists.end()))
        throw Error(ErrorKind::corrupt,
                    "array 'lists': expected ascending row numbers from 0 to n = " + std::to_string(n));
}

}  // namespace

Segment::Segment(const Model& model, const Parts& parts, const std::string& prefix, const OldTokens* old) try
    : parts_(parts.under(prefix)) {
    parts_.arrays.erase("removed");  // part of the snapshot, as it changes
    for (auto& [name, array] : parts_.arrays) array.bulk = !name.ends_with("lists");  // search relies on lists
    n_ = static_cast<std::uint32_t>(parts_.param("n", 0, max_rows));
    first_id_ = static_cast<std::int64_t>(parts_.param("first_id", 0, max_first_id));
    const std::uint32_t nlist = model.partition->nlist();
    lists_ = parts_.array<std::uint64_t>("lists", std::size_t{nlist} + 1);
    check_lists(lists_, n_);

    const CodeLayout layout = model.codec->layout();
    code_offsets_.resize(std::size_t{nlist} + 1);
    for (std::uint32_t list = 0; list < nlist; ++list)
        code_offsets_[list + 1] = checked_add(
            code_offsets_[list], kernels::blocks_bytes(layout.element_bits, layout.elements, list_size(list)));
    codes_ = parts_.array<std::uint8_t>("codes", code_offsets_.back());
    rest_ = parts_.array<std::uint8_t>("rest", checked_mul(n_, layout.rest_bytes));
    a_ = parts_.array<float>("a", layout.has_a ? n_ : 0);
    b_ = parts_.array<float>("b", layout.has_b ? n_ : 0);
    stage_ = parts_.array<float>("stage", layout.has_stage ? n_ : 0);

    const auto ids = parts_.arrays.find("ids");
    if (ids != parts_.arrays.end() && ids->second.dtype == DType::i64)
        custom_ids_ = parts_.array<std::int64_t>("ids", n_);
    else if (ids != parts_.arrays.end())
        positions_ = parts_.array<std::uint32_t>("ids", n_);
    next_id_ = first_id_ + n_;
    if (parts_.params.contains("next_id") || custom_ids())
        next_id_ = static_cast<std::int64_t>(parts_.param("next_id", 0, max_first_id + max_rows));

    if (model.rerank) {
        const CodeLayout finer = model.rerank->layout();
        rerank_.stride = finer.row_bytes();
        rerank_rows_ = parts_.array<std::uint8_t>("rerank", checked_mul(n_, rerank_.stride));
        rerank_.base = rerank_rows_.data();
        if (finer.has_a) rerank_.a = parts_.array<float>("rerank_a", n_).data();
        if (finer.has_b) rerank_.b = parts_.array<float>("rerank_b", n_).data();
    }
    if (model.tokens && old)
        tokens_ = old->rows(n_, [this](std::uint32_t row) { return id(row); });
    else if (model.tokens)
        tokens_ = std::make_shared<TokenColumn>(model.tokens->layout(), parts_.under("tokens"), n_);
} catch (const Error& error) {
    throw Error(error.kind(), prefix + ": " + error.what());
}

std::uint32_t Segment::list_of(std::uint32_t row) const {
    return static_cast<std::uint32_t>(std::upper_bound(lists_.begin(), lists_.end(), row) - lists_.begin() - 1);
}

std::vector<std::uint32_t> Segment::sorted_rows(const Progress& progress) const {
    std::vector<std::uint32_t> rows(n_);
    std::iota(rows.begin(), rows.end(), 0u);
    sort_in_steps(rows, progress, [this](std::uint32_t x, std::uint32_t y) { return id(x) < id(y); });
    return rows;
}

const std::vector<std::uint32_t>& Segment::rows_by_id() const {
    return sorted_.get([this] { return sorted_rows({}); });
}

std::int64_t Segment::row_of(std::int64_t wanted) const {
    if (wanted < 0 || wanted >= next_id_ || (!custom_ids() && wanted < first_id_)) return -1;
    if (!custom_ids() && positions_.empty()) return wanted - first_id_ < n_ ? wanted - first_id_ : -1;
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

void Segment::block_part(const CodeLayout& layout, std::uint32_t row, std::uint8_t* out) const {
    const std::uint32_t list = list_of(row);
    const BlockPlace place =
        place_in_list(list_codes(list), layout.element_bits, layout.elements, list_size(list), row - first_row(list));
    unpack_row(place.block, layout.element_bits, layout.elements, place.vectors, place.v, out);
}

void Segment::code(const Model& model, std::uint32_t row, std::uint8_t* out) const {
    const CodeLayout layout = model.codec->layout();
    block_part(layout, row, out);
    std::copy_n(rest_.data() + std::size_t{row} * layout.rest_bytes, layout.rest_bytes,
                out + layout.block_part_bytes());
}

}  // namespace fewbits
