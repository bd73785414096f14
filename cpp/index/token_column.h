// The tokens of each row: a set of any number of coded vectors. Segments store them as another column; their meaning is
// defined in cpp/multivector.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/parts.h"
#include "base/progress.h"
#include "codec/code_set.h"
#include "storage/append_buffer.h"
#include "storage/spill.h"

namespace fewbits {

// Sets by row. The set of a removed row may be empty.
class TokenRows {
public:
    virtual ~TokenRows() = default;
    virtual CodeSet operator[](std::size_t row) const = 0;
};

// Sets in row order, in RAM or mapped.
class TokenColumn final : public TokenRows {
public:
    // Arrays "lists" (u64, the first token of each row, and one more), "codes" and "a"; every length is checked.
    TokenColumn(const CodeLayout& layout, const Parts& parts, std::size_t rows);

    CodeSet operator[](std::size_t row) const override {
        return {codes_.data() + code_offsets_[row], a_.empty() ? nullptr : a_.data() + lists_[row],
                static_cast<std::uint32_t>(lists_[row + 1] - lists_[row])};
    }
    std::span<const std::byte> codes() const { return std::as_bytes(codes_); }

private:
    Parts parts_;  // keeps the arrays alive
    std::span<const std::uint64_t> lists_;
    std::span<const std::uint8_t> codes_;
    std::span<const float> a_;
    std::vector<std::size_t> code_offsets_;
};

// Collects sets row by row.
class TokenColumnBuilder {
public:
    // directory: for a nameless file of the codes; empty: codes are kept in memory.
    TokenColumnBuilder(const CodeLayout& layout, const std::string& directory);

    void append(const CodeSets& sets);
    void append(const CodeSet& set);
    std::size_t size() const { return rows_; }
    std::size_t tokens() const { return tokens_; }
    Parts finish();  // the parts of a TokenColumn; ends the builder

private:
    void put(std::span<const std::uint8_t> codes, std::span<const float> a);
    void end_row(std::uint32_t tokens);
    void flush();

    CodeLayout layout_;
    std::unique_ptr<io::Spill> spill_;
    std::vector<std::uint8_t> unspilled_;
    AppendBuffer codes_{1}, a_{sizeof(float)}, lists_{sizeof(std::uint64_t)};
    std::size_t code_bytes_ = 0, factors_ = 0, tokens_ = 0, rows_ = 0;
};

// The column whose row i is set_of(i). One step per row and per token.
template <class SetOf>
Parts gathered_tokens(const CodeLayout& layout, const std::string& directory, std::size_t rows, ProgressCounter& steps,
                      const SetOf& set_of) {
    TokenColumnBuilder column(layout, directory);
    for (std::size_t i = 0; i < rows; ++i) {
        const CodeSet set = set_of(i);
        column.append(set);
        steps.add(std::size_t{1} + set.n);
    }
    return column.finish();
}

}  // namespace fewbits
