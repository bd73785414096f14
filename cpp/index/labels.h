// Labels of a segment's rows. In every list rows are ordered by label, so that the rows of a label are one run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "index/code_lists.h"

namespace fewbits {

class LabelRuns {
public:
    // Arrays "rows" (the first row of each run) and "values" (its label). Throws unless every list is divided into runs
    // whose labels ascend.
    LabelRuns(const Parts& parts, const CodeLists& lists, std::uint32_t nlist);

    std::size_t size() const { return rows_.size(); }
    std::int64_t of(std::uint32_t row) const { return values_[run_of(row)]; }

    // Calls body(begin, end, label) for the runs of rows first .. end - 1, which are in one list.
    template <class Body>
    void each(std::uint32_t first, std::uint32_t end, Body body) const {
        for (std::size_t run = first < end ? run_of(first) : size(); run < size() && rows_[run] < end; ++run)
            body(std::max(first, rows_[run]), std::min(end, end_of(run)), values_[run]);
    }
    // Calls body(begin, end) for those whose label is one of `labels`, which ascend.
    template <class Body>
    void each_of(std::span<const std::int64_t> labels, std::uint32_t first, std::uint32_t end, Body body) const {
        if (first == end) return;
        const std::size_t low = run_of(first), high = run_of(end - 1) + 1;
        const auto cut = [&](std::size_t run) { body(std::max(first, rows_[run]), std::min(end, end_of(run))); };
        if (labels.size() > high - low) {
            for (std::size_t run = low; run < high; ++run)
                if (std::binary_search(labels.begin(), labels.end(), values_[run])) cut(run);
            return;
        }
        const std::span<const std::int64_t> own = values_.subspan(low, high - low);
        for (const std::int64_t label : labels) {
            const auto found = std::lower_bound(own.begin(), own.end(), label);
            if (found != own.end() && *found == label) cut(low + static_cast<std::size_t>(found - own.begin()));
        }
    }

private:
    std::size_t run_of(std::uint32_t row) const {
        return static_cast<std::size_t>(std::upper_bound(rows_.begin(), rows_.end(), row) - rows_.begin()) - 1;
    }
    std::uint32_t end_of(std::size_t run) const { return run + 1 < size() ? rows_[run + 1] : n_; }

    std::uint32_t n_;
    std::span<const std::uint32_t> rows_;
    std::span<const std::int64_t> values_;
};

// The runs of rows whose labels are given in the order of the rows.
class LabelRunsBuilder {
public:
    void begin_list() { fresh_ = true; }
    void add(std::uint32_t row, std::int64_t label) {
        if (fresh_ || values_.back() != label) {
            rows_.push_back(row);
            values_.push_back(label);
        }
        fresh_ = false;
    }
    const std::vector<std::uint32_t>& rows() const { return rows_; }
    // Adds the arrays of LabelRuns, named "<prefix>.<array>"; this builder is empty afterwards.
    void keep(const std::string& prefix, Parts& parts);

private:
    std::vector<std::uint32_t> rows_;
    std::vector<std::int64_t> values_;
    bool fresh_ = true;
};

}  // namespace fewbits
