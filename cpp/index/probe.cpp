#include "index/probe.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/parallel.h"
#include "blocks/top_k.h"
#include "index/prepared_queries.h"

namespace fewbits {
namespace {

using Probe = Partition::Probe;

constexpr double min_packed = 4096;        // so few vectors are always packed, as scanning them is cheap
constexpr double max_packed_share = 1;     // relative to a search without filter; packed vectors are cheaper to scan
constexpr double max_copied_share = 0.25;  // of all vectors, as copies take memory
constexpr double copying = 50;             // vectors scanned in the time needed to copy one

// How much more is scanned if the lists nearest to a query have no allowed rows. The allowed rows are then far away,
// where the order of lists says less about the order of their vectors. Both are measured by bench/filters.py.
constexpr double far_growth = 9;
constexpr double slower = 0.65;  // if a share s is allowed, s^(slower - 1) times as many vectors are scanned

// Number of vectors that a search without filter scans.
double read_unfiltered(const Snapshot& snapshot, std::uint32_t nprobe) {
    const std::uint32_t nlist = snapshot.model->partition->nlist();
    return double{1.0} * std::min(nprobe, nlist) * snapshot.n() / nlist;
}

// All lists, taken in order of distance.
class Ranking {
public:
    // near: about how many will be taken.
    void reset(const float* scores, std::uint32_t nlist, std::size_t near) {
        lists_.resize(nlist);
        for (std::uint32_t list = 0; list < nlist; ++list) lists_[list] = {list, scores[list]};
        taken_ = 0;
        selected_ = 0;
        near_ = near;
    }
    std::size_t taken() const { return taken_; }
    bool empty() const { return taken_ == lists_.size(); }

    // The nearest `count` of the lists not taken yet (or all of them), in no particular order.
    std::span<Hit> take(std::size_t count) {
        const std::span<Hit> left = std::span(lists_).subspan(taken_);
        count = std::min(count, left.size());
        if (taken_ + count > selected_) {
            selected_ = std::min(lists_.size(), std::max({taken_ + count, near_, 2 * selected_}));
            select_best(left, selected_ - taken_);
        }
        select_best(left.first(selected_ - taken_), count);
        taken_ += count;
        return left.first(count);
    }

private:
    std::vector<Hit> lists_;
    std::size_t taken_ = 0, selected_ = 0, near_ = 0;  // the first selected_ lists are the nearest
};

// Chooses lists for one query at a time: the nearest ones with allowed rows, until these are enough.
class Choice {
public:
    Choice(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe, std::size_t wanted)
        : snapshot_(snapshot),
          partition_(*snapshot.model->partition),
          filter_(filter),
          nprobe_(nprobe),
          near_(usual_lists()),
          wanted_(static_cast<double>(wanted)) {}

    // scores: one per list.
    const std::vector<Probe>& choose(const float* scores) {
        ranking_.reset(scores, partition_.nlist(), near_);
        chosen_.clear();
        allowed_ = 0;
        const std::span<Hit> nearest = ranking_.take(nprobe_);
        std::sort(nearest.begin(), nearest.end(), BetterHit{});
        for (const Hit& list : nearest) take(list);
        min_allowed_ = std::max(min_allowed(farness(nearest)), 2 * wanted_);
        while (!enough() && !ranking_.empty()) {
            const std::span<Hit> next = ranking_.take(lists_more());
            // If a part of them may be enough, take the nearest first.
            if (allowed_ + allowed_in(next) >= min_allowed_) std::sort(next.begin(), next.end(), BetterHit{});
            for (const Hit& list : next)
                if (!enough()) take(list);
        }
        return chosen_;
    }

private:
    bool enough() const { return chosen_.size() >= nprobe_ && allowed_ >= min_allowed_; }

    void take(const Hit& list) {
        const std::uint32_t allowed = filter_.list(snapshot_, list.row).n_allowed;
        if (allowed > 0) chosen_.push_back({list.row, partition_.coarse(list)});
        allowed_ += allowed;
    }

    double allowed_in(std::span<const Hit> lists) const {
        double allowed = 0;
        for (const Hit& list : lists) allowed += filter_.list(snapshot_, list.row).n_allowed;
        return allowed;
    }

    // How much smaller the allowed share is in the nearest lists than in all lists: from 0 (not smaller) to 1 (no rows
    // there, and a small share in all).
    double farness(std::span<const Hit> nearest) const {
        const double share = filter_.expected() / snapshot_.n();
        double all = 1;
        for (const Hit& list : nearest) all += static_cast<double>(filter_.list(snapshot_, list.row).allowed.size());
        return std::max(0.0, 1 - allowed_ / all / share) * (1 - share);
    }

