#include "index/engine.h"

#include <algorithm>
#include <bit>
#include <filesystem>
#include <utility>

#include "index/merge.h"
#include "io/advise.h"

namespace fewbits {
namespace {

constexpr std::uint64_t max_segments = 1u << 20;
constexpr std::uint64_t max_default = 0xffffffff;
constexpr std::int64_t max_next_id = std::int64_t{1} << 62;

std::string segment_name(std::size_t i) {
    return "seg" + std::to_string(i);
}

bool is_default(const std::string& name) {
    return name.starts_with("default.");
}
bool is_segment(const std::string& name) {
    return name.starts_with("seg") || name == "next_id" || OldTokens::is_part(name);
}

std::string folder_or_usual(const std::string& directory) {
    return directory.empty() ? std::filesystem::temp_directory_path().string() : directory;
}

// The parts of the model in a file: without defaults, segments and meta.
Parts model_parts(const Parts& parts) {
    Parts own;
    for (const auto& [name, value] : parts.params)
        if (!is_default(name) && !is_segment(name)) own.params[name] = value;
    for (const auto& [name, array] : parts.arrays)
        if (!is_segment(name) && name != "meta") own.arrays[name] = array;
    return own;
}

// "default.margin" is of searches that rank by tokens (multivector/stopping.h).
bool is_known_default(const std::string& name, const Model& model) {
    return name == "default.nprobe" || name == "default.rerank" || name == "default.patience"
           || (name == "default.margin" && model.tokens != nullptr);
}

void check_default(const std::string& name, std::uint64_t value, const Model& model) {
    if (!is_known_default(name, model))
        fail("default: got '" + name + "', expected 'default.nprobe', 'default.rerank' or 'default.patience'");
    if (value > max_default)
        fail(name + ": got " + std::to_string(value) + ", expected at most " + std::to_string(max_default));
}

// Appends which rows of a segment are alive, from its array of removed rows.
void append_alive(const Parts& parts, const std::string& segment, std::uint32_t n, Bitmap& alive) {
    const std::string name = segment + ".removed";
    alive.append(n, true);
    if (!parts.has(name)) return;
    const auto bytes = parts.array<std::uint8_t>(name, (std::size_t{n} + 7) / 8);
    const std::size_t first = alive.size() - n;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        for (unsigned left = bytes[i]; left != 0; left &= left - 1) {
            const std::size_t row = 8 * i + static_cast<std::size_t>(std::countr_zero(left));
            if (row >= n) throw Error(ErrorKind::corrupt, "array '" + name + "': a bit is set past the last row");
            alive.clear(first + row);
        }
}

std::vector<std::uint8_t> removed_bits(const Snapshot& snapshot, std::size_t s) {
    Bitmap alive;
    alive.append(snapshot.alive, snapshot.first_rows[s], snapshot.first_rows[s + 1]);
    const std::size_t n = alive.size();
    std::vector<std::uint8_t> bytes(alive.data(), alive.data() + (n + 7) / 8);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(~byte);
    if (n % 8 != 0) bytes.back() = static_cast<std::uint8_t>(bytes.back() & ((1u << n % 8) - 1));
    return bytes;
}

// The row of each id.
std::vector<std::uint32_t> row_of_each(const Snapshot& snapshot, std::span<const std::int64_t> ids) {
    std::vector<std::uint32_t> rows;
    rows.reserve(ids.size());
    for (const std::int64_t id : ids) {
        const std::int64_t row = snapshot.row_of(id);
        if (row < 0) fail("ids: " + std::to_string(id) + " is not in the index");
        rows.push_back(static_cast<std::uint32_t>(row));
    }
    return rows;
}

// The snapshot with these rows alive and one more segment. An empty bitmap means that all rows are alive.
std::shared_ptr<const Snapshot> appended(const Snapshot& current, std::shared_ptr<const Segment> added,
                                         const Bitmap& added_alive, Bitmap alive) {
    if (alive.size() > 0 || added_alive.size() > 0) {
        if (alive.size() == 0) alive = current.alive_rows();
        if (added_alive.size() > 0)
            alive.append(added_alive, 0, added->n());
        else
            alive.append(added->n(), true);
    }
    auto segments = current.segments;
    segments.push_back(std::move(added));
    return Snapshot::make(current.model, std::move(segments), std::move(alive), current.next_id);
}

// All vectors of an index have labels, or none has.
void check_labels(const Snapshot& current, const Segment& added) {
    const bool labelled = added.labels() != nullptr;
    if (current.segments.empty() || current.has_labels() == labelled) return;
    fail(std::string("labels: expected for all vectors or none, but the vectors in the index have ")
         + (labelled ? "none, and the new ones have" : "labels, and the new ones have none"));
}

// The same, after rejecting ids that the index already has, or removing their old rows.
std::shared_ptr<const Snapshot> with_segment(const Snapshot& current, std::shared_ptr<const Segment> added,
                                             const Bitmap& added_alive, OnConflict on_conflict,
                                             const Progress& progress) {
    check_labels(current, *added);
    Bitmap alive = current.alive;
    ProgressCounter steps(progress, added->n());
    const bool all_new = !added->custom_ids() && added->first_id() >= current.next_id;
    if (!all_new)
        for (const auto& segment : current.segments) segment->order_ids(progress);
    for (std::uint32_t row = 0; row < added->n() && !all_new; ++row) {
        steps.add(1);
        if (added_alive.size() > 0 && !added_alive.test(row)) continue;
        const std::int64_t known = current.row_of(added->id(row));
        if (known < 0) continue;
        if (on_conflict == OnConflict::error)
            fail("ids: " + std::to_string(added->id(row)) + " is in the index already");
        if (alive.size() == 0) alive = current.alive_rows();
        alive.clear(static_cast<std::size_t>(known));
    }
    return appended(current, std::move(added), added_alive, std::move(alive));
}

// Merges the segments from `first` on into one.
std::shared_ptr<const Snapshot> with_merged(const Snapshot& current, std::size_t first, const std::string& directory,
                                            unsigned threads, const Progress& progress) {
    const auto tail = current.part(first, current.segments.size());
    const auto kept = current.part(0, first);
    return appended(*kept, merge(*tail, directory, threads, progress), Bitmap(), kept->alive);
}

// The tokens of a segment from an old file, converted to the present format.
Parts renewed_tokens(const Snapshot& snapshot, std::size_t s) {
    const Model& model = *snapshot.model;
    const Progress silent;
    ProgressCounter steps(silent, snapshot.segments[s]->n());
    return gathered_tokens(model.tokens->layout(), model.tokens_on_disk ? folder_or_usual("") : "",
                           snapshot.segments[s]->n(), steps, [&](std::size_t row) {
                               const bool alive =
                                   snapshot.is_alive(snapshot.first_rows[s] + static_cast<std::uint32_t>(row));
                               return alive ? snapshot.segments[s]->tokens()[row] : CodeSet{};
                           });
}

void count_tokens(const Segment& segment, const CodeLayout& layout, ByteCounts& counts, bool on_disk) {
    std::uint64_t codes = 0, tokens = 0;
    for (std::uint32_t row = 0; row < segment.n(); ++row) {
        const std::uint32_t n = segment.tokens()[row].n;
        codes += code_set_bytes(layout, n);
        tokens += n;
    }
    counts.tokens += tokens;
    (on_disk ? counts.on_disk : counts.per_vector)["tokens.codes"] += codes;
    counts.per_vector["tokens.lists"] += (std::uint64_t{segment.n()} + 1) * sizeof(std::uint64_t);
    counts.per_vector["tokens.a"] += layout.has_a ? tokens * sizeof(float) : 0;
}

// Whether two of them have an id in common. All ids are sorted once, where lookups would take one per id and segment.
bool share_ids(std::span<const std::shared_ptr<const Snapshot>> snapshots) {
    std::vector<std::int64_t> all;
    for (const auto& snapshot : snapshots) snapshot->ids(0, snapshot->n(), all);
    std::sort(all.begin(), all.end());
    return std::adjacent_find(all.begin(), all.end()) != all.end();
}

// The rows of these ids. Many are looked for among the ids of all rows, few in the segments.
Bitmap rows_of(const Snapshot& snapshot, std::span<const std::int64_t> ids) {
    Bitmap rows(snapshot.rows());
    std::size_t found = 0;
    if (ids.size() * snapshot.segments.size() >= snapshot.rows()) {
        std::vector<std::int64_t> wanted(ids.begin(), ids.end());
        std::sort(wanted.begin(), wanted.end());
        for (std::size_t s = 0; s < snapshot.segments.size(); ++s)
            for (std::uint32_t row = 0; row < snapshot.segments[s]->n(); ++row) {
                const std::uint32_t at = snapshot.first_rows[s] + row;
                if (!snapshot.is_alive(at)) continue;
                if (!std::binary_search(wanted.begin(), wanted.end(), snapshot.segments[s]->id(row))) continue;
                rows.set(at);
                ++found;
            }
    }
    if (found == ids.size()) return rows;
    for (const std::int64_t id : ids) {
        const std::int64_t row = snapshot.row_of(id);
        if (row < 0) fail("ids: " + std::to_string(id) + " is not in the index");
        rows.set(static_cast<std::size_t>(row));
    }
    return rows;
}

bool same_parts(const Parts& x, const Parts& y) {
    return x.params == y.params
           && std::equal(x.arrays.begin(), x.arrays.end(), y.arrays.begin(), y.arrays.end(),
                         [](const auto& a, const auto& b) {
                             return a.first == b.first && a.second.dtype == b.second.dtype
                                    && std::ranges::equal(a.second.bytes, b.second.bytes);
                         });
}

}  // namespace

Engine::Engine(std::shared_ptr<const Model> model)
    : model_(std::move(model)), snapshot_(Snapshot::make(model_, {}, Bitmap(), 0)) {}

Engine::Engine(const Parts& parts) : Engine(Model::make(model_parts(parts))) {
    for (const auto& [name, value] : parts.params) {
        if (!is_default(name)) continue;
        if (!is_known_default(name, *model_)) throw Error(ErrorKind::corrupt, "param '" + name + "': no such default");
        set_default(name, parts.param(name, 0, max_default));
    }
}

std::unique_ptr<Engine> Engine::open(IndexFile& file, bool mapped, Verify verify) {
    Parts parts = file.read(mapped, verify);
    auto engine = of_parts(parts, mapped);
    file.give_back(std::move(parts));
    return engine;
}

std::unique_ptr<Engine> Engine::from_bytes(std::span<const std::byte> file, std::span<const std::byte> log) {
    return of_parts(read_bytes(file, log), false);
}

std::unique_ptr<Engine> Engine::of_parts(const Parts& parts, bool mapped) {
    if (parts.params.contains("sparse.kind")) fail("holds a sparse index: that is for fewbits.SparseIndex to read");
    auto engine = std::make_unique<Engine>(parts);
    if (const auto meta = parts.arrays.find("meta"); meta != parts.arrays.end())
        engine->meta_.assign(reinterpret_cast<const char*>(meta->second.bytes.data()), meta->second.bytes.size());
    const Model& model = *engine->model_;
    const bool random = mapped && model.tokens_on_disk;
    const auto old = model.tokens ? OldTokens::in(parts, model.tokens->layout(), random) : nullptr;
    std::vector<std::shared_ptr<const Segment>> segments;
    Bitmap alive;
    for (std::size_t i = 0; i < parts.param("segments", 0, max_segments); ++i) {
        segments.push_back(std::make_shared<Segment>(model, parts, segment_name(i), old.get()));
        append_alive(parts, segment_name(i), segments.back()->n(), alive);
        if (mapped && model.rerank_on_disk) io::advise_random(segments.back()->rerank_bytes());
        if (const auto& own = segments.back()->parts(); random && own.has("tokens.codes"))
            io::advise_random(own.arrays.at("tokens.codes").bytes);
    }
    if (std::any_of(segments.begin(), segments.end(),
                    [&](const auto& segment) { return !segment->labels() != !segments.front()->labels(); }))
        throw Error(ErrorKind::corrupt, "labels: expected in all segments or none");
    std::uint64_t next_id = 0;
    for (const char* name : {"next_id", "tokens.next_id"})
        if (parts.params.contains(name)) next_id = std::max(next_id, parts.param(name, 0, max_next_id));
    engine->snapshot_ =
        Snapshot::make(engine->model_, std::move(segments), std::move(alive), static_cast<std::int64_t>(next_id));
    return engine;
}

std::shared_ptr<const Snapshot> Engine::snapshot() const {
    const BriefLock lock(this);
    return snapshot_;
}

void Engine::replace(const std::shared_ptr<const Snapshot>& current, std::shared_ptr<const Snapshot> next) {
    {
        const BriefLock lock(this);
        if (snapshot_ == current) {
            snapshot_.swap(next);
            return;  // the old snapshot is released after the lock
        }
    }
    fail("the index was changed by another thread meanwhile; this change was not made");
}

std::unique_ptr<SegmentBuilder> Engine::builder(std::size_t expected, const std::string& directory) const {
    return std::make_unique<SegmentBuilder>(model_, expected, folder_or_usual(directory));
}

void Engine::publish(SegmentBuilder& builder, OnConflict on_conflict, unsigned threads, const Progress& progress) {
    const auto current = snapshot();
    if (builder.size() == 0) return;
    if (!builder.custom_ids() && current->next_id > max_next_id - std::int64_t{0xffffffff})
        fail("ids: expected ids, as no larger default ids are left");
    const auto added = builder.finish(current->next_id, progress);
    if (const std::int64_t twice = added->duplicate_id(progress); twice >= 0)
        fail("ids: " + std::to_string(twice) + " is given twice");
    auto next = with_segment(*current, added, Bitmap(), on_conflict, progress);
    if (const std::size_t first = first_to_merge(*next); first + 1 < next->segments.size())
        next = with_merged(*next, first, builder.directory(), threads, progress);
    replace(current, std::move(next));
}

std::size_t Engine::remove(std::span<const std::int64_t> ids) {
    const auto current = snapshot();
    Bitmap alive = current->alive_rows();
    std::size_t removed = 0;
    for (const std::int64_t id : ids) {
        const std::int64_t row = current->row_of(id);
        if (row < 0 || !alive.test(static_cast<std::size_t>(row))) continue;
        alive.clear(static_cast<std::size_t>(row));
        ++removed;
    }
    if (removed > 0) replace(current, Snapshot::make(model_, current->segments, std::move(alive), current->next_id));
    return removed;
}

void Engine::compact(unsigned threads, const Progress& progress, const std::string& directory) {
    const auto current = snapshot();
    const bool whole = current->segments.size() <= 1 && current->alive.size() == 0;
    if (!whole) replace(current, with_merged(*current, 0, folder_or_usual(directory), threads, progress));
}

std::unique_ptr<Engine> Engine::join(std::span<const Engine* const> engines, OnConflict on_conflict,
                                     const Progress& progress) {
    require(!engines.empty(), "merge: expected at least one index");
    auto joined = std::make_unique<Engine>(engines.front()->model_);
    joined->defaults_ = engines.front()->shared_defaults();
    std::vector<std::shared_ptr<const Snapshot>> snapshots;
    for (std::size_t e = 0; e < engines.size(); ++e) {
        if (!same_parts(joined->model_->parts, engines[e]->model_->parts))
            fail("merge: index " + std::to_string(e) + " has another training than the first");
        snapshots.push_back(engines[e]->snapshot());
    }
    const bool disjoint = snapshots.size() > 2 && !share_ids(snapshots);
    auto next = snapshots.front();
    for (std::size_t e = 1; e < snapshots.size(); ++e)
        for (std::size_t s = 0; s < snapshots[e]->segments.size(); ++s) {
            const auto& segment = snapshots[e]->segments[s];
            const Bitmap alive = snapshots[e]->part(s, s + 1)->alive;
            next = disjoint ? appended(*next, segment, alive, next->alive)
                            : with_segment(*next, segment, alive, on_conflict, progress);
        }
    joined->snapshot_ = std::move(next);
    return joined;
}

std::unique_ptr<Engine> Engine::take(std::span<const std::int64_t> ids, const std::string& directory,
                                     unsigned threads) const {
    const auto current = snapshot();
    const Bitmap rows = rows_of(*current, ids);
    auto taken = std::make_unique<Engine>(model_);
    taken->defaults_ = shared_defaults();
    if (!ids.empty()) {
        auto segment = fewbits::take(*current, rows, folder_or_usual(directory), threads);
        taken->snapshot_ = Snapshot::make(model_, {std::move(segment)}, Bitmap(), 0);
    }
    return taken;
}

Parts Engine::as_parts(const std::string& meta) const {
    const auto current = snapshot();
    Parts parts = model_->parts;
    parts.arrays["meta"] = {DType::u8, std::as_bytes(std::span(meta.data(), meta.size())), nullptr};
    for (const auto& [name, value] : params()) parts.params[name] = value;
    parts.params["segments"] = current->segments.size();
    parts.params["next_id"] = static_cast<std::uint64_t>(current->next_id);
    for (std::size_t i = 0; i < current->segments.size(); ++i) {
        for (const auto& [name, value] : current->segments[i]->parts().params)
            parts.params[segment_name(i) + "." + name] = value;
        for (const auto& [name, array] : current->segments[i]->parts().arrays)
            parts.arrays[segment_name(i) + "." + name] = array;
        if (model_->tokens && !current->segments[i]->stores_tokens())
            for (const auto& [name, array] : renewed_tokens(*current, i).arrays)
                parts.arrays[segment_name(i) + ".tokens." + name] = array;
        if (current->live[i] < current->segments[i]->n())
            parts.arrays[segment_name(i) + ".removed"] = owned_array(removed_bits(*current, i));
    }
    return parts;
}

std::vector<std::byte> Engine::to_bytes(const std::string& meta) const {
    return write_bytes(as_parts(meta));
}

std::map<std::string, std::uint64_t> Engine::params() const {
    auto all = *shared_defaults();
    all.insert(model_->parts.params.begin(), model_->parts.params.end());
    return all;
}

std::shared_ptr<const Engine::Defaults> Engine::shared_defaults() const {
    const BriefLock lock(this);
    return defaults_;
}

void Engine::set_default(const std::string& name, std::uint64_t value) {
    check_default(name, value, *model_);
    for (;;) {
        auto current = shared_defaults();
        auto changed = *current;
        changed[name] = value;
        std::shared_ptr<const Defaults> next = std::make_shared<const Defaults>(std::move(changed));
        const BriefLock lock(this);
        if (defaults_ != current) continue;
        defaults_.swap(next);
        return;
    }
}

void Engine::number_from(std::int64_t next_id) {
    const auto current = snapshot();
    replace(current, Snapshot::make(model_, current->segments, current->alive, std::max(current->next_id, next_id)));
}

std::unique_ptr<Engine> Engine::copy() const {
    auto engine = std::make_unique<Engine>(model_);
    engine->meta_ = meta_;
    engine->defaults_ = shared_defaults();
    engine->snapshot_ = snapshot();
    return engine;
}

std::unique_ptr<Engine> Engine::with_scoring(const Parts& trained) const {
    return with_model(model_->with_scoring(trained));
}

std::unique_ptr<Engine> Engine::with_encoder(const Parts& encoder) const {
    return with_model(model_->with_encoder(encoder));
}

std::unique_ptr<Engine> Engine::with_model(std::shared_ptr<const Model> model) const {
    auto engine = std::make_unique<Engine>(std::move(model));
    engine->meta_ = meta_;
    engine->defaults_ = shared_defaults();
    const auto current = snapshot();
    engine->snapshot_ = Snapshot::make(engine->model_, current->segments, current->alive, current->next_id);
    return engine;
}

void Engine::reconstruct(std::span<const std::int64_t> ids, float* out) const {
    decode(ids, model_->rerank && !model_->two_inputs, out);
}

void Engine::reconstruct_rerank(std::span<const std::int64_t> ids, float* out) const {
    if (!model_->two_inputs) fail("rerank_vectors: this index has no other embedding");
    decode(ids, true, out);
}

// finer: from the codes of the rerank store.
void Engine::decode(std::span<const std::int64_t> ids, bool finer, float* out) const {
    const auto current = snapshot();
    const Model& model = *model_;
    const InputSpace& space = finer ? model.rerank_input : model.input;
    std::vector<std::uint8_t> row_bytes(model.codec->layout().row_bytes());
    std::vector<float> y(model.transform->out_dim());
    const std::vector<std::uint32_t> rows = row_of_each(*current, ids);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::size_t s = current->segment_of(rows[i]);
        const Segment& segment = *current->segments[s];
        const std::uint32_t row = rows[i] - current->first_rows[s];
        float* x = out + i * space.dim;
        if (finer) {
            const RowCodes& codes = segment.rerank();
            const StoredFactors factors = StoredFactors{codes.a, codes.b, nullptr}.from(row);
            model.rerank->decode(codes.base + row * codes.stride, factors, nullptr, 1, x);
        } else {
            segment.code(model.codec->layout(), row, row_bytes.data());
            const float* origin = model.residual ? model.partition->centroids().row(segment.list_of(row)) : nullptr;
            model.codec->decode(row_bytes.data(), segment.factors().from(row), origin, 1, y.data());
            model.transform->invert({y.data(), 1, y.size()}, x);
        }
        for (std::size_t j = 0; j < space.center.size(); ++j) x[j] += space.center[j];
    }
}

