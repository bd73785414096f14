#include "sparse/scan.h"

#include <algorithm>

#include "base/interrupt.h"

namespace fewbits::sparse {
namespace {

constexpr std::size_t ahead = 8;      // rows that are requested before they are read
constexpr std::size_t row_cost = 64;  // of a jump to a row, in postings added meanwhile

}  // namespace

Scan::Scan(const Snapshot& snapshot, const Query& query, const Bitmap& allowed, Scratch& scratch)
    : snapshot_(snapshot),
      query_(query),
      allowed_(allowed),
      sums_(scratch.sums),
      entries_(scratch.entries),
      windows_(scratch.windows),
      candidates_(scratch.candidates) {
    sums_.resize(window_rows);
    entries_.clear();
    windows_.clear();
    gather();
}

// The blocks of all terms, window by window.
void Scan::gather() {
    for (std::size_t s = 0; s < snapshot_.segments.size(); ++s) {
        const Postings& postings = snapshot_.segments[s]->postings();
        std::vector<std::span<const Postings::Block>> lists;
        std::vector<std::size_t> next(postings.windows() + 1);
        for (const Query::Term& term : query_.terms) {
            lists.push_back(postings.blocks(term.term));
            for (const Postings::Block& block : lists.back()) ++next[block.window + 1];
        }
        next[0] = entries_.size();
        for (std::size_t w = 0; w < postings.windows(); ++w) next[w + 1] += next[w];
        entries_.resize(next.back());
        const std::size_t known = windows_.size();
        for (std::uint32_t w = 0; w < postings.windows(); ++w) windows_.push_back({s, w, next[w], next[w + 1], 0});
        for (std::size_t t = 0; t < lists.size(); ++t)
            for (const Postings::Block& block : lists[t]) {
                const Entry entry{&block, query_.terms[t].weight};
                __builtin_prefetch(postings.rows(block));
                __builtin_prefetch(postings.codes(block));
                entries_[next[block.window]++] = entry;
                windows_[known + block.window].bound += entry.bound();
            }
    }
    std::sort(windows_.begin(), windows_.end(), [](const Window& x, const Window& y) {
        return x.bound != y.bound ? x.bound > y.bound : std::pair(x.segment, x.number) < std::pair(y.segment, y.number);
    });
}

void Scan::run(TopSums& top) {
    for (const Window& window : windows_) {
        if (window.bound < top.threshold()) return;
        scan(window, top);
        top.select();
    }
}

void Scan::scan(const Window& window, TopSums& top) {
    const Segment& segment = *snapshot_.segments[window.segment];
    const std::span<Entry> entries = std::span(entries_).subspan(window.first, window.last - window.first);
    std::sort(entries.begin(), entries.end(), [](const Entry& x, const Entry& y) { return x.bound() > y.bound(); });
    const std::uint32_t first = window.number * window_rows, rows = std::min(window_rows, segment.n() - first);
    const std::uint32_t global = snapshot_.first_rows[window.segment] + first;
    std::uint64_t rest = window.bound;  // what the lists that are not added yet can add
    std::size_t added = 0, left = 0;
    for (const Entry& entry : entries) left += entry.block->n;
    for (; added < entries.size() && rest >= top.threshold(); ++added) {
        const Entry& entry = entries[added];
        add(segment.postings(), entry);
        rest -= entry.bound();
        left -= entry.block->n;
        if (entry.block->n < left) raise(segment.postings(), entry, global, top);
    }
    const std::uint64_t least = top.threshold() > rest ? top.threshold() - rest : 1;
    select(segment.postings(), entries.first(added), rows, least);
    std::erase_if(candidates_, [&](const Candidate& each) { return !allowed_.test(global + each.row); });
    const auto others = entries.subspan(added);
    const auto by_scan = std::stable_partition(
        others.begin(), others.end(), [&](const Entry& entry) { return segment.postings().has_map(*entry.block); });
    for (auto entry = others.begin(); entry != others.end() && !candidates_.empty(); ++entry) {
        if (entry < by_scan) {
            look_up(segment.postings(), *entry);
        } else {
            if (rows_are_cheaper(segment, left, top.k()))
                return push_completed(segment.rows(), first, global, rest, top);
            add_to_candidates(segment.postings(), *entry);
        }
        rest -= entry->bound();
        left -= entry->block->n;
        keep_candidates(top, rest);
    }
    for (const Candidate& each : candidates_) top.push(each.sum, global + each.row);
}

// Raises the threshold to the k-th best of what is in `top` and of the sums so far of a list's rows: they can only
// grow.
void Scan::raise(const Postings& postings, const Entry& entry, std::uint32_t first_row, TopSums& top) const {
    TopSums known = top;
    const std::uint16_t* rows = postings.rows(*entry.block);
    for (std::size_t i = 0; i < entry.block->n; ++i)
        if (const std::uint32_t sum = sums_[rows[i]]; sum >= known.threshold())
            if (allowed_.test(first_row + rows[i])) known.push(sum, first_row + rows[i]);
    known.select();
    top.raise(known.threshold());
}

void Scan::add(const Postings& postings, const Entry& entry) {
    const std::uint16_t* rows = postings.rows(*entry.block);
    const std::uint8_t* codes = postings.codes(*entry.block);
    std::uint32_t* sums = sums_.data();
    for (std::size_t i = 0; i < entry.block->n; ++i) sums[rows[i]] += entry.weight * codes[i];
    poll(8 * std::size_t{entry.block->n});
}

// The rows of sums of at least `least`; all sums become zero.
void Scan::select(const Postings& postings, std::span<const Entry> added, std::uint32_t rows, std::uint64_t least) {
    candidates_.clear();
    const auto bar = static_cast<std::uint32_t>(std::min<std::uint64_t>(least, 0xffffffffu));
    std::uint32_t* sums = sums_.data();
    std::size_t touched = 0;
    for (const Entry& entry : added) touched += entry.block->n;
    if (touched < rows / 4) {
        for (const Entry& entry : added) {
            const std::uint16_t* own = postings.rows(*entry.block);
            for (std::size_t i = 0; i < entry.block->n; ++i) {
                const std::uint32_t sum = sums[own[i]];
                sums[own[i]] = 0;
                if (sum >= bar) candidates_.push_back({own[i], sum});  // once: the sum is zero from then on
            }
        }
        return;
    }
    constexpr std::uint32_t step = 16;
    for (std::uint32_t first = 0; first < rows; first += step) {
        std::uint32_t any = 0;
        for (std::uint32_t i = 0; i < step; ++i) any |= sums[first + i] >= bar;
        if (any == 0) continue;
        for (std::uint32_t row = first; row < first + step; ++row)
            if (sums[row] >= bar) candidates_.push_back({row, sums[row]});
    }
    std::fill_n(sums, rows, 0u);
}

// Whether to read the rest of the candidates' sums from the rows themselves, not from `postings` more of lists.
bool Scan::rows_are_cheaper(const Segment& segment, std::size_t postings, std::size_t k) const {
    const std::size_t per_row = segment.rows().size() / std::max(segment.n(), 1u);
    const std::size_t completed = std::min(candidates_.size(), k + candidates_.size() / 4);  // as a rule
    return completed * (row_cost + per_row) < postings;
}

// Pushes the candidates with their whole sums, those with the largest sums so far first: they leave less to complete.
void Scan::push_completed(const Rows& rows, std::uint32_t first_row, std::uint32_t global, std::uint64_t rest,
                          TopSums& top) {
    const auto first = static_cast<std::ptrdiff_t>(std::min(top.k(), candidates_.size()));
    std::nth_element(candidates_.begin(), candidates_.begin() + first, candidates_.end(),
                     [](const Candidate& x, const Candidate& y) { return x.sum > y.sum; });
    const auto push = [&](std::size_t from, std::size_t to) {
        const auto row = [&](std::size_t i) { return first_row + candidates_[i].row; };
        for (std::size_t i = from; i < std::min(from + 2 * ahead, to); ++i) rows.prefetch_place(row(i));
        for (std::size_t i = from; i < std::min(from + ahead, to); ++i) rows.prefetch(row(i));
        for (std::size_t i = from; i < to; ++i) {
            if (i + 2 * ahead < to) rows.prefetch_place(row(i + 2 * ahead));
            if (i + ahead < to) rows.prefetch(row(i + ahead));
            if (candidates_[i].sum + rest >= top.threshold())
                top.push(rows.dot(row(i), query_.weights), global + candidates_[i].row);
        }
    };
    const std::size_t best = static_cast<std::size_t>(first);
    push(0, best);
    top.select();
    keep_candidates(top, rest);  // if one of the best goes, so do all others
    if (best < candidates_.size()) push(best, candidates_.size());
    poll(16 * candidates_.size());
}

// Adds one more list to the sums of the candidates, from its map.
void Scan::look_up(const Postings& postings, const Entry& entry) {
    for (Candidate& each : candidates_) each.sum += entry.weight * postings.code(*entry.block, each.row);
    poll(8 * candidates_.size());
}

// Adds one more list to the sums of the candidates.
void Scan::add_to_candidates(const Postings& postings, const Entry& entry) {
    std::uint32_t* sums = sums_.data();
    for (const Candidate& each : candidates_) sums[each.row] = each.sum;
    const std::uint16_t* rows = postings.rows(*entry.block);
    const std::uint8_t* codes = postings.codes(*entry.block);
    for (std::size_t i = 0; i < entry.block->n; ++i) sums[rows[i]] += sums[rows[i]] > 0 ? entry.weight * codes[i] : 0;
    poll(8 * std::size_t{entry.block->n});
    for (Candidate& each : candidates_) {
        each.sum = sums[each.row];
        sums[each.row] = 0;
    }
}

// Leaves those whose sums can still reach the threshold. rest: what is to be added at most.
void Scan::keep_candidates(const TopSums& top, std::uint64_t rest) {
    std::erase_if(candidates_, [&](const Candidate& each) { return each.sum + rest < top.threshold(); });
}

}  // namespace fewbits::sparse
