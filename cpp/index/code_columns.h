// Codes and factors of entries in the order of arrival, with the list of each, which become the lists of a segment in
// place: a build holds its codes only once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/parts.h"
#include "base/progress.h"
#include "codec/codec.h"
#include "storage/append_buffer.h"

namespace fewbits {

class CodeColumns {
public:
    CodeColumns() = default;
    CodeColumns(const CodeLayout& layout, std::uint32_t nlist);

    void reserve(std::size_t n);
    void extend(std::size_t n);
    // A code in row form: its part for the blocks and the rest.
    void put(std::size_t entry, const std::uint8_t* code);
    Factors factors(std::size_t first);
    // Null if there is only one list.
    std::uint32_t* lists(std::size_t first) {
        return lists_.row_bytes() == 0 ? nullptr : lists_.as<std::uint32_t>() + first;
    }

    // The number of columns that `finish` orders, for progress.
    std::size_t columns() const;
    // The entries by list, and within a list in the order of `arrivals` (some or all entries). Fills lists (nlist + 1
    // first entries).
    std::vector<std::uint32_t> order_by_list(const std::vector<std::uint32_t>& arrivals,
                                             std::vector<std::uint64_t>& lists) const;
    // Adds the arrays of a CodeLists, named "<prefix>.<array>". order: as order_by_list returns it, of all entries.
    void finish(const std::vector<std::uint32_t>& order, std::vector<std::uint64_t> lists, const std::string& prefix,
                Parts& parts, ProgressCounter& steps);

private:
    void pack(const std::vector<std::uint64_t>& lists, ProgressCounter& steps);

    CodeLayout layout_;
    std::uint32_t nlist_ = 1;
    AppendBuffer codes_, rest_, a_, b_, stage_, lists_;
};

// Adds an array unless it is empty.
void keep_array(Parts& parts, const std::string& name, Array array);

}  // namespace fewbits