std::vector<std::int64_t> Engine::labels(std::span<const std::int64_t> ids) const {
    const auto current = snapshot();
    if (!ids.empty() && !current->segments.empty() && !current->has_labels())
        fail("labels: the vectors of this index have none (labels= of build and add)");
    std::vector<std::int64_t> labels;
    for (const std::uint32_t row : row_of_each(*current, ids)) labels.push_back(current->label(row));
    return labels;
}

ByteCounts Engine::bytes(const Snapshot& snapshot) {
    ByteCounts counts;
    for (const auto& [name, array] : snapshot.model->parts.arrays) counts.fixed[name] += array.bytes.size();
    const Model& model = *snapshot.model;
    for (std::size_t s = 0; s < snapshot.segments.size(); ++s) {
        if (snapshot.live[s] < snapshot.segments[s]->n())
            counts.per_vector["removed"] += (std::uint64_t{snapshot.segments[s]->n()} + 7) / 8;
        if (model.tokens) count_tokens(*snapshot.segments[s], model.tokens->layout(), counts, model.tokens_on_disk);
        for (const auto& [name, array] : snapshot.segments[s]->parts().arrays) {
            if (name.starts_with("tokens.")) continue;
            auto& column = name == "lists" || name == "second.lists"  ? counts.fixed
                           : name == "rerank" && model.rerank_on_disk ? counts.on_disk
                                                                      : counts.per_vector;
            column[name] += array.bytes.size();
        }
    }
    return counts;
}

}  // namespace fewbits
