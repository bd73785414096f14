#include "index/merge.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>

#include "base/progress.h"
#include "blocks/blocks.h"
#include "storage/append_buffer.h"
#include "storage/spill.h"

namespace fewbits {
namespace {

constexpr std::size_t task_rows = 8192;      // rows copied by one thread at a time
constexpr std::size_t slice_rows = 1 << 17;  // rows copied between two reports of progress
constexpr std::uint64_t min_full = 65536;    // segments with fewer rows are merged, even if there are only a few lists
constexpr std::uint64_t full_list = 2 * kernels::block_size;

class Merge {
public:
    // rows: which rows to merge.
    Merge(const Snapshot& sources, const Bitmap& rows, unsigned threads, const Progress& progress)
        : sources_(sources), model_(*sources.model), threads_(threads), progress_(progress) {
        order_rows(rows);
        parts_.params["segment.n"] = order_.size();
        parts_.params["segment.first_id"] = 0;
    }

    void keep_codes();
    void keep_rerank(const std::string& directory);
    void keep_tokens(const std::string& directory);
    void order_by_id();
    void keep_ids();
    void keep_least_ids();
    Parts parts();
    // Puts all rows into one list; returns their former lists.
    std::vector<std::uint32_t> join_lists();
    std::vector<std::uint32_t> order() { return std::move(order_); }

private:
    using Column = std::function<const std::uint8_t*(const Segment&)>;

    void order_rows(const Bitmap& rows);
    std::vector<std::int64_t> ids() const;
    void keep(const char* name, Array array);
    void keep_blocks();
    void keep_column(const char* name, DType dtype, std::size_t row_bytes, const Column& column);
    void keep_on_disk(const std::string& directory, std::size_t row_bytes);

