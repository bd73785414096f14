#include "sparse/postings.h"

#include <algorithm>
#include <numeric>

#include "base/interrupt.h"

namespace fewbits::sparse {

Postings::Postings(const Rows& rows)
    : windows_(rows.n() / window_rows + (rows.n() % window_rows != 0)), rows_(rows.size()), codes_(rows.size()) {
    std::vector<std::size_t> next;  // place of a term's next posting
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows.term(i) + 2 > next.size()) next.resize(rows.term(i) + 2);
        ++next[rows.term(i) + 1];
    }
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<std::size_t> open(next.size());  // a term's newest block, by its number + 1
    std::vector<Block> made;
    std::vector<std::uint32_t> term_of;
    for (std::uint32_t row = 0; row < rows.n(); ++row) {
        poll(32 * (rows.end(row) - rows.begin(row)));
        for (std::size_t i = rows.begin(row); i < rows.end(row); ++i) {
            const std::uint32_t term = rows.term(i), window = row / window_rows;
            const std::size_t place = next[term]++;
            rows_[place] = static_cast<std::uint16_t>(row % window_rows);
            codes_[place] = rows.code(i);
            if (open[term] == 0 || made[open[term] - 1].window != window) {
                made.push_back({place, window, none, 0, 0});
                term_of.push_back(term);
                open[term] = made.size();
            }
            Block& block = made[open[term] - 1];
            ++block.n;
            block.max_code = std::max(block.max_code, rows.code(i));
        }
    }
    std::vector<std::size_t> order(made.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t x, std::size_t y) { return made[x].first < made[y].first; });
    for (const std::size_t i : order) {
        if (terms_.empty() || terms_.back() != term_of[i]) {
            terms_.push_back(term_of[i]);
            first_blocks_.push_back(blocks_.size());
        }
        blocks_.push_back(made[i]);
    }
    first_blocks_.push_back(blocks_.size());
    make_maps();
    if (terms_.empty() || terms_.back() / 4 > terms_.size()) return;
    place_of_.resize(terms_.back() + std::size_t{1}, static_cast<std::uint32_t>(terms_.size()));
    for (std::size_t at = 0; at < terms_.size(); ++at) place_of_[terms_[at]] = static_cast<std::uint32_t>(at);
}

void Postings::make_maps() {
    std::uint32_t made = 0;
    for (const Block& block : blocks_) made += block.n >= long_block;
    bits_.resize(std::size_t{made} * parts);
    ends_.resize(bits_.size());
    made = 0;
    for (Block& block : blocks_) {
        if (block.n < long_block) continue;
        block.map = made++;
        for (std::size_t i = 0; i < block.n; ++i) {
            const std::size_t row = rows(block)[i], part = block.map * parts + row / 64;
            bits_[part] |= std::uint64_t{1} << (row % 64);
            ends_[part] = static_cast<std::uint16_t>(i + 1);
        }
        poll(block.n);
    }
}

std::size_t Postings::place_of(std::uint32_t term) const {
    if (!place_of_.empty()) return term < place_of_.size() ? place_of_[term] : terms_.size();
    const auto found = std::lower_bound(terms_.begin(), terms_.end(), term);
    return found == terms_.end() || *found != term ? terms_.size() : static_cast<std::size_t>(found - terms_.begin());
}

std::span<const Postings::Block> Postings::blocks(std::uint32_t term) const {
    const std::size_t at = place_of(term);
    if (at == terms_.size()) return {};
    return std::span(blocks_).subspan(first_blocks_[at], first_blocks_[at + 1] - first_blocks_[at]);
}

std::size_t Postings::bytes() const {
    return rows_.size() * sizeof(std::uint16_t) + codes_.size() + blocks_.size() * sizeof(Block)
           + terms_.size() * (sizeof(std::uint32_t) + sizeof(std::size_t)) + place_of_.size() * sizeof(std::uint32_t)
           + bits_.size() * sizeof(std::uint64_t) + ends_.size() * sizeof(std::uint16_t);
}

}  // namespace fewbits::sparse
