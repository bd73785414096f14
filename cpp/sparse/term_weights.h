// The weights of a query by term: a hash table that stays in the nearest cache, whatever the vocabulary.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sparse/csr.h"

namespace fewbits::sparse {

class TermWeights {
public:
    explicit TermWeights(std::size_t terms)
        : shift_(32u - static_cast<unsigned>(std::bit_width(std::min<std::size_t>(spread * terms, max_slots) | 15))),
          slots_(std::size_t{1} << (32 - shift_), Slot{none, 0}) {}

    // Terms that are not there yet, at most as many as the table was made for.
    void put(std::uint32_t term, std::uint32_t weight) { slots_[find(term)] = {term, weight}; }
    // 0 for other terms.
    std::uint32_t operator[](std::uint32_t term) const { return slots_[find(term)].weight; }

private:
    static constexpr std::uint32_t none = max_terms;  // no term
    static constexpr std::size_t spread = 16;         // slots per term, so that few terms meet at a slot
    static constexpr std::size_t max_slots = 2 * std::size_t{max_terms} - 1;

    struct Slot {
        std::uint32_t term;
        std::uint32_t weight;
    };

    std::size_t find(std::uint32_t term) const {
        std::size_t slot = (term * 2654435769u) >> shift_;  // Fibonacci hashing
        while ((slots_[slot].term != term) & (slots_[slot].term != none)) slot = (slot + 1) & (slots_.size() - 1);
        return slot;
    }

    unsigned shift_;
    std::vector<Slot> slots_;
};

}  // namespace fewbits::sparse