    template <class Body>  // body(i, segment, row in it) for output rows begin..end
    void for_rows(std::size_t begin, std::size_t end, Body body) const {
        std::size_t s = 0;
        for (std::size_t i = begin; i < end; ++i) {
            const std::uint32_t row = order_[i];
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
    std::vector<std::uint32_t> order_;  // rows of the sources as they are to be
    std::vector<std::uint64_t> lists_;
    Parts parts_;
};

// By list, and within a list by segment, which is the order of adding, as in a build.
void Merge::order_rows(const Bitmap& rows) {
    const std::uint32_t nlist = model_.partition->nlist();
    lists_.reserve(std::size_t{nlist} + 1);
    lists_.push_back(0);
    for (std::uint32_t list = 0; list < nlist; ++list) {
        for (std::size_t s = 0; s < sources_.segments.size(); ++s) {
            const std::uint32_t first = sources_.first_rows[s] + sources_.segments[s]->first_row(list);
            rows.for_each(first, first + sources_.segments[s]->list_size(list),
                          [&](std::size_t row) { order_.push_back(static_cast<std::uint32_t>(row)); });
        }
        lists_.push_back(order_.size());
    }
}

void Merge::keep(const char* name, Array array) {
    if (!array.bytes.empty()) parts_.arrays[std::string("segment.") + name] = std::move(array);
}

void Merge::keep_blocks() {
    const CodeLayout layout = model_.codec->layout();
    const std::size_t row_bytes = layout.block_part_bytes();
    std::vector<std::size_t> offsets(lists_.size());
    for (std::size_t list = 0; list + 1 < lists_.size(); ++list)
        offsets[list + 1] = checked_add(offsets[list], kernels::blocks_bytes(layout.element_bits, layout.elements,
                                                                             lists_[list + 1] - lists_[list]));
    AppendBuffer codes(1);
    codes.reserve(offsets.back());
    in_slices(lists_.size() - 1, 1 + slice_rows * lists_.size() / (order_.size() + 1), threads_, progress_,
              [&](std::size_t list) {
                  std::vector<std::uint8_t> rows(kernels::block_size * row_bytes);
                  std::uint8_t* out = codes.data() + offsets[list];
                  for (std::uint64_t first = lists_[list]; first < lists_[list + 1]; first += kernels::block_size) {
                      const auto n = static_cast<std::uint32_t>(
                          std::min<std::uint64_t>(kernels::block_size, lists_[list + 1] - first));
                      for_rows(first, first + n, [&](std::size_t i, const Segment& segment, std::uint32_t row) {
                          segment.block_part(layout, row, rows.data() + (i - first) * row_bytes);
                      });
                      pack_block(rows.data(), row_bytes, layout.element_bits, layout.elements, n, out);
                      out += kernels::blocks_bytes(layout.element_bits, layout.elements, n);
                  }
              });
    keep("codes", codes.take(DType::u8, offsets.back()));
}

void Merge::keep_column(const char* name, DType dtype, std::size_t row_bytes, const Column& column) {
    if (row_bytes == 0) return;
    AppendBuffer rows(row_bytes);
    rows.reserve(order_.size());
    in_slices((order_.size() + task_rows - 1) / task_rows, slice_rows / task_rows, threads_, progress_,
              [&](std::size_t task) {
                  const std::size_t begin = task * task_rows, end = std::min(order_.size(), begin + task_rows);
                  for_rows(begin, end, [&](std::size_t i, const Segment& segment, std::uint32_t row) {
                      std::memcpy(rows.row(i), column(segment) + row * row_bytes, row_bytes);
                  });
              });
    keep(name, rows.take(dtype, order_.size() * row_bytes));
}

void Merge::keep_on_disk(const std::string& directory, std::size_t row_bytes) {
    io::Spill spill(directory, row_bytes);
    ProgressCounter steps(progress_, order_.size());
    std::vector<std::uint8_t> rows(task_rows * row_bytes);
    for (std::size_t begin = 0; begin < order_.size(); begin += task_rows) {
        const std::size_t end = std::min(order_.size(), begin + task_rows);
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
    std::vector<std::int64_t> ids(order_.size());
    for_rows(0, order_.size(),
             [&](std::size_t i, const Segment& segment, std::uint32_t row) { ids[i] = segment.id(row); });
    return ids;
}

void Merge::keep_offsets(std::int64_t first_id) {
    std::vector<std::uint32_t> offsets(order_.size());
    bool implied = true;
    for_rows(0, order_.size(), [&](std::size_t i, const Segment& segment, std::uint32_t row) {
        offsets[i] = static_cast<std::uint32_t>(segment.id(row) - first_id);
        implied = implied && offsets[i] == i;
    });
    parts_.params["segment.first_id"] = static_cast<std::uint64_t>(first_id);
    if (!implied) keep("ids", owned_array(std::move(offsets)));
}

void Merge::order_by_id() {
    const std::vector<std::int64_t> id_of = ids();
    std::vector<std::uint32_t> places(order_.size()), ordered(order_.size());
    std::iota(places.begin(), places.end(), 0u);
    in_slices(lists_.size() - 1, 1 + slice_rows * lists_.size() / (order_.size() + 1), threads_, progress_,
              [&](std::size_t list) {
                  std::sort(places.begin() + static_cast<std::ptrdiff_t>(lists_[list]),
                            places.begin() + static_cast<std::ptrdiff_t>(lists_[list + 1]),
                            [&](std::uint32_t x, std::uint32_t y) { return id_of[x] < id_of[y]; });
              });
    for (std::size_t i = 0; i < order_.size(); ++i) ordered[i] = order_[places[i]];
    order_ = std::move(ordered);
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

const std::uint8_t* bytes_of(const float* values) {
    return reinterpret_cast<const std::uint8_t*>(values);
}

void Merge::keep_codes() {
    const CodeLayout layout = model_.codec->layout();
    keep_blocks();
    keep_column("rest", DType::u8, layout.rest_bytes, [](const Segment& segment) { return segment.rest_rows(); });
    keep_column("a", DType::f32, layout.has_a ? 4 : 0, [](const Segment& segment) { return bytes_of(segment.a()); });
    keep_column("b", DType::f32, layout.has_b ? 4 : 0, [](const Segment& segment) { return bytes_of(segment.b()); });
    keep_column("stage", DType::f32, layout.has_stage ? 4 : 0,
                [](const Segment& segment) { return bytes_of(segment.stage()); });
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
    for (const std::uint32_t row : order_) tokens += sources_.tokens(row).n;
    ProgressCounter steps(progress_, order_.size() + tokens);
    const Parts column = gathered_tokens(model_.tokens->layout(), model_.tokens_on_disk ? directory : "", order_.size(),
                                         steps, [&](std::size_t i) { return sources_.tokens(order_[i]); });
    for (const auto& [name, array] : column.arrays) keep(("tokens." + name).c_str(), array);
}

std::vector<std::uint32_t> Merge::join_lists() {
    std::vector<std::uint32_t> lists(order_.size());
    for (std::uint32_t list = 0; list + 1 < lists_.size(); ++list)
        std::fill(lists.begin() + static_cast<std::ptrdiff_t>(lists_[list]),
                  lists.begin() + static_cast<std::ptrdiff_t>(lists_[list + 1]), list);
    lists_ = {0, order_.size()};
    return lists;
}

Parts Merge::parts() {
    keep("lists", owned_array(std::move(lists_)));
    return std::move(parts_);
}

}  // namespace

std::shared_ptr<const Segment> merge(const Snapshot& sources, const std::string& directory, unsigned threads,
                                     const Progress& progress) {
    Merge work(sources, sources.alive_rows(), threads, progress);
    work.keep_codes();
    if (sources.model->rerank) work.keep_rerank(directory);
    if (sources.model->tokens) work.keep_tokens(directory);
    work.keep_ids();
    return std::make_shared<Segment>(*sources.model, work.parts(), "segment");
}

std::shared_ptr<const Segment> take(const Snapshot& sources, const Bitmap& rows, const std::string& directory,
                                    unsigned threads) {
    const Progress silent;
    Merge work(sources, rows, threads, silent);
    work.order_by_id();
    work.keep_codes();
    if (sources.model->rerank) work.keep_rerank(directory);
    if (sources.model->tokens) work.keep_tokens(directory);
    work.keep_least_ids();
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
    auto segment = std::make_shared<Segment>(*model, work.parts(), "segment");
    packed.snapshot = Snapshot::make(std::move(model), {std::move(segment)}, Bitmap(), 0);
    packed.rows = work.order();
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
