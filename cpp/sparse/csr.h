// Sparse vectors as they come from outside: the terms of row i are terms[offsets[i] .. offsets[i + 1]), ascending.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fewbits::sparse {

inline constexpr std::uint32_t max_terms = 1u << 24;  // of a vocabulary

struct CsrView {
    std::span<const std::int64_t> offsets;  // n + 1
    std::span<const std::uint32_t> terms;
    std::span<const float> values;

    std::size_t rows() const { return offsets.size() - 1; }
};

// A copy that nobody else can change, checked: offsets ascend from 0 to the number of terms, terms of a row ascend
// strictly, and values lie in 1e-30..1e30. `name` is that of the argument, for errors.
class Csr {
public:
    Csr(const CsrView& given, const char* name);

    std::size_t rows() const { return offsets_.size() - 1; }
    std::size_t begin(std::size_t row) const { return offsets_[row]; }
    std::size_t end(std::size_t row) const { return offsets_[row + 1]; }
    std::uint32_t term(std::size_t i) const { return terms_[i]; }
    float value(std::size_t i) const { return values_[i]; }
    std::size_t size() const { return terms_.size(); }

private:
    std::vector<std::size_t> offsets_;
    std::vector<std::uint32_t> terms_;
    std::vector<float> values_;
};

}  // namespace fewbits::sparse
