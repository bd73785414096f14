#include "index/merge.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/progress.h"
#include "blocks/blocks.h"
#include "index/code_columns.h"
#include "storage/append_buffer.h"
#include "storage/spill.h"

namespace fewbits {
namespace {

constexpr std::size_t task_rows = 8192;      // rows copied by one thread at a time
constexpr std::size_t slice_rows = 1 << 17;  // rows copied between two reports of progress
constexpr std::uint64_t min_full = 65536;    // segments with fewer rows are merged, even if there are only a few lists
constexpr std::uint64_t full_list = 2 * kernels::block_size;

void in_tasks(std::size_t rows, unsigned threads, const Progress& progress,
              const std::function<void(std::size_t begin, std::size_t end)>& body) {
    in_slices((rows + task_rows - 1) / task_rows, slice_rows / task_rows, threads, progress,
              [&](std::size_t task) { body(task * task_rows, std::min(rows, (task + 1) * task_rows)); });
}

const std::uint8_t* bytes_of(const float* values) {
    return reinterpret_cast<const std::uint8_t*>(values);
}

// Copies codes and factors of some entries of several sources, which are numbered one source after the other.
class MergedCodes {
public:
    std::vector<std::uint32_t> order;  // entries of the sources as they are to be
    std::vector<std::uint64_t> lists;  // nlist + 1 places in `order`

    void add(const CodeLists* source) {
        sources_.push_back(source);
        firsts_.push_back(firsts_.back() + (source ? source->n() : 0));
    }
    // Adds the arrays of a CodeLists, named "<prefix>.<array>", but for the lists.
    void keep(const CodeLayout& layout, const std::string& prefix, unsigned threads, const Progress& progress,
              Parts& parts) const;

private:
    template <class Body>  // body(i, source, entry in it) for output entries begin..end
    void for_entries(std::size_t begin, std::size_t end, Body body) const {
        std::size_t s = 0;
        for (std::size_t i = begin; i < end; ++i) {
            const std::uint32_t entry = order[i];
            if (entry < firsts_[s] || entry >= firsts_[s + 1])
                s = static_cast<std::size_t>(std::upper_bound(firsts_.begin(), firsts_.end(), entry) - firsts_.begin()
                                             - 1);
            body(i, *sources_[s], static_cast<std::uint32_t>(entry - firsts_[s]));
        }
    }
    Array blocks(const CodeLayout& layout, unsigned threads, const Progress& progress) const;

