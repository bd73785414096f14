#include "index/engine.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "io/advise.h"
#include "io/file.h"

namespace fewbits {
namespace {

constexpr std::uint64_t max_segments = 1u << 20;
constexpr std::uint64_t max_default = 0xffffffff;

std::string segment_name(std::size_t i) {
    return "seg" + std::to_string(i);
}

bool is_default(const std::string& name) {
    return name.starts_with("default.");
}
bool is_segment(const std::string& name) {
    return name.starts_with("seg");
}

// Splits what a file holds: the model's own parts stay, defaults and segments are taken by others.
Parts model_parts(const Parts& parts) {
    Parts own;
    for (const auto& [name, value] : parts.params)
        if (!is_default(name) && !is_segment(name)) own.params[name] = value;
    for (const auto& [name, array] : parts.arrays)
        if (!is_segment(name) && name != "meta") own.arrays[name] = array;
    return own;
}

void check_default(const std::string& name, std::uint64_t value) {
    if (name != "default.nprobe" && name != "default.rerank")
        fail("default: got '" + name + "', expected 'default.nprobe' or 'default.rerank'");
    if (value > max_default)
        fail(name + ": got " + std::to_string(value) + ", expected at most " + std::to_string(max_default));
}

}  // namespace

Engine::Engine(Parts parts) {
    for (const auto& [name, value] : parts.params)
        if (is_default(name)) set_default(name, value);
    model_ = Model::make(model_parts(parts));
    replace({});
}

Engine::Engine(std::shared_ptr<const Model> model) : model_(std::move(model)) {
    replace({});
}

std::unique_ptr<Engine> Engine::open(const std::string& path, bool mapped, bool verify_all) {
    const Parts parts = read_file(path, mapped, verify_all ? Verify::all : Verify::trusted);
    auto engine = std::make_unique<Engine>(parts);
    if (const auto meta = parts.arrays.find("meta"); meta != parts.arrays.end())
        engine->meta_.assign(reinterpret_cast<const char*>(meta->second.bytes.data()), meta->second.bytes.size());
    std::vector<std::shared_ptr<const Segment>> segments;
    for (std::size_t i = 0; i < parts.param("segments", 0, max_segments); ++i) {
        segments.push_back(std::make_shared<Segment>(*engine->model_, parts, segment_name(i)));
        if (mapped && engine->model_->rerank_on_disk) io::advise_random(segments.back()->rerank_bytes());
    }
    engine->replace(std::move(segments));
    return engine;
}

std::shared_ptr<const Snapshot> Engine::snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
}

void Engine::replace(std::vector<std::shared_ptr<const Segment>> segments) {
    auto next = std::make_shared<Snapshot>();
    next->model = model_;
    next->first_rows.push_back(0);
    std::uint64_t n = 0;
    for (const auto& segment : segments) {
        n += segment->n();
        if (n > 0xfffffffe) fail("an index holds at most 2^32 - 2 vectors");
        next->first_rows.push_back(static_cast<std::uint32_t>(n));
    }
    next->segments = std::move(segments);
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(next);
}

std::unique_ptr<SegmentBuilder> Engine::builder(std::size_t expected, const std::string& directory) const {
    return std::make_unique<SegmentBuilder>(
        model_, expected, directory.empty() ? std::filesystem::temp_directory_path().string() : directory);
}

void Engine::publish(SegmentBuilder& builder) {
    const std::lock_guard one(publishing_);
    const auto current = snapshot();
    std::int64_t next_id = 0;
    for (const auto& segment : current->segments) next_id = std::max(next_id, segment->next_id());
    if (builder.size() == 0) return;
    const auto added = builder.finish(next_id);
    if (const std::int64_t twice = added->duplicate_id(); twice >= 0)
        fail("ids: " + std::to_string(twice) + " is given twice");
    for (std::uint32_t row = 0; row < added->n() && !current->segments.empty(); ++row)
        if (current->row_of(added->id(row)) >= 0)
            fail("ids: " + std::to_string(added->id(row)) + " is in the index already");
    auto segments = current->segments;
    segments.push_back(added);
    replace(std::move(segments));
}

