#include "index/token_column.h"

#include <algorithm>
#include <cstring>

#include "base/row_count.h"

namespace fewbits {
namespace {

constexpr std::size_t spilled_at_once = std::size_t{1} << 20;

void check_lists(std::span<const std::uint64_t> lists) {
    if (lists.front() != 0) corrupt("array 'lists': expected to start with 0");
    for (std::size_t i = 1; i < lists.size(); ++i) {
        if (lists[i] < lists[i - 1])
            corrupt("array 'lists': expected ascending token numbers, got another in row " + std::to_string(i - 1));
        row_count(lists[i] - lists[i - 1], "array 'lists'", ErrorKind::corrupt);
    }
}

}  // namespace

TokenColumn::TokenColumn(const CodeLayout& layout, const Parts& parts, std::size_t rows) try : parts_(parts) {
    lists_ = parts_.array<std::uint64_t>("lists", rows + 1);
    check_lists(lists_);
    code_offsets_.resize(rows + 1);
    for (std::size_t i = 0; i < rows; ++i)
        code_offsets_[i + 1] = checked_add(code_offsets_[i], code_set_bytes(layout, lists_[i + 1] - lists_[i]));
    codes_ = parts_.array<std::uint8_t>("codes", code_offsets_.back());
    a_ = parts_.array<float>("a", layout.has_a ? lists_.back() : 0);
} catch (const Error& error) {
    throw Error(error.kind(), std::string("tokens: ") + error.what());
}

TokenColumnBuilder::TokenColumnBuilder(const CodeLayout& layout, const std::string& directory) : layout_(layout) {
    if (!directory.empty()) spill_ = std::make_unique<io::Spill>(directory, 1);
    lists_.extend(1);
    *lists_.as<std::uint64_t>() = 0;
}

void TokenColumnBuilder::append(const CodeSets& sets) {
    put(sets.codes, sets.a);
    for (const std::uint32_t tokens : sets.counts) end_row(tokens);
}

void TokenColumnBuilder::append(const CodeSet& set) {
    const std::size_t factors = set.a == nullptr ? 0 : set.n;
    put({set.codes, code_set_bytes(layout_, set.n)}, {set.a, factors});
    end_row(set.n);
}

void TokenColumnBuilder::put(std::span<const std::uint8_t> codes, std::span<const float> a) {
    if (spill_) {
        unspilled_.insert(unspilled_.end(), codes.begin(), codes.end());
        if (unspilled_.size() >= spilled_at_once) flush();
    } else if (!codes.empty()) {
        codes_.extend(code_bytes_ + codes.size());
        std::memcpy(codes_.row(code_bytes_), codes.data(), codes.size());
    }
    code_bytes_ += codes.size();
    if (a.empty()) return;
    a_.extend(factors_ + a.size());
    std::memcpy(a_.row(factors_), a.data(), a.size_bytes());
    factors_ += a.size();
}

void TokenColumnBuilder::end_row(std::uint32_t tokens) {
    lists_.extend(rows_ + 2);
    tokens_ += tokens;
    lists_.as<std::uint64_t>()[++rows_] = tokens_;
}

void TokenColumnBuilder::flush() {
    spill_->append(unspilled_);
    unspilled_.clear();
}

Parts TokenColumnBuilder::finish() {
    Parts parts;
    const auto keep = [&parts](const char* name, Array array) {
        if (!array.bytes.empty()) parts.arrays[name] = std::move(array);
    };
    if (spill_) flush();
    keep("lists", lists_.take(DType::u64, (rows_ + 1) * sizeof(std::uint64_t)));
    keep("codes", spill_ ? spill_->map() : codes_.take(DType::u8, code_bytes_));
    keep("a", a_.take(DType::f32, factors_ * sizeof(float)));
    for (auto& [name, array] : parts.arrays) array.bulk = name != "lists";
    return parts;
}

}  // namespace fewbits