    std::vector<const CodeLists*> sources_;  // null: without entries
    std::vector<std::uint64_t> firsts_{0};
};

Array MergedCodes::blocks(const CodeLayout& layout, unsigned threads, const Progress& progress) const {
    const std::size_t row_bytes = layout.block_part_bytes();
    std::vector<std::size_t> offsets(lists.size());
    for (std::size_t list = 0; list + 1 < lists.size(); ++list)
        offsets[list + 1] = checked_add(
            offsets[list], kernels::blocks_bytes(layout.element_bits, layout.elements, lists[list + 1] - lists[list]));
    AppendBuffer codes(1);
    codes.reserve(offsets.back());
    in_slices(
        lists.size() - 1, 1 + slice_rows * lists.size() / (order.size() + 1), threads, progress, [&](std::size_t list) {
            std::vector<std::uint8_t> rows(kernels::block_size * row_bytes);
            std::uint8_t* out = codes.data() + offsets[list];
            for (std::uint64_t first = lists[list]; first < lists[list + 1]; first += kernels::block_size) {
                const auto n =
                    static_cast<std::uint32_t>(std::min<std::uint64_t>(kernels::block_size, lists[list + 1] - first));
                for_entries(first, first + n, [&](std::size_t i, const CodeLists& source, std::uint32_t entry) {
                    source.block_part(layout, entry, rows.data() + (i - first) * row_bytes);
                });
                pack_block(rows.data(), row_bytes, layout.element_bits, layout.elements, n, out);
                out += kernels::blocks_bytes(layout.element_bits, layout.elements, n);
            }
        });
    return codes.take(DType::u8, offsets.back());
}

void MergedCodes::keep(const CodeLayout& layout, const std::string& prefix, unsigned threads, const Progress& progress,
                       Parts& parts) const {
    using Column = const std::uint8_t* (*)(const CodeLists&);
    const auto column = [&](const char* name, DType dtype, std::size_t row_bytes, Column of) {
        if (row_bytes == 0) return;
        AppendBuffer rows(row_bytes);
        rows.reserve(order.size());
        in_tasks(order.size(), threads, progress, [&](std::size_t begin, std::size_t end) {
            for_entries(begin, end, [&](std::size_t i, const CodeLists& source, std::uint32_t entry) {
                std::memcpy(rows.row(i), of(source) + entry * row_bytes, row_bytes);
            });
        });
        keep_array(parts, prefix + "." + name, rows.take(dtype, order.size() * row_bytes));
    };
    keep_array(parts, prefix + ".codes", blocks(layout, threads, progress));
    column("rest", DType::u8, layout.rest_bytes, [](const CodeLists& source) { return source.rest_rows(); });
    column("a", DType::f32, layout.has_a ? 4 : 0, [](const CodeLists& source) { return bytes_of(source.a()); });
    column("b", DType::f32, layout.has_b ? 4 : 0, [](const CodeLists& source) { return bytes_of(source.b()); });
    column("stage", DType::f32, layout.has_stage ? 4 : 0,
           [](const CodeLists& source) { return bytes_of(source.stage()); });
}

class Merge {
public:
    // rows: which rows to merge.
    Merge(const Snapshot& sources, const Bitmap& rows, unsigned threads, const Progress& progress)
        : sources_(sources), model_(*sources.model), threads_(threads), progress_(progress) {
        for (const auto& segment : sources.segments) codes_.add(segment.get());
        order_rows(rows);
        parts_.params["segment.n"] = order().size();
        parts_.params["segment.first_id"] = 0;
    }

    void keep_codes() { codes_.keep(model_.codec->layout(), "segment", threads_, progress_, parts_); }
    void keep_second();
    void keep_rerank(const std::string& directory);
    void keep_tokens(const std::string& directory);
    void order_by_id();
    void keep_ids();
    void keep_least_ids();
    void keep_labels();
    Parts parts();
    // Puts all rows into one list; returns their former lists.
    std::vector<std::uint32_t> join_lists();
    const std::vector<std::uint32_t>& order() const { return codes_.order; }

private:
    using Column = std::function<const std::uint8_t*(const Segment&)>;

    void order_rows(const Bitmap& rows);
    std::vector<std::int64_t> ids() const;
    void keep(const char* name, Array array) { keep_array(parts_, std::string("segment.") + name, std::move(array)); }
    void keep_column(const char* name, DType dtype, std::size_t row_bytes, const Column& column);
    void keep_on_disk(const std::string& directory, std::size_t row_bytes);

    template <class Body>  // body(i, segment, row in it) for output rows begin..end
    void for_rows(std::size_t begin, std::size_t end, Body body) const {
        std::size_t s = 0;
        for (std::size_t i = begin; i < end; ++i) {
            const std::uint32_t row = order()[i];
            if (row < sources_.first_rows[s] || row >= sources_.first_rows[s + 1]) s = sources_.segment_of(row);
            body(i, *sources_.segments[s], row - sources_.first_rows[s]);
        }
    }

    // Ids as offsets from first_id, in 4 bytes each, or in none if they are 0, 1, 2...
    void keep_offsets(std::int64_t first_id);