Parts Engine::as_parts(const Snapshot& snapshot) const {
    Parts parts = model_->parts;
    for (const auto& [name, value] : params()) parts.params[name] = value;
    parts.params["segments"] = snapshot.segments.size();
    for (std::size_t i = 0; i < snapshot.segments.size(); ++i) {
        for (const auto& [name, value] : snapshot.segments[i]->parts().params)
            parts.params[segment_name(i) + "." + name] = value;
        for (const auto& [name, array] : snapshot.segments[i]->parts().arrays)
            parts.arrays[segment_name(i) + "." + name] = array;
    }
    return parts;
}

void Engine::save(const std::string& path, const std::string& meta) const {
    const auto current = snapshot();
    Parts parts = as_parts(*current);
    parts.arrays["meta"] = {DType::u8, std::as_bytes(std::span(meta.data(), meta.size())), nullptr};
    write_file(path, parts);
}

std::map<std::string, std::uint64_t> Engine::params() const {
    auto all = model_->parts.params;
    const std::lock_guard lock(mutex_);
    all.insert(defaults_.begin(), defaults_.end());
    return all;
}

void Engine::set_default(const std::string& name, std::uint64_t value) {
    check_default(name, value);
    const std::lock_guard lock(mutex_);
    defaults_[name] = value;
}

std::unique_ptr<Engine> Engine::with_scoring(const Parts& trained) const {
    auto engine = std::make_unique<Engine>(model_->with_scoring(trained));
    engine->meta_ = meta_;
    std::vector<std::shared_ptr<const Segment>> segments;
    {
        const std::lock_guard lock(mutex_);
        engine->defaults_ = defaults_;
        segments = snapshot_->segments;
    }
    engine->replace(std::move(segments));
    return engine;
}

void Engine::reconstruct(std::span<const std::int64_t> ids, float* out) const {
    const auto current = snapshot();
    const Model& model = *model_;
    std::vector<std::uint8_t> row_bytes(model.codec->layout().row_bytes());
    std::vector<float> y(model.transform->out_dim());
    std::vector<std::uint32_t> rows(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::int64_t row = current->row_of(ids[i]);
        if (row < 0) fail("ids: " + std::to_string(ids[i]) + " is not in the index");
        rows[i] = static_cast<std::uint32_t>(row);
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::size_t s = current->segment_of(rows[i]);
        const Segment& segment = *current->segments[s];
        const std::uint32_t row = rows[i] - current->first_rows[s];
        float* x = out + i * model.dim;
        if (model.rerank) {
            const RowCodes& codes = segment.rerank();
            model.rerank->decode(codes.base + row * codes.stride, codes.a ? codes.a + row : nullptr, 1, x);
            continue;
        }
        segment.code(model, row, row_bytes.data());
        model.codec->decode(row_bytes.data(), segment.a() ? segment.a() + row : nullptr, 1, y.data());
        if (model.residual) {
            const float* centroid = model.partition->centroids().row(segment.list_of(row));
            for (std::size_t j = 0; j < y.size(); ++j) y[j] += centroid[j];
        }
        model.transform->invert({y.data(), 1, y.size()}, x);
    }
}

ByteCounts Engine::bytes() const {
    ByteCounts counts;
    for (const auto& [name, array] : model_->parts.arrays) counts.fixed[name] += array.bytes.size();
    for (const auto& segment : snapshot()->segments)
        for (const auto& [name, array] : segment->parts().arrays) {
            auto& column = name == "lists"                              ? counts.fixed
                           : name == "rerank" && model_->rerank_on_disk ? counts.on_disk
                                                                        : counts.per_vector;
            column[name] += array.bytes.size();
        }
    return counts;
}

}  // namespace fewbits
