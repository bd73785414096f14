// An index: a model, and a snapshot of segments that is replaced as a whole. Readers take the snapshot once and then
// need no lock; their snapshot stays valid, even if the index is changed or saved meanwhile. One writer at a time: a
// change fails if another one was made since it began.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/locks.h"
#include "index/builder.h"
#include "index/model.h"
#include "index/snapshot.h"
#include "io/index_file.h"

namespace fewbits {

// Bytes in a saved file by array, summed over segments; names as in docs/format.md, without the segment's number.
struct ByteCounts {
    std::map<std::string, std::uint64_t> per_vector, fixed, on_disk;
    std::uint64_t tokens = 0;  // of all rows
};

// What to do with an id that the index already has.
enum class OnConflict { error, replace };

class Engine {
public:
    explicit Engine(const Parts& parts);
    explicit Engine(std::shared_ptr<const Model> model);  // empty
    static std::unique_ptr<Engine> open(IndexFile& file, bool mapped, Verify verify);
    // Bytes from to_bytes, and perhaps those of the log of such a file; checked in full.
    static std::unique_ptr<Engine> from_bytes(std::span<const std::byte> file, std::span<const std::byte> log = {});

    const Model& model() const { return *model_; }
    std::shared_ptr<const Snapshot> snapshot() const;
    // directory: for the nameless files of codes that are kept on disk (empty: the system's for temporary files).
    std::unique_ptr<SegmentBuilder> builder(std::size_t expected, const std::string& directory) const;
    // All or nothing: an error, also one thrown by `progress`, leaves the index unchanged; the same holds for all
    // changes below. Small segments are merged when they accumulate, in the builder's directory.
    void publish(SegmentBuilder& builder, OnConflict on_conflict = OnConflict::error, unsigned threads = 0,
                 const Progress& progress = {});
    // Takes effect for all searches that start afterwards; codes are kept until their segment is merged. Unknown ids
    // are ignored; returns the number of removed vectors.
    std::size_t remove(std::span<const std::int64_t> ids);
    // Merges all segments into one, without removed vectors. directory: as for a builder.
    void compact(unsigned threads = 0, const Progress& progress = {}, const std::string& directory = "");
    // An engine with the segments of all engines, which it shares with them. Their models must be equal, byte for byte.
    // If two engines have the same id, the vector of the later one is kept, or this fails.
    static std::unique_ptr<Engine> join(std::span<const Engine* const> engines, OnConflict on_conflict,
                                        const Progress& progress = {});

    // Another engine with these vectors, from their stored codes; its bytes depend on nothing else. Fails for an
    // unknown id, and names it. directory: as for a builder.
    std::unique_ptr<Engine> take(std::span<const std::int64_t> ids, const std::string& directory = "",
                                 unsigned threads = 0) const;

    // What is saved. The result refers to meta.
    Parts as_parts(const std::string& meta) const;
    std::vector<std::byte> to_bytes(const std::string& meta) const;  // of a file of these parts
    const std::string& meta() const { return meta_; }
    std::map<std::string, std::uint64_t> params() const;             // those of the model, and the defaults
    void set_default(const std::string& name, std::uint64_t value);  // ".nprobe", ".rerank", ".patience", ".margin"

    // Another engine with the same state: changes to one do not affect the other.
    std::unique_ptr<Engine> copy() const;
    // Another engine over the same segments, with the scoring of `trained` (see Model). This one does not change.
    std::unique_ptr<Engine> with_scoring(const Parts& trained) const;
    // Another engine over the same segments for other inputs, with a compatible encoder ("dim", "codec.*"; see Model).
    std::unique_ptr<Engine> with_encoder(const Parts& encoder) const;

    // Default ids continue from next_id, or after the largest id assigned so far.
    void number_from(std::int64_t next_id);

    // out: ids.size() x dim, decoded from the finest stored codes of the input. Fails for an unknown id, and names it.
    void reconstruct(std::span<const std::int64_t> ids, float* out) const;
    // The same for the other embedding of an index that has two. out: ids.size() x rerank_input.dim.
    void reconstruct_rerank(std::span<const std::int64_t> ids, float* out) const;
    // The label of each. Fails for an unknown id, and names it, and if the vectors have no labels.
    std::vector<std::int64_t> labels(std::span<const std::int64_t> ids) const;
    static ByteCounts bytes(const Snapshot& snapshot);

private:
    using Defaults = std::map<std::string, std::uint64_t>;
    std::shared_ptr<const Defaults> shared_defaults() const;
    std::unique_ptr<Engine> with_model(std::shared_ptr<const Model> model) const;
    static std::unique_ptr<Engine> of_parts(const Parts& parts, bool mapped);
    void decode(std::span<const std::int64_t> ids, bool finer, float* out) const;
    void replace(const std::shared_ptr<const Snapshot>& current, std::shared_ptr<const Snapshot> next);

    std::shared_ptr<const Model> model_;
    std::string meta_;
    std::shared_ptr<const Snapshot> snapshot_;  // guarded by a BriefLock, as are the defaults
    std::shared_ptr<const Defaults> defaults_ = std::make_shared<const Defaults>();
};

}  // namespace fewbits
