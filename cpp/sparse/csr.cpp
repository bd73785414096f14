#include "sparse/csr.h"

#include <string>

#include "base/error.h"

namespace fewbits::sparse {

Csr::Csr(const CsrView& given, const char* name)
    : offsets_(given.offsets.begin(), given.offsets.end()),
      terms_(given.terms.begin(), given.terms.end()),
      values_(given.values.begin(), given.values.end()) {
    const std::string what = std::string(name) + ": ";
    if (offsets_.empty() || offsets_.front() != 0 || offsets_.back() != terms_.size()
        || terms_.size() != values_.size())
        fail(what + "expected offsets from 0 to the number of terms, and as many values");
    for (std::size_t row = 0; row < rows(); ++row) {
        if (offsets_[row] > offsets_[row + 1] || offsets_[row + 1] > terms_.size())
            fail(what + "expected ascending offsets");
        for (std::size_t i = offsets_[row]; i < offsets_[row + 1]; ++i) {
            const bool ascends = i == offsets_[row] || terms_[i - 1] < terms_[i];
            if (terms_[i] >= max_terms || !ascends)
                fail(what + "expected ascending terms below 2^24, got " + std::to_string(terms_[i]) + " in row "
                     + std::to_string(row));
            if (!(values_[i] >= 1e-30f && values_[i] <= 1e30f))
                fail(what + "expected values of 1e-30 to 1e30, got " + std::to_string(values_[i]) + " in row "
                     + std::to_string(row));
        }
    }
}

}  // namespace fewbits::sparse
