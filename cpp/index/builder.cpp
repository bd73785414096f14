#include "index/builder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/parallel.h"
#include "base/rows.h"
#include "blocks/blocks.h"

namespace fewbits {
namespace {

constexpr std::int64_t max_id = (std::int64_t{1} << 62) - 1;
constexpr std::size_t task_rows = 512;  // rows encoded by one thread at a time; their floats fit the cache

template <class T>
T* or_null(AppendBuffer& column, std::size_t first) {
    return column.row_bytes() == 0 ? nullptr : reinterpret_cast<T*>(column.row(first));
}

}  // namespace

SegmentBuilder::SegmentBuilder(std::shared_ptr<const Model> model, std::size_t expected, const std::string& directory)
    : model_(std::move(model)), directory_(directory) {
    const CodeLayout layout = model_->codec->layout();
    codes_ = AppendBuffer(layout.block_part_bytes());
    rest_ = AppendBuffer(layout.rest_bytes);
    a_ = AppendBuffer(layout.has_a ? sizeof(float) : 0);
    b_ = AppendBuffer(layout.has_b ? sizeof(float) : 0);
    stage_ = AppendBuffer(layout.has_stage ? sizeof(float) : 0);
    lists_ = AppendBuffer(model_->partition->nlist() == 1 ? 0 : sizeof(std::uint32_t));
    ids_ = AppendBuffer(sizeof(std::int64_t));
    if (model_->rerank) {
        const CodeLayout finer = model_->rerank->layout();
        if (model_->rerank_on_disk)
            spill_ = std::make_unique<io::Spill>(directory_, finer.row_bytes());
        else
            rerank_ = AppendBuffer(finer.row_bytes());
        rerank_a_ = AppendBuffer(finer.has_a ? sizeof(float) : 0);
        rerank_b_ = AppendBuffer(finer.has_b ? sizeof(float) : 0);
    }
    if (model_->tokens) tokens_.emplace(model_->tokens->layout(), model_->tokens_on_disk ? directory_ : "");
    for (AppendBuffer* column : columns()) column->reserve(expected);
}

std::array<AppendBuffer*, 9> SegmentBuilder::columns() {
    return {&codes_, &rest_, &a_, &b_, &stage_, &lists_, &rerank_, &rerank_a_, &rerank_b_};
}

// Extends the columns by n rows, and appends their ids.
void SegmentBuilder::extend(std::size_t n, const std::int64_t* ids) {
    if (custom_ids_.value_or(ids != nullptr) != (ids != nullptr)) fail("ids: expected for all blocks or none");
    if (n_ + n > 0xfffffffe) fail("an index holds at most 2^32 - 2 vectors");
    for (AppendBuffer* column : columns()) column->extend(n_ + n);
    if (!ids) return;
    ids_.extend(n_ + n);
    std::int64_t* own = ids_.as<std::int64_t>() + n_;
    std::copy_n(ids, n, own);  // copied before the check, so that the caller cannot change them after it
    for (std::size_t i = 0; i < n; ++i)
        if (own[i] < 0 || own[i] > max_id)
            fail("ids: expected whole numbers in 0..2^62 - 1, got " + std::to_string(own[i]) + " in row "
                 + std::to_string(n_ + i));
}

void SegmentBuilder::append(const CodedRows& coded, const std::int64_t* ids) {
    const CodeLayout layout = model_->codec->layout();
    const auto expect = [](const char* what, std::size_t got, std::size_t expected) {
        if (got != expected)
            fail(std::string(what) + ": got " + std::to_string(got) + ", expected " + std::to_string(expected));
    };
    if (model_->rerank) fail("codes: this index has a rerank store, whose codes need the vectors");
    if (layout.has_stage) fail("codes: this index has staged codes, whose first factor needs the vectors");
    if (tokens_) fail("codes: this index has tokens beside its vectors");
    expect("bytes of codes", coded.rows.size(), checked_mul(coded.n, layout.row_bytes()));
    if (model_->partition->nlist() > 1 || !coded.lists.empty()) expect("lists", coded.lists.size(), coded.n);
    expect("factors a", coded.a.size(), layout.has_a ? coded.n : 0);
    expect("factors b", coded.b.size(), layout.has_b ? coded.n : 0);
    for (const std::uint32_t list : coded.lists)
        if (list >= model_->partition->nlist())
            fail("lists: got " + std::to_string(list) + ", expected numbers below "
                 + std::to_string(model_->partition->nlist()));
    for (const auto& factors : {coded.a, coded.b})
        if (!std::all_of(factors.begin(), factors.end(), [](float value) { return std::isfinite(value); }))
            fail("factors: got a number that is not finite");
    extend(coded.n, ids);
    for (std::size_t i = 0; i < coded.n; ++i) split_row(coded.rows.data() + i * layout.row_bytes(), n_ + i);
    if (lists_.row_bytes() > 0) std::copy(coded.lists.begin(), coded.lists.end(), lists_.as<std::uint32_t>() + n_);
    std::copy(coded.a.begin(), coded.a.end(), a_.as<float>() + n_);
    std::copy(coded.b.begin(), coded.b.end(), b_.as<float>() + n_);
    custom_ids_ = ids != nullptr;
    n_ += coded.n;
}

// Its part for the blocks and the rest.
void SegmentBuilder::split_row(const std::uint8_t* row, std::size_t to) {
    const CodeLayout layout = model_->codec->layout();
    std::copy_n(row, layout.block_part_bytes(), codes_.row(to));
    if (layout.rest_bytes > 0) std::copy_n(row + layout.block_part_bytes(), layout.rest_bytes, rest_.row(to));
}

void SegmentBuilder::append(MatrixView x, const std::int64_t* ids, unsigned threads, const CodeSets* tokens) {
    if (tokens_.has_value() != (tokens != nullptr)) fail(tokens_ ? "tokens: got none" : "tokens: this index has none");
    if (tokens && tokens->size() != x.rows)
        fail("tokens: got " + std::to_string(tokens->size()) + " sets, expected " + std::to_string(x.rows));
    if (x.cols != model_->dim)
        fail("x: got " + std::to_string(x.cols) + " dimensions, expected " + std::to_string(model_->dim));
    const std::size_t first = n_;
    extend(x.rows, ids);
    std::vector<std::uint8_t> spilled(spill_ ? checked_mul(x.rows, model_->rerank->layout().row_bytes()) : 0);
    parallel_for((x.rows + task_rows - 1) / task_rows, threads, [&](std::size_t task, unsigned) {
        const std::size_t begin = task * task_rows;
        const MatrixView part = x.block(begin, std::min(task_rows, x.rows - begin));
        std::vector<float> own = checked_copy(part, row_rule(model_->metric), "x", first + begin);
        const MatrixView rows{own.data(), part.rows, part.cols};
        model_->enter(rows, own.data());
        encode_rows(rows, first + begin);
        if (model_->rerank) {
            const std::size_t row_bytes = model_->rerank->layout().row_bytes();
            encode_rerank(rows, first + begin, spill_ ? spilled.data() + begin * row_bytes : nullptr);
        }
    });
    if (spill_) spill_->append(spilled);
    if (tokens) tokens_->append(*tokens);
    custom_ids_ = ids != nullptr;
    n_ += x.rows;
}

void SegmentBuilder::encode_rows(MatrixView x, std::size_t first) {
    const std::uint32_t d = model_->transform->out_dim();
    std::vector<float> y(x.rows * d), origin;
    model_->transform->apply(x, y.data());
    const MatrixView transformed{y.data(), x.rows, d};
    std::vector<std::uint32_t> lists(x.rows);
    model_->partition->assign(transformed, lists.data(), 1);
    if (lists_.row_bytes() > 0) std::memcpy(lists_.row(first), lists.data(), x.rows * lists_.row_bytes());
    if (model_->residual) {
        origin.resize(y.size());
        const MatrixView centroids = model_->partition->centroids();
        for (std::size_t i = 0; i < x.rows; ++i) std::copy_n(centroids.row(lists[i]), d, origin.data() + i * d);
    }
    if (model_->relative) {  // what the codec sees is all there is: it has no origin
        for (std::size_t i = 0; i < y.size(); ++i) y[i] -= origin[i];
        origin.clear();
    }
    const CodeLayout layout = model_->codec->layout();
    std::vector<std::uint8_t> rows(x.rows * layout.row_bytes());
    model_->codec->encode(transformed, origin.empty() ? nullptr : origin.data(), rows.data(),
                          {or_null<float>(a_, first), or_null<float>(b_, first), or_null<float>(stage_, first)});
    for (std::size_t i = 0; i < x.rows; ++i) split_row(rows.data() + i * layout.row_bytes(), first + i);
}

void SegmentBuilder::encode_rerank(MatrixView x, std::size_t first, std::uint8_t* spilled) {
    model_->rerank->encode(x, nullptr, spilled ? spilled : rerank_.row(first),
                           {or_null<float>(rerank_a_, first), or_null<float>(rerank_b_, first), nullptr});
}

// The rows by list, and within a list in the order in which they were appended. Fills lists (nlist + 1 first rows).
std::vector<std::uint32_t> SegmentBuilder::order_by_list(std::vector<std::uint64_t>& lists) const {
    std::vector<std::uint32_t> order(n_);
    if (model_->partition->nlist() == 1) {
        lists = {0, n_};
        std::iota(order.begin(), order.end(), 0u);
        return order;
    }
    const std::uint32_t* list = lists_.as<std::uint32_t>();
    lists.assign(std::size_t{model_->partition->nlist()} + 1, 0);
    for (std::size_t i = 0; i < n_; ++i) ++lists[list[i] + 1];
    std::partial_sum(lists.begin(), lists.end(), lists.begin());
    std::vector<std::uint64_t> next(lists.begin(), lists.end() - 1);
    for (std::size_t i = 0; i < n_; ++i) order[next[list[i]]++] = static_cast<std::uint32_t>(i);
    return order;
}

// Rows become blocks in place. Blocks never take more room than their rows, but for short ones of an odd number of
// 4-bit codes: the rows first move up by the sum of those excesses.
void SegmentBuilder::pack_lists(const std::vector<std::uint64_t>& lists, ProgressCounter& steps) {
    const CodeLayout layout = model_->codec->layout();
    const std::size_t row_bytes = layout.block_part_bytes();
    std::size_t packed = 0, excess = 0;
    for (std::size_t list = 0; list + 1 < lists.size(); ++list) {
        packed += kernels::blocks_bytes(layout.element_bits, layout.elements, lists[list + 1] - lists[list]);
        excess = std::max(excess, packed - std::min(packed, lists[list + 1] * row_bytes));
    }
    codes_.reserve_bytes(n_ * row_bytes + excess);
    std::uint8_t* rows = codes_.data() + excess;
    std::memmove(rows, codes_.data(), n_ * row_bytes);
    std::vector<std::uint8_t> block_rows(kernels::block_size * row_bytes);
    std::uint8_t* out = codes_.data();
    for (std::size_t list = 0; list + 1 < lists.size(); ++list) {
        for (std::uint64_t row = lists[list]; row < lists[list + 1]; row += kernels::block_size) {
            const auto vectors =
                static_cast<std::uint32_t>(std::min<std::uint64_t>(kernels::block_size, lists[list + 1] - row));
            std::memcpy(block_rows.data(), rows + row * row_bytes, vectors * row_bytes);
            pack_block(block_rows.data(), row_bytes, layout.element_bits, layout.elements, vectors, out);
            out += kernels::blocks_bytes(layout.element_bits, layout.elements, vectors);
            steps.add(vectors);
        }
    }
}

// The tokens in list order.
Parts SegmentBuilder::ordered_tokens(const std::vector<std::uint32_t>& order, ProgressCounter& steps) {
    require(tokens_->size() == n_, "tokens: expected one set per vector");
    const CodeLayout layout = model_->tokens->layout();
    Parts arrived = tokens_->finish();
    if (model_->partition->nlist() == 1) return arrived;
    const TokenColumn column(layout, arrived, n_);
    return gathered_tokens(layout, model_->tokens_on_disk ? directory_ : "", n_, steps,
                           [&](std::size_t i) { return column[order[i]]; });
}

std::shared_ptr<const Segment> SegmentBuilder::finish(std::int64_t first_id, const Progress& progress) {
    std::vector<std::uint64_t> lists;
    std::vector<std::uint32_t> order = order_by_list(lists);
    (void)lists_.take(DType::u32, 0);
    const bool reordered = model_->partition->nlist() > 1;
    std::vector<AppendBuffer*> columns{&codes_, &rest_, &a_, &b_, &stage_, &rerank_, &rerank_a_, &rerank_b_};
    std::erase_if(columns, [](const AppendBuffer* column) { return column->row_bytes() == 0; });
    const std::size_t columns_of_rows = columns.size() + 1 + (spill_ ? 1 : 0) + (custom_ids() ? 1 : 0);
    ProgressCounter steps(progress, n_ * columns_of_rows + (tokens_ && reordered ? n_ + tokens_->tokens() : 0));
    if (reordered)
        for (AppendBuffer* column : columns) column->permute(order, steps);
    pack_lists(lists, steps);

    const CodeLayout layout = model_->codec->layout();
    std::size_t codes_bytes = 0;
    for (std::size_t list = 0; list + 1 < lists.size(); ++list)
        codes_bytes += kernels::blocks_bytes(layout.element_bits, layout.elements, lists[list + 1] - lists[list]);
    Parts parts;
    const auto keep = [&parts](const char* name, Array array) {
        if (!array.bytes.empty()) parts.arrays[std::string("segment.") + name] = std::move(array);
    };
    parts.params["segment.n"] = n_;
    parts.params["segment.first_id"] = static_cast<std::uint64_t>(first_id);
    keep("codes", codes_.take(DType::u8, codes_bytes));
    keep("rest", rest_.take(DType::u8, n_ * layout.rest_bytes));
    keep("a", a_.take(DType::f32, n_ * a_.row_bytes()));
    keep("b", b_.take(DType::f32, n_ * b_.row_bytes()));
    keep("stage", stage_.take(DType::f32, n_ * stage_.row_bytes()));
    if (spill_)
        keep("rerank", reordered ? io::reordered(*spill_, order, directory_, steps).map() : spill_->map());
    else
        keep("rerank", rerank_.take(DType::u8, n_ * rerank_.row_bytes()));
    keep("rerank_a", rerank_a_.take(DType::f32, n_ * rerank_a_.row_bytes()));
    keep("rerank_b", rerank_b_.take(DType::f32, n_ * rerank_b_.row_bytes()));
    if (tokens_)
        for (const auto& [name, array] : ordered_tokens(order, steps).arrays) keep(("tokens." + name).c_str(), array);
    if (custom_ids()) {
        const auto* ids = ids_.as<std::int64_t>();
        parts.params["segment.next_id"] = n_ > 0 ? static_cast<std::uint64_t>(*std::max_element(ids, ids + n_)) + 1 : 0;
        if (reordered) ids_.permute(order, steps);
        keep("ids", ids_.take(DType::i64, n_ * sizeof(std::int64_t)));
    } else if (reordered) {
        keep("ids", owned_array(std::move(order)));
    }
    keep("lists", owned_array(std::move(lists)));
    return std::make_shared<Segment>(*model_, parts, "segment");
}

}  // namespace fewbits
