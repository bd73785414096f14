#include "sparse/rows.h"

#include <algorithm>
#include <cmath>

#include "base/interrupt.h"
#include "base/row_count.h"

namespace fewbits::sparse {
namespace {

std::uint8_t encoded(float value, float scale) {
    return static_cast<std::uint8_t>(std::clamp(std::nearbyint(value / scale), 1.0f, 255.0f));
}

Array bulk(Array array) {
    array.bulk = true;
    return array;
}

}  // namespace

void learn_scales(const Csr& x, Scales& scales) {
    std::vector<float> largest;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (x.term(i) >= largest.size()) largest.resize(x.term(i) + 1);
        largest[x.term(i)] = std::max(largest[x.term(i)], x.value(i));
    }
    if (scales.size() < largest.size()) scales.resize(largest.size());
    for (std::size_t term = 0; term < largest.size(); ++term)
        if (scales[term] == 0) scales[term] = largest[term] / 255;
}

Rows::Rows(Parts parts, const Scales& scales) : parts_(std::move(parts)) {
    offsets_ = parts_.array<std::uint64_t>("rows", parts_.count<std::uint64_t>("rows"));
    if (offsets_.empty() || offsets_.front() != 0) corrupt("array 'rows': expected offsets from 0 on");
    row_count(offsets_.size() - 1, "array 'rows'", ErrorKind::corrupt);
    const auto size = static_cast<std::size_t>(offsets_.back());
    if (parts_.has("terms") && parts_.arrays.at("terms").dtype == DType::u16)
        narrow_ = parts_.array<std::uint16_t>("terms", size);
    else
        wide_ = parts_.array<std::uint32_t>("terms", size);
    codes_ = parts_.array<std::uint8_t>("codes", size);
    for (std::size_t row = 0; row + 1 < offsets_.size(); ++row) {
        if (offsets_[row] > offsets_[row + 1] || offsets_[row + 1] > size)
            corrupt("array 'rows': expected ascending offsets");
        for (std::size_t i = begin(row); i < end(row); ++i) {
            const bool ascends = i == begin(row) || term(i - 1) < term(i);
            if (!ascends || term(i) >= scales.size() || scales[term(i)] == 0)
                corrupt("array 'terms': expected ascending terms that have a scale");
        }
    }
    if (std::find(codes_.begin(), codes_.end(), std::uint8_t{0}) != codes_.end())
        corrupt("array 'codes': expected codes above 0");
}

void RowsBuilder::append(const Csr& x, const Scales& scales) {
    for (std::size_t row = 0; row < x.rows(); ++row) {
        for (std::size_t i = x.begin(row); i < x.end(row); ++i) {
            terms_.push_back(x.term(i));
            codes_.push_back(encoded(x.value(i), scales[x.term(i)]));
        }
        offsets_.push_back(terms_.size());
        poll(16 * (x.end(row) - x.begin(row)));
    }
}

void RowsBuilder::append(const Rows& rows, std::size_t row) {
    for (std::size_t i = rows.begin(row); i < rows.end(row); ++i) {
        terms_.push_back(rows.term(i));
        codes_.push_back(rows.code(i));
    }
    offsets_.push_back(terms_.size());
    poll(16 * (rows.end(row) - rows.begin(row)));
}

Parts RowsBuilder::finish() {
    Parts parts;
    const bool narrow = std::all_of(terms_.begin(), terms_.end(), [](std::uint32_t term) { return term < 1u << 16; });
    parts.arrays["terms"] = bulk(narrow ? owned_array(std::vector<std::uint16_t>(terms_.begin(), terms_.end()))
                                        : owned_array(std::move(terms_)));
    parts.arrays["rows"] = owned_array(std::move(offsets_));
    parts.arrays["codes"] = bulk(owned_array(std::move(codes_)));
    return parts;
}

}  // namespace fewbits::sparse
