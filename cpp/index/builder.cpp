#include "index/builder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/parallel.h"
#include "base/row_count.h"
#include "base/rows.h"

namespace fewbits {
namespace {

constexpr std::int64_t max_id = (std::int64_t{1} << 62) - 1;
constexpr std::size_t task_rows = 512;  // rows encoded by one thread at a time; their floats fit the cache

}  // namespace

struct SegmentBuilder::Second {
    std::vector<std::uint32_t> rows, lists;
    std::vector<std::uint8_t> codes;
    std::vector<float> a, b, stage;
};

SegmentBuilder::SegmentBuilder(std::shared_ptr<const Model> model, std::size_t expected, const std::string& directory)
    : model_(std::move(model)),
      directory_(directory),
      first_(model_->codec->layout(), model_->partition->nlist()),
      second_(model_->codec->layout(), model_->partition->nlist()) {
    ids_ = AppendBuffer(sizeof(std::int64_t));
    labels_ = AppendBuffer(sizeof(std::int64_t));
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
    first_.reserve(expected);
    for (AppendBuffer* column : rerank_columns()) column->reserve(expected);
}

std::vector<AppendBuffer*> SegmentBuilder::rerank_columns() {
    std::vector<AppendBuffer*> columns{&rerank_, &rerank_a_, &rerank_b_};
    std::erase_if(columns, [](const AppendBuffer* column) { return column->row_bytes() == 0; });
    return columns;
}

// Extends the columns by n rows, and appends their ids and labels.
void SegmentBuilder::extend(std::size_t n, const std::int64_t* ids, const std::int64_t* labels) {
    if (custom_ids_.value_or(ids != nullptr) != (ids != nullptr)) fail("ids: expected for all blocks or none");
    if (labelled_.value_or(labels != nullptr) != (labels != nullptr)) fail("labels: expected for all blocks or none");
    row_count(n_ + n, "an index");
    first_.extend(n_ + n);
    for (AppendBuffer* column : rerank_columns()) column->extend(n_ + n);
    if (labels) {
        labels_.extend(n_ + n);
        std::copy_n(labels, n, labels_.as<std::int64_t>() + n_);
    }
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
    if (model_->partition->spills())
        fail("codes: this index has second lists (IVF(spill=...)), which need the vectors");
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
    extend(coded.n, ids, nullptr);
    for (std::size_t i = 0; i < coded.n; ++i) first_.put(n_ + i, coded.rows.data() + i * layout.row_bytes());
    if (std::uint32_t* lists = first_.lists(n_)) std::copy(coded.lists.begin(), coded.lists.end(), lists);
    std::copy(coded.a.begin(), coded.a.end(), first_.factors(n_).a);
    std::copy(coded.b.begin(), coded.b.end(), first_.factors(n_).b);
    custom_ids_ = ids != nullptr;
    labelled_ = false;
    n_ += coded.n;
}

void SegmentBuilder::append(MatrixView x, const std::int64_t* ids, unsigned threads, const CodeSets* tokens,
                            const std::int64_t* labels, MatrixView others) {
    if (tokens_.has_value() != (tokens != nullptr)) fail(tokens_ ? "tokens: got none" : "tokens: this index has none");
    if (tokens && tokens->size() != x.rows)
        fail("tokens: got " + std::to_string(tokens->size()) + " sets, expected " + std::to_string(x.rows));
    if (x.cols != model_->dim)
        fail("x: got " + std::to_string(x.cols) + " dimensions, expected " + std::to_string(model_->dim));
    if (!model_->two_inputs && others.data) fail("rerank_vectors: this index has no other embedding, expected none");
    if (model_->two_inputs && (others.rows != x.rows || others.cols != model_->rerank_input.dim))
        fail("rerank_vectors: got " + std::to_string(others.rows) + " of " + std::to_string(others.cols)
             + " dimensions, expected " + std::to_string(x.rows) + " of " + std::to_string(model_->rerank_input.dim));
    const std::size_t first = n_;
    extend(x.rows, ids, labels);
    std::vector<std::uint8_t> spilled(spill_ ? checked_mul(x.rows, model_->rerank->layout().row_bytes()) : 0);
    const std::size_t tasks = (x.rows + task_rows - 1) / task_rows;
    std::vector<Second> second(tasks);
    parallel_for(tasks, threads, [&](std::size_t task, unsigned) {
        const std::size_t begin = task * task_rows;
        const MatrixView part = x.block(begin, std::min(task_rows, x.rows - begin));
        std::vector<float> own = checked_copy(part, row_rule(model_->metric), "x", first + begin);
        const MatrixView rows{own.data(), part.rows, part.cols};
        model_->input.enter(rows, own.data());
        encode_rows(rows, first + begin, second[task]);
        if (!model_->rerank) return;
        MatrixView finer = rows;
        if (model_->two_inputs) {
            finer = others.block(begin, part.rows);
            own = checked_copy(finer, row_rule(model_->metric), "rerank_vectors", first + begin);
            finer.data = own.data();
            model_->rerank_input.enter(finer, own.data());
        }
        const std::size_t row_bytes = model_->rerank->layout().row_bytes();
        encode_rerank(finer, first + begin, spill_ ? spilled.data() + begin * row_bytes : nullptr);
    });
    if (spill_) spill_->append(spilled);
    if (tokens) tokens_->append(*tokens);
    while (!second_rows_.empty() && second_rows_.back() >= n_) second_rows_.pop_back();  // of a call that failed
    for (const Second& entries : second) append_second(entries);
    custom_ids_ = ids != nullptr;
    labelled_ = labels != nullptr;
    n_ += x.rows;
}

void SegmentBuilder::encode_rows(MatrixView x, std::size_t first, Second& second) {
    const std::uint32_t d = model_->transform->out_dim();
    std::vector<float> y(x.rows * d);
    model_->transform->apply(x, y.data());
    const MatrixView transformed{y.data(), x.rows, d};
    std::vector<std::uint32_t> lists(x.rows);
    model_->partition->assign(transformed, lists.data(), 1);
    if (std::uint32_t* own = first_.lists(first)) std::copy(lists.begin(), lists.end(), own);
    const std::size_t row_bytes = model_->codec->layout().row_bytes();
    std::vector<std::uint8_t> codes(x.rows * row_bytes);
    encode(transformed, lists.data(), codes.data(), first_.factors(first));
    for (std::size_t i = 0; i < x.rows; ++i) first_.put(first + i, codes.data() + i * row_bytes);
    if (model_->partition->spills()) encode_second(transformed, lists.data(), first, second);
}

// Codes of vectors in these lists.
void SegmentBuilder::encode(MatrixView transformed, const std::uint32_t* lists, std::uint8_t* codes,
                            const Factors& factors) const {
    if (!model_->residual) return model_->codec->encode(transformed, nullptr, codes, factors);
    const std::size_t d = transformed.cols;
    std::vector<float> origin(transformed.size());
    const MatrixView centroids = model_->partition->centroids();
    for (std::size_t i = 0; i < transformed.rows; ++i) std::copy_n(centroids.row(lists[i]), d, origin.data() + i * d);
    if (!model_->relative) return model_->codec->encode(transformed, origin.data(), codes, factors);
    for (std::size_t i = 0; i < origin.size(); ++i) origin[i] = transformed.data[i] - origin[i];
    // What the codec sees is all there is: it has no origin.
    model_->codec->encode({origin.data(), transformed.rows, d}, nullptr, codes, factors);
}

// The entries in second lists of rows first, first + 1, ...
void SegmentBuilder::encode_second(MatrixView transformed, const std::uint32_t* lists, std::size_t first,
                                   Second& second) const {
    std::vector<std::uint32_t> all(transformed.rows);
    model_->partition->assign_second(transformed, lists, all.data(), 1);
    std::vector<float> y;
    for (std::size_t i = 0; i < transformed.rows; ++i) {
        if (all[i] == Partition::no_list) continue;
        second.rows.push_back(static_cast<std::uint32_t>(first + i));
        second.lists.push_back(all[i]);
        y.insert(y.end(), transformed.row(i), transformed.row(i) + transformed.cols);
    }
    const std::size_t n = second.rows.size();
    const CodeLayout layout = model_->codec->layout();
    second.codes.resize(n * layout.row_bytes());
    const auto column = [n](bool present, std::vector<float>& values) {
        values.resize(present ? n : 0);
        return present ? values.data() : nullptr;
    };
    encode({y.data(), n, transformed.cols}, second.lists.data(), second.codes.data(),
           {column(layout.has_a, second.a), column(layout.has_b, second.b), column(layout.has_stage, second.stage)});
}

void SegmentBuilder::append_second(const Second& second) {
    const std::size_t at = second_rows_.size(), row_bytes = model_->codec->layout().row_bytes();
    second_.extend(at + second.rows.size());
    second_rows_.insert(second_rows_.end(), second.rows.begin(), second.rows.end());
    if (std::uint32_t* lists = second_.lists(at)) std::copy(second.lists.begin(), second.lists.end(), lists);
    for (std::size_t i = 0; i < second.rows.size(); ++i) second_.put(at + i, second.codes.data() + i * row_bytes);
    const Factors factors = second_.factors(at);
    std::copy(second.a.begin(), second.a.end(), factors.a);
    std::copy(second.b.begin(), second.b.end(), factors.b);
    std::copy(second.stage.begin(), second.stage.end(), factors.stage);
}

void SegmentBuilder::encode_rerank(MatrixView x, std::size_t first, std::uint8_t* spilled) {
    const auto column = [first](AppendBuffer& factor) {
        return factor.row_bytes() == 0 ? nullptr : factor.as<float>() + first;
    };
    model_->rerank->encode(x, nullptr, spilled ? spilled : rerank_.row(first),
                           {column(rerank_a_), column(rerank_b_), nullptr});
}

// order, lists: of the rows, as they will be numbered.
void SegmentBuilder::keep_labels(const std::vector<std::uint32_t>& order, const std::vector<std::uint64_t>& lists,
                                 Parts& parts) const {
    const auto* labels = labels_.as<std::int64_t>();
    LabelRunsBuilder runs;
    for (std::size_t list = 0; list + 1 < lists.size(); ++list) {
        runs.begin_list();
        for (std::uint64_t row = lists[list]; row < lists[list + 1]; ++row)
            runs.add(static_cast<std::uint32_t>(row), labels[order[row]]);
    }
    runs.keep("segment.labels", parts);
}

// The tokens in list order.
Parts SegmentBuilder::ordered_tokens(const std::vector<std::uint32_t>& order, ProgressCounter& steps) {
    require(tokens_->size() == n_, "tokens: expected one set per vector");
    const CodeLayout layout = model_->tokens->layout();
    Parts arrived = tokens_->finish();
    if (std::is_sorted(order.begin(), order.end())) return arrived;
    const TokenColumn column(layout, arrived, n_);
    return gathered_tokens(layout, model_->tokens_on_disk ? directory_ : "", n_, steps,
                           [&](std::size_t i) { return column[order[i]]; });
}

// order: the rows by list. In every list, entries are in the order of their rows.
void SegmentBuilder::finish_second(const std::vector<std::uint32_t>& order, Parts& parts, ProgressCounter& steps) {
    std::vector<std::uint32_t> entry_of(n_, Partition::no_list), row_of(second_rows_.size()), arrivals;
    for (std::uint32_t entry = 0; entry < second_rows_.size(); ++entry) entry_of[second_rows_[entry]] = entry;
    for (std::uint32_t row = 0; row < n_; ++row) {
        const std::uint32_t entry = entry_of[order[row]];
        if (entry == Partition::no_list) continue;
        row_of[entry] = row;
        arrivals.push_back(entry);
    }
    std::vector<std::uint64_t> lists;
    const std::vector<std::uint32_t> by_list = second_.order_by_list(arrivals, lists);
    second_.finish(by_list, std::move(lists), "segment.second", parts, steps);
    std::vector<std::uint32_t> rows(by_list.size());
    std::transform(by_list.begin(), by_list.end(), rows.begin(), [&](std::uint32_t entry) { return row_of[entry]; });
    keep_array(parts, "segment.second.rows", owned_array(std::move(rows)));
}

std::shared_ptr<const Segment> SegmentBuilder::finish(std::int64_t first_id, const Progress& progress) {
    std::vector<std::uint64_t> lists;
    std::vector<std::uint32_t> arrivals(n_);
    std::iota(arrivals.begin(), arrivals.end(), 0u);
    if (labelled())
        std::stable_sort(arrivals.begin(), arrivals.end(),
                         [labels = labels_.as<std::int64_t>()](auto x, auto y) { return labels[x] < labels[y]; });
    std::vector<std::uint32_t> order = first_.order_by_list(arrivals, lists);
    const bool reordered = model_->partition->nlist() > 1 || !std::is_sorted(order.begin(), order.end());
    const std::size_t columns =
        first_.columns() + rerank_columns().size() + 1 + (spill_ ? 1 : 0) + (custom_ids() ? 1 : 0);
    ProgressCounter steps(progress, n_ * columns + second_rows_.size() * (second_.columns() + 1)
                                        + (tokens_ && reordered ? n_ + tokens_->tokens() : 0));
    Parts parts;
    const auto keep = [&parts](const char* name, Array array) {
        keep_array(parts, std::string("segment.") + name, std::move(array));
    };
    parts.params["segment.n"] = n_;
    parts.params["segment.first_id"] = static_cast<std::uint64_t>(first_id);
    if (reordered)
        for (AppendBuffer* column : rerank_columns()) column->permute(order, steps);
    if (labelled() && n_ > 0) keep_labels(order, lists, parts);
    first_.finish(order, std::move(lists), "segment", parts, steps);
    if (!second_rows_.empty()) finish_second(order, parts, steps);
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
    return std::make_shared<Segment>(*model_, parts, "segment");
}

}  // namespace fewbits
