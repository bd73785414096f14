// One bit per row: which rows are alive, or which a filter allows. The layout is that of scans (kernels.h: bit i is bit
// i % 8 of byte i / 8, and 8 readable bytes follow the last one); bits past the end are always zero.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace fewbits {

static_assert(std::endian::native == std::endian::little);

class Bitmap {
public:
    explicit Bitmap(std::size_t n = 0, bool value = false) { append(n, value); }

    std::size_t size() const noexcept { return n_; }
    bool test(std::size_t i) const noexcept { return (words_[i / 64] >> (i % 64) & 1) != 0; }
    void set(std::size_t i) noexcept { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
    void clear(std::size_t i) noexcept { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
    const std::uint8_t* data() const noexcept { return reinterpret_cast<const std::uint8_t*>(words_.data()); }

    void append(std::size_t n, bool value) {
        extend(n);
        if (value) set(n_ - n, n_);
    }
    // Copies bits begin..end of another bitmap.
    void append(const Bitmap& from, std::size_t begin, std::size_t end) {
        const std::size_t first = n_;
        extend(end - begin);
        set_from(from, begin, end, first);
    }
    // Sets bits begin..end.
    void set(std::size_t begin, std::size_t end) noexcept {
        for (std::size_t i = begin; i < end;) i += put(i, ~std::uint64_t{0}, end - i);
    }
    // Sets bit at + i for each bit begin + i that is set in begin..end of another bitmap.
    void set_from(const Bitmap& from, std::size_t begin, std::size_t end, std::size_t at) noexcept {
        for (std::size_t i = begin; i < end;) i += put(at + (i - begin), from.word(i), end - i);
    }
    // The number of set bits in begin..end.
    std::size_t count(std::size_t begin, std::size_t end) const noexcept {
        std::size_t sum = 0;
        for (std::size_t i = begin; i < end; i += 64)
            sum += static_cast<std::size_t>(std::popcount(word(i) & low_bits(end - i)));
        return sum;
    }
    // From the first set bit of begin..end to behind the last; an empty range if there is none.
    std::pair<std::size_t, std::size_t> hull(std::size_t begin, std::size_t end) const noexcept {
        std::pair<std::size_t, std::size_t> range{end, end};
        for (std::size_t i = begin; i < end; i += 64) {
            const std::uint64_t bits = word(i) & low_bits(end - i);
            if (bits == 0) continue;
            if (range.first == end) range.first = i + static_cast<std::size_t>(std::countr_zero(bits));
            range.second = i + 64 - static_cast<std::size_t>(std::countl_zero(bits));
        }
        return range;
    }
    // Calls body(i) for each set bit i of begin..end, ascending.
    template <class Body>
    void for_each(std::size_t begin, std::size_t end, Body body) const {
        for (std::size_t i = begin; i < end; i += 64)
            for (std::uint64_t left = word(i) & low_bits(end - i); left != 0; left &= left - 1)
                body(i + static_cast<std::size_t>(std::countr_zero(left)));
    }

private:
    static std::uint64_t low_bits(std::size_t n) noexcept {
        return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
    }
    // The 64 bits from bit i on.
    std::uint64_t word(std::size_t i) const noexcept {
        const std::size_t at = i / 64, shift = i % 64;
        return shift == 0 ? words_[at] : words_[at] >> shift | words_[at + 1] << (64 - shift);
    }
    // Adds the n low bits of `bits` to the bits from i on, where n is `limit` or fewer to end with the word;
    // returns n.
    std::size_t put(std::size_t i, std::uint64_t bits, std::size_t limit) noexcept {
        const std::size_t n = std::min(limit, 64 - i % 64);
        words_[i / 64] |= (bits & low_bits(n)) << (i % 64);
        return n;
    }
    void extend(std::size_t n) {
        words_.resize((n_ + n + 63) / 64 + 1);
        n_ += n;
    }

    std::vector<std::uint64_t> words_;  // one more than the bits require
    std::size_t n_ = 0;
};

}  // namespace fewbits
