#include "index/code_columns.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "blocks/blocks.h"

namespace fewbits {

CodeColumns::CodeColumns(const CodeLayout& layout, std::uint32_t nlist)
    : layout_(layout),
      nlist_(nlist),
      codes_(layout.block_part_bytes()),
      rest_(layout.rest_bytes),
      a_(layout.has_a ? sizeof(float) : 0),
      b_(layout.has_b ? sizeof(float) : 0),
      stage_(layout.has_stage ? sizeof(float) : 0),
      lists_(nlist == 1 ? 0 : sizeof(std::uint32_t)) {}

void CodeColumns::reserve(std::size_t n) {
    for (AppendBuffer* column : {&codes_, &rest_, &a_, &b_, &stage_, &lists_}) column->reserve(n);
}

void CodeColumns::extend(std::size_t n) {
    for (AppendBuffer* column : {&codes_, &rest_, &a_, &b_, &stage_, &lists_}) column->extend(n);
}

void CodeColumns::put(std::size_t entry, const std::uint8_t* code) {
    std::copy_n(code, layout_.block_part_bytes(), codes_.row(entry));
    if (layout_.rest_bytes > 0) std::copy_n(code + layout_.block_part_bytes(), layout_.rest_bytes, rest_.row(entry));
}

Factors CodeColumns::factors(std::size_t first) {
    const auto at = [first](AppendBuffer& column) {
        return column.row_bytes() == 0 ? nullptr : column.as<float>() + first;
    };
    return {at(a_), at(b_), at(stage_)};
}

std::size_t CodeColumns::columns() const {
    const auto has = [](const AppendBuffer& column) { return std::size_t{column.row_bytes() > 0}; };
    return has(codes_) + has(rest_) + has(a_) + has(b_) + has(stage_);
}

std::vector<std::uint32_t> CodeColumns::order_by_list(const std::vector<std::uint32_t>& arrivals,
                                                      std::vector<std::uint64_t>& lists) const {
    if (nlist_ == 1) {
        lists = {0, arrivals.size()};
        return arrivals;
    }
    std::vector<std::uint32_t> order(arrivals.size());
    const auto* list = lists_.as<std::uint32_t>();
    lists.assign(std::size_t{nlist_} + 1, 0);
    for (const std::uint32_t entry : arrivals) ++lists[list[entry] + 1];
    std::partial_sum(lists.begin(), lists.end(), lists.begin());
    std::vector<std::uint64_t> next(lists.begin(), lists.end() - 1);
    for (const std::uint32_t entry : arrivals) order[next[list[entry]]++] = entry;
    return order;
}

// Rows become blocks in place. Blocks never take more room than their rows, but for short ones of an odd number of
// 4-bit codes: the rows first move up by the sum of those excesses.
void CodeColumns::pack(const std::vector<std::uint64_t>& lists, ProgressCounter& steps) {
    const std::size_t row_bytes = layout_.block_part_bytes();
    const auto bytes = [this](std::uint64_t n) {
        return kernels::blocks_bytes(layout_.element_bits, layout_.elements, n);
    };
    std::size_t packed = 0, excess = 0;
    for (std::size_t list = 0; list + 1 < lists.size(); ++list) {
        packed += bytes(lists[list + 1] - lists[list]);
        excess = std::max(excess, packed - std::min(packed, lists[list + 1] * row_bytes));
    }
    codes_.reserve_bytes(lists.back() * row_bytes + excess);
    std::uint8_t* rows = codes_.data() + excess;
    std::memmove(rows, codes_.data(), lists.back() * row_bytes);
    std::vector<std::uint8_t> block_rows(kernels::block_size * row_bytes);
    std::uint8_t* out = codes_.data();
    for (std::size_t list = 0; list + 1 < lists.size(); ++list) {
        for (std::uint64_t row = lists[list]; row < lists[list + 1]; row += kernels::block_size) {
            const auto vectors =
                static_cast<std::uint32_t>(std::min<std::uint64_t>(kernels::block_size, lists[list + 1] - row));
            std::memcpy(block_rows.data(), rows + row * row_bytes, vectors * row_bytes);
            pack_block(block_rows.data(), row_bytes, layout_.element_bits, layout_.elements, vectors, out);
            out += bytes(vectors);
            steps.add(vectors);
        }
    }
}

void CodeColumns::finish(const std::vector<std::uint32_t>& order, std::vector<std::uint64_t> lists,
                         const std::string& prefix, Parts& parts, ProgressCounter& steps) {
    (void)lists_.take(DType::u32, 0);
    if (!std::is_sorted(order.begin(), order.end()))
        for (AppendBuffer* column : {&codes_, &rest_, &a_, &b_, &stage_}) column->permute(order, steps);
    pack(lists, steps);
    std::size_t codes_bytes = 0;
    for (std::size_t list = 0; list + 1 < lists.size(); ++list)
        codes_bytes += kernels::blocks_bytes(layout_.element_bits, layout_.elements, lists[list + 1] - lists[list]);
    const std::size_t n = order.size();
    keep_array(parts, prefix + ".codes", codes_.take(DType::u8, codes_bytes));
    keep_array(parts, prefix + ".rest", rest_.take(DType::u8, n * layout_.rest_bytes));
    keep_array(parts, prefix + ".a", a_.take(DType::f32, n * a_.row_bytes()));
    keep_array(parts, prefix + ".b", b_.take(DType::f32, n * b_.row_bytes()));
    keep_array(parts, prefix + ".stage", stage_.take(DType::f32, n * stage_.row_bytes()));
    keep_array(parts, prefix + ".lists", owned_array(std::move(lists)));
}

void keep_array(Parts& parts, const std::string& name, Array array) {
    if (!array.bytes.empty()) parts.arrays[name] = std::move(array);
}

}  // namespace fewbits