    // The k best of a share s of the vectors are among about the k / s best of all; the number of vectors to scan for
    // these grows more slowly than 1 / s.
    double min_allowed(double far) const {
        const double share = filter_.expected() / snapshot_.n();
        return (1 + far_growth * far) * std::pow(share, slower) * read_unfiltered(snapshot_, nprobe_);
    }

    // About how many lists are needed if the allowed rows lie anywhere.
    std::size_t usual_lists() const {
        const double share = std::max(filter_.expected() / snapshot_.n(), 1e-3);
        return static_cast<std::size_t>(1.25 * nprobe_ * std::pow(share, slower - 1));
    }

    // About how many more lists are needed, if they have as many allowed rows as those taken.
    std::size_t lists_more() const {
        const auto taken = static_cast<double>(ranking_.taken());
        const double more = taken * (min_allowed_ - allowed_) / std::max(allowed_, 1.0);
        return static_cast<std::size_t>(std::clamp(more, 16.0, 16.0 + taken));
    }

    const Snapshot& snapshot_;
    const Partition& partition_;
    const RowFilter& filter_;
    std::uint32_t nprobe_;
    std::size_t near_;
    double wanted_, allowed_ = 0, min_allowed_ = 0;
    Ranking ranking_;
    std::vector<Probe> chosen_;
};

Probes side_by_side(const std::vector<std::vector<Probe>>& chosen) {
    Probes probes;
    for (const auto& lists : chosen) probes.width = std::max(probes.width, lists.size());
    probes.lists.assign(chosen.size() * probes.width, {Probes::none, 0});
    for (std::size_t i = 0; i < chosen.size(); ++i)
        std::copy(chosen[i].begin(), chosen[i].end(),
                  probes.lists.begin() + static_cast<std::ptrdiff_t>(i * probes.width));
    return probes;
}

}  // namespace

bool reads_all(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe) {
    const double most = std::min(std::max(min_packed, max_packed_share * read_unfiltered(snapshot, nprobe)),
                                 max_copied_share * snapshot.n());
    return filter.expected() <= most;
}

bool is_worth_copying(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe, std::uint64_t queries) {
    return filter.expected() <= max_copied_share * snapshot.n()
           && static_cast<double>(queries) * read_unfiltered(snapshot, nprobe) >= copying * filter.expected();
}

Probes probe(const Model& model, MatrixView queries, std::uint32_t nprobe, unsigned threads) {
    constexpr std::size_t group = 64;
    Probes probes;
    probes.width = nprobe;
    probes.lists.resize(checked_mul(queries.rows, nprobe));
    parallel_for((queries.rows + group - 1) / group, threads, [&](std::size_t g, unsigned) {
        const std::size_t first = g * group;
        const PreparedQueries own(model, queries.block(first, std::min(group, queries.rows - first)));
        model.partition->nearest(own.transformed(), nprobe, probes.lists.data() + first * nprobe);
    });
    return probes;
}

Probes choose_lists(const Model& model, MatrixView queries, std::uint32_t nprobe) {
    Probes probes;
    probes.width = nprobe;
    probes.lists.assign(queries.rows * nprobe, {0, 0});
    model.partition->nearest(queries, nprobe, probes.lists.data());
    return probes;
}

Probes choose_lists(const Snapshot& snapshot, MatrixView queries, std::uint32_t nprobe, const RowFilter& filter,
                    std::size_t wanted) {
    const Partition& partition = *snapshot.model->partition;
    if (partition.nlist() == 1) return choose_lists(*snapshot.model, queries, 1);
    std::vector<float> scores(queries.rows * partition.nlist());
    partition.scores(queries, scores.data());
    std::vector<std::vector<Probe>> chosen(queries.rows);
    Choice choice(snapshot, filter, nprobe, wanted);
    for (std::size_t i = 0; i < queries.rows; ++i) chosen[i] = choice.choose(scores.data() + i * partition.nlist());
    return side_by_side(chosen);
}

Probes all_lists(const Snapshot& snapshot, MatrixView queries, const RowFilter& filter, std::size_t near) {
    const Partition& partition = *snapshot.model->partition;
    if (partition.nlist() == 1) return choose_lists(*snapshot.model, queries, 1);
    std::vector<float> scores(queries.rows * partition.nlist());
    partition.scores(queries, scores.data());
    std::vector<Hit> lists;
    for (std::uint32_t list = 0; list < partition.nlist(); ++list)
        if (filter.list(snapshot, list).n_allowed > 0) lists.push_back({list, 0});
    std::vector<std::vector<Probe>> chosen(queries.rows);
    for (std::size_t i = 0; i < queries.rows; ++i) {
        for (Hit& list : lists) list.score = scores[i * partition.nlist() + list.row];
        select_best(lists, std::min(near, lists.size()));
        for (const Hit& list : lists) chosen[i].push_back({list.row, partition.coarse(list)});
    }
    return side_by_side(chosen);
}

}  // namespace fewbits