    const Snapshot& sources_;
    const Model& model_;
    unsigned threads_;
    const Progress& progress_;
    MergedCodes codes_;
    LabelRunsBuilder runs_;  // of the rows in `order`; without labels, those of a list are one run
    Parts parts_;
};

// By list, within a list by label, and then by segment, which is the order of adding, as in a build.
void Merge::order_rows(const Bitmap& rows) {
    const std::uint32_t nlist = model_.partition->nlist();
    codes_.lists.reserve(std::size_t{nlist} + 1);
    codes_.lists.push_back(0);
    struct Run {
        std::int64_t label;
        std::uint32_t first, end;
    };
    std::vector<Run> in_list;
    for (std::uint32_t list = 0; list < nlist; ++list) {
        in_list.clear();
        for (std::size_t s = 0; s < sources_.segments.size(); ++s) {
            const Segment& segment = *sources_.segments[s];
            const std::uint32_t before = sources_.first_rows[s], first = segment.first_row(list);
            const std::uint32_t end = first + segment.list_size(list);
            if (const LabelRuns* labels = segment.labels())
                labels->each(first, end, [&](std::uint32_t from, std::uint32_t to, std::int64_t label) {
                    in_list.push_back({label, before + from, before + to});
                });
            else
                in_list.push_back({0, before + first, before + end});
        }
        std::stable_sort(in_list.begin(), in_list.end(), [](const Run& x, const Run& y) { return x.label < y.label; });
        runs_.begin_list();
        for (const Run& run : in_list)
            rows.for_each(run.first, run.end, [&](std::size_t row) {
                runs_.add(static_cast<std::uint32_t>(order().size()), run.label);
                codes_.order.push_back(static_cast<std::uint32_t>(row));
            });
        codes_.lists.push_back(order().size());
    }
}

// The entries in second lists of the rows that are merged, in every list in the order of the new rows.
void Merge::keep_second() {
    if (!sources_.has_second()) return;
    constexpr std::uint32_t dropped = 0xffffffff;
    std::vector<std::uint32_t> place(sources_.rows(), dropped), rows;
    for (std::uint32_t i = 0; i < order().size(); ++i) place[order()[i]] = i;
    MergedCodes second;
    std::vector<std::uint32_t> firsts{0};
    for (const auto& segment : sources_.segments) {
        second.add(segment->second());
        firsts.push_back(firsts.back() + (segment->second() ? segment->second()->n() : 0));
    }
    second.lists.push_back(0);
    std::vector<std::pair<std::uint32_t, std::uint32_t>> in_list;  // new row, entry
    for (std::uint32_t list = 0; list < model_.partition->nlist(); ++list) {
        in_list.clear();
        for (std::size_t s = 0; s < sources_.segments.size(); ++s) {
            const SecondEntries* entries = sources_.segments[s]->second();
            if (!entries) continue;
            const std::uint32_t begin = entries->first_row(list), end = begin + entries->list_size(list);
            for (std::uint32_t entry = begin; entry < end; ++entry) {
                const std::uint32_t row = place[sources_.first_rows[s] + entries->rows[entry]];
                if (row != dropped) in_list.emplace_back(row, firsts[s] + entry);
            }
        }
        std::sort(in_list.begin(), in_list.end());
        for (const auto& [row, entry] : in_list) {
            rows.push_back(row);
            second.order.push_back(entry);
        }
        second.lists.push_back(rows.size());
    }
    if (rows.empty()) return;
    second.keep(model_.codec->layout(), "segment.second", threads_, progress_, parts_);
    keep("second.lists", owned_array(std::move(second.lists)));
    keep("second.rows", owned_array(std::move(rows)));
}

void Merge::keep_column(const char* name, DType dtype, std::size_t row_bytes, const Column& column) {
    if (row_bytes == 0) return;
    AppendBuffer rows(row_bytes);
    rows.reserve(order().size());
    in_tasks(order().size(), threads_, progress_, [&](std::size_t begin, std::size_t end) {
        for_rows(begin, end, [&](std::size_t i, const Segment& segment, std::uint32_t row) {
            std::memcpy(rows.row(i), column(segment) + row * row_bytes, row_bytes);
        });
    });
    keep(name, rows.take(dtype, order().size() * row_bytes));
}

void Merge::keep_on_disk(const std::string& directory, std::size_t row_bytes) {
    io::Spill spill(directory, row_bytes);
    ProgressCounter steps(progress_, order().size());
    std::vector<std::uint8_t> rows(task_rows * row_bytes);
    for (std::size_t begin = 0; begin < order().size(); begin += task_rows) {
        const std::size_t end = std::min(order().size(), begin + task_rows);
        for_rows(begin, end, [&](std::size_t i, const Segment& segment, std::uint32_t row) {
            std::memcpy(rows.data() + (i - begin) * row_bytes, segment.rerank().base + row * row_bytes, row_bytes);
        });
        spill.append({rows.data(), (end - begin) * row_bytes});
        steps.add(end - begin);
    }
    keep("rerank", spill.map());
}

// Stores ids as 4-byte offsets from a first id if all sources do so and the offsets fit, otherwise as 8-byte ids.
void Merge::keep_ids() {
    const auto& segments = sources_.segments;
    const auto low = std::min_element(segments.begin(), segments.end(),
                                      [](const auto& x, const auto& y) { return x->first_id() < y->first_id(); });
    const std::int64_t first_id = (*low)->first_id();
    const bool numbered = std::all_of(segments.begin(), segments.end(), [&](const auto& segment) {
        return !segment->custom_ids() && segment->next_id() - first_id <= 0xffffffff;
    });
    std::int64_t next_id = 0;
    for (const auto& segment : segments) next_id = std::max(next_id, segment->next_id());
    parts_.params["segment.next_id"] = static_cast<std::uint64_t>(next_id);
    if (numbered)
        keep_offsets(first_id);
    else
        keep("ids", owned_array(ids()));
}

std::vector<std::int64_t> Merge::ids() const {
    std::vector<std::int64_t> ids(order().size());
    for_rows(0, order().size(),
             [&](std::size_t i, const Segment& segment, std::uint32_t row) { ids[i] = segment.id(row); });
    return ids;
}

void Merge::keep_offsets(std::int64_t first_id) {
    std::vector<std::uint32_t> offsets(order().size());
    bool implied = true;
    for_rows(0, order().size(), [&](std::size_t i, const Segment& segment, std::uint32_t row) {
        offsets[i] = static_cast<std::uint32_t>(segment.id(row) - first_id);
        implied = implied && offsets[i] == i;
    });
    parts_.params["segment.first_id"] = static_cast<std::uint64_t>(first_id);
    if (!implied) keep("ids", owned_array(std::move(offsets)));
}

void Merge::order_by_id() {
    const std::vector<std::int64_t> id_of = ids();
    std::vector<std::uint32_t> places(order().size()), ordered(order().size());
    std::iota(places.begin(), places.end(), 0u);
    const std::vector<std::uint32_t>& firsts = runs_.rows();
    in_slices(firsts.size(), 1 + slice_rows * firsts.size() / (order().size() + 1), threads_, progress_,
              [&](std::size_t run) {
                  const auto end = run + 1 < firsts.size() ? places.begin() + firsts[run + 1] : places.end();
                  std::sort(places.begin() + firsts[run], end,
                            [&](std::uint32_t x, std::uint32_t y) { return id_of[x] < id_of[y]; });
              });
    for (std::size_t i = 0; i < order().size(); ++i) ordered[i] = order()[places[i]];
    codes_.order = std::move(ordered);
}

void Merge::keep_least_ids() {
    std::vector<std::int64_t> own = ids();
    const auto [low, high] = std::minmax_element(own.begin(), own.end());
    parts_.params["segment.next_id"] = static_cast<std::uint64_t>(*high + 1);
    if (*high - *low < 0xffffffff)
        keep_offsets(*low);
    else
        keep("ids", owned_array(std::move(own)));
}

void Merge::keep_labels() {
    if (sources_.has_labels()) runs_.keep("segment.labels", parts_);
}

void Merge::keep_rerank(const std::string& directory) {
    const CodeLayout finer = model_.rerank->layout();
    if (model_.rerank_on_disk)
        keep_on_disk(directory, finer.row_bytes());
    else
        keep_column("rerank", DType::u8, finer.row_bytes(),
                    [](const Segment& segment) { return segment.rerank().base; });
    keep_column("rerank_a", DType::f32, finer.has_a ? 4 : 0,
                [](const Segment& segment) { return bytes_of(segment.rerank().a); });
    keep_column("rerank_b", DType::f32, finer.has_b ? 4 : 0,
                [](const Segment& segment) { return bytes_of(segment.rerank().b); });
}

void Merge::keep_tokens(const std::string& directory) {
    std::size_t tokens = 0;
    for (const std::uint32_t row : order()) tokens += sources_.tokens(row).n;
    ProgressCounter steps(progress_, order().size() + tokens);
    const Parts column =
        gathered_tokens(model_.tokens->layout(), model_.tokens_on_disk ? directory : "", order().size(), steps,
                        [&](std::size_t i) { return sources_.tokens(order()[i]); });
    for (const auto& [name, array] : column.arrays) keep(("tokens." + name).c_str(), array);
}

std::vector<std::uint32_t> Merge::join_lists() {
    std::vector<std::uint32_t> lists(order().size());
    for (std::uint32_t list = 0; list + 1 < codes_.lists.size(); ++list)
        std::fill(lists.begin() + static_cast<std::ptrdiff_t>(codes_.lists[list]),
                  lists.begin() + static_cast<std::ptrdiff_t>(codes_.lists[list + 1]), list);
    codes_.lists = {0, order().size()};
    return lists;
}

Parts Merge::parts() {
    keep("lists", owned_array(std::move(codes_.lists)));
    return std::move(parts_);
}

}  // namespace

std::shared_ptr<const Segment> merge(const Snapshot& sources, const std::string& directory, unsigned threads,
                                     const Progress& progress) {
    Merge work(sources, sources.alive_rows(), threads, progress);
    work.keep_codes();
    work.keep_second();
    if (sources.model->rerank) work.keep_rerank(directory);
    if (sources.model->tokens) work.keep_tokens(directory);
    work.keep_ids();
    work.keep_labels();
    return std::make_shared<Segment>(*sources.model, work.parts(), "segment");
}

std::shared_ptr<const Segment> take(const Snapshot& sources, const Bitmap& rows, const std::string& directory,
                                    unsigned threads) {
    const Progress silent;
    Merge work(sources, rows, threads, silent);
    work.order_by_id();
    work.keep_codes();
    work.keep_second();
    if (sources.model->rerank) work.keep_rerank(directory);
    if (sources.model->tokens) work.keep_tokens(directory);
    work.keep_least_ids();
    work.keep_labels();
    return std::make_shared<Segment>(*sources.model, work.parts(), "segment");
}

PackedCodes pack(const Snapshot& sources, const Bitmap& rows, bool join) {
    auto model = std::make_shared<Model>(*sources.model);
    model->rerank = nullptr;
    model->tokens = nullptr;
    PackedCodes packed;
    const Progress silent;
    Merge work(sources, rows, 1, silent);
    if (join) {
        model->partition = make_flat(model->transform->out_dim());
        packed.lists = work.join_lists();
    }
    work.keep_codes();
    if (!join) work.keep_second();
    packed.rows = work.order();
    auto segment = std::make_shared<Segment>(*model, work.parts(), "segment");
    packed.snapshot = Snapshot::make(std::move(model), {std::move(segment)}, Bitmap(), 0);
    return packed;
}

std::size_t first_to_merge(const Snapshot& snapshot) {
    const std::uint64_t full = std::max(min_full, full_list * snapshot.model->partition->nlist());
    std::size_t first = snapshot.segments.size();
    for (std::uint64_t behind = 0; first > 0; --first) {
        const std::uint64_t live = snapshot.live[first - 1];
        if (live >= full || (first < snapshot.segments.size() && live > behind)) break;
        behind += live;
    }
    return first;
}

}  // namespace fewbits
