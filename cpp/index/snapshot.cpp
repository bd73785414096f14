#include "index/snapshot.h"

#include <algorithm>
#include <numeric>

#include "base/row_count.h"
#include "index/row_sample.h"

namespace fewbits {

std::shared_ptr<const Snapshot> Snapshot::make(std::shared_ptr<const Model> model,
                                               std::vector<std::shared_ptr<const Segment>> segments, Bitmap alive,
                                               std::int64_t next_id) {
    auto made = std::make_shared<Snapshot>();
    made->model = std::move(model);
    made->first_rows.push_back(0);
    made->next_id = next_id;
    std::uint64_t row = 0, rows = 0;
    for (auto& segment : segments) {
        const std::uint32_t n = segment->n();
        const std::size_t live = alive.size() == 0 ? n : alive.count(row, row + n);
        if (live > 0) {
            rows += n;
            made->first_rows.push_back(row_count(rows, "an index"));
            if (alive.size() > 0) made->alive.append(alive, row, row + n);
            made->live.push_back(static_cast<std::uint32_t>(live));
            made->segments.push_back(std::move(segment));
            made->next_id = std::max(made->next_id, made->segments.back()->next_id());
        }
        row += n;
    }
    if (made->n() == made->rows()) made->alive = Bitmap();
    return made;
}

std::uint32_t Snapshot::n() const {
    return std::accumulate(live.begin(), live.end(), std::uint32_t{0});
}

bool Snapshot::has_second() const {
    return std::any_of(segments.begin(), segments.end(), [](const auto& segment) { return segment->second(); });
}

std::size_t Snapshot::segment_of(std::uint32_t row) const {
    return static_cast<std::size_t>(std::upper_bound(first_rows.begin(), first_rows.end(), row) - first_rows.begin()
                                    - 1);
}

std::int64_t Snapshot::id(std::uint32_t row) const {
    const std::size_t s = segment_of(row);
    return segments[s]->id(row - first_rows[s]);
}

std::int64_t Snapshot::label(std::uint32_t row) const {
    const std::size_t s = segment_of(row);
    return segments[s]->labels()->of(row - first_rows[s]);
}

const std::vector<std::int64_t>& Snapshot::sampled_labels() const {
    return sampled_labels_.get([this] {
        std::vector<std::int64_t> labels;
        const RowSample sample(rows());
        for (std::uint32_t i = 0; i < sample.size(); ++i)
            if (is_alive(sample[i])) labels.push_back(label(sample[i]));
        return labels;
    });
}

CodeSet Snapshot::tokens(std::uint32_t row) const {
    const std::size_t s = segment_of(row);
    return segments[s]->tokens()[row - first_rows[s]];
}

std::int64_t Snapshot::row_of(std::int64_t wanted) const {
    for (std::size_t s = 0; s < segments.size(); ++s) {
        const std::int64_t row = segments[s]->row_of(wanted);
        if (row >= 0 && is_alive(first_rows[s] + static_cast<std::uint32_t>(row))) return first_rows[s] + row;
    }
    return -1;
}

std::uint32_t Snapshot::ids(std::uint32_t row, std::size_t max_count, std::vector<std::int64_t>& out) const {
    for (; row < rows() && max_count > 0; ++row)
        if (is_alive(row)) {
            out.push_back(id(row));
            --max_count;
        }
    return row;
}

std::vector<std::int64_t> Snapshot::sorted_ids() const {
    std::vector<std::int64_t> all;
    all.reserve(n());
    ids(0, n(), all);
    if (!std::is_sorted(all.begin(), all.end())) std::sort(all.begin(), all.end());
    return all;
}

void Snapshot::codes(std::int64_t* ids, std::uint32_t* lists, std::uint8_t* rows) const {
    const std::size_t row_bytes = model->codec->layout().row_bytes();
    for (std::size_t s = 0; s < segments.size(); ++s)
        for (std::uint32_t row = 0; row < segments[s]->n(); ++row) {
            if (!is_alive(first_rows[s] + row)) continue;
            *ids++ = segments[s]->id(row);
            *lists++ = segments[s]->list_of(row);
            segments[s]->code(model->codec->layout(), row, rows);
            rows += row_bytes;
        }
}

void Snapshot::factors_b(float* b) const {
    for (std::size_t s = 0; s < segments.size(); ++s)
        for (std::uint32_t row = 0; row < segments[s]->n(); ++row)
            if (is_alive(first_rows[s] + row)) *b++ = segments[s]->b() ? segments[s]->b()[row] : 0.0f;
}

std::shared_ptr<const Snapshot> Snapshot::part(std::size_t begin, std::size_t end) const {
    Bitmap bits;
    if (alive.size() > 0) bits.append(alive, first_rows[begin], first_rows[end]);
    const auto at = [&](std::size_t s) { return segments.begin() + static_cast<std::ptrdiff_t>(s); };
    return make(model, {at(begin), at(end)}, std::move(bits), next_id);
}

}  // namespace fewbits
