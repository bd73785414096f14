#include "index/labels.h"

#include <utility>

namespace fewbits {

LabelRuns::LabelRuns(const Parts& parts, const CodeLists& lists, std::uint32_t nlist) try
    : n_(lists.n()),
      rows_(parts.array<std::uint32_t>("rows", parts.count<std::uint32_t>("rows"))),
      values_(parts.array<std::int64_t>("values", rows_.size())) {
    std::size_t run = 0;
    const auto expect = [&](bool right) {
        if (!right)
            throw Error(ErrorKind::corrupt, "expected runs of rows that divide every list, with ascending labels; run "
                                                + std::to_string(run) + " of " + std::to_string(size()) + " is wrong");
    };
    for (std::uint32_t list = 0; list < nlist; ++list) {
        const std::uint32_t first = lists.first_row(list), end = first + lists.list_size(list);
        for (std::uint32_t row = first; row < end; ++run) {
            expect(run < size() && rows_[run] == row);
            expect(row < end_of(run) && end_of(run) <= end);
            expect(row == first || values_[run - 1] < values_[run]);
            row = end_of(run);
        }
    }
    expect(run == size());
} catch (const Error& error) {
    throw Error(error.kind(), std::string("labels: ") + error.what());
}

void LabelRunsBuilder::keep(const std::string& prefix, Parts& parts) {
    parts.arrays[prefix + ".rows"] = owned_array(std::exchange(rows_, {}));
    parts.arrays[prefix + ".values"] = owned_array(std::exchange(values_, {}));
}

}  // namespace fewbits
