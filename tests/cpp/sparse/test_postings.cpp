// Codes that are looked up in the maps of long blocks, beside the rows they come from.
#include <random>

#include "check.h"
#include "sparse/engine.h"

using namespace fewbits;

namespace {

TEST("sparse: maps of long blocks have the code of every row") {
    std::mt19937 random(1);
    const std::uint32_t n = sparse::window_rows + 9000;  // a whole window and a part of one
    std::vector<std::int64_t> offsets = {0};
    std::vector<std::uint32_t> terms;
    std::vector<float> values;
    for (std::uint32_t row = 0; row < n; ++row) {
        for (std::uint32_t term = 0; term < 4; ++term) {  // of all rows, of a half, of a quarter, of few
            if (term == 3 ? random() % 100 != 0 : random() % (1u << term) != 0) continue;
            terms.push_back(term);
            values.push_back(static_cast<float>(1 + random() % 255));
        }
        offsets.push_back(static_cast<std::int64_t>(terms.size()));
    }
    const auto index = sparse::Engine().added({offsets, terms, values}, {}, false);
    const sparse::Segment& segment = *index->snapshot().segments.at(0);
    const sparse::Postings& postings = segment.postings();
    std::size_t maps = 0;
    for (std::uint32_t term = 0; term < 4; ++term)
        for (const sparse::Postings::Block& block : postings.blocks(term)) {
            if (!postings.has_map(block)) continue;
            ++maps;
            const std::uint32_t first = block.window * sparse::window_rows;
            for (std::uint32_t row = first; row < std::min(first + sparse::window_rows, n); ++row) {
                std::uint32_t code = 0;
                for (std::size_t i = segment.rows().begin(row); i < segment.rows().end(row); ++i)
                    if (segment.rows().term(i) == term) code = segment.rows().code(i);
                if (postings.code(block, row - first) != code) CHECK_EQ(postings.code(block, row - first), code);
            }
        }
    CHECK_EQ(maps, 5u);  // two windows of all rows, two of a half, one of a quarter
}

}  // namespace
