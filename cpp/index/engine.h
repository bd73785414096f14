// An index: a model, and a snapshot of segments that is replaced as a whole. Readers take the snapshot once and never
// lock again; what they hold stays valid, whatever is published or saved meanwhile. One writer at a time: a change that
// another one overtakes is refused.
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

namespace fewbits {

// Where the bytes go, as saved: names as in docs/format.md without the segment's number, summed over segments.
struct ByteCounts {
    std::map<std::string, std::uint64_t> per_vector, fixed, on_disk;
    std::uint64_t tokens = 0;  // of all rows
};

// What becomes of an id that the index has already.
enum class OnConflict { error, replace };

class Engine {
public:
    explicit Engine(const Parts& parts);
    explicit Engine(std::shared_ptr<const Model> model);  // empty
    static std::unique_ptr<Engine> open(const std::string& path, bool mapped, bool verify_all);
    static std::unique_ptr<Engine> from_bytes(std::span<const std::byte> file);  // what to_bytes gave; checked in full

    const Model& model() const { return *model_; }
    std::shared_ptr<const Snapshot> snapshot() const;
    // directory: of the files, without names, that take what is kept on disk (empty: the system's for temporary files).
    std::unique_ptr<SegmentBuilder> builder(std::size_t expected, const std::string& directory) const;
    // All or nothing: an error leaves the index as it was, as it does in all that follows, also one that `progress`
    // throws. Small segments are merged as they pile up, in the builder's directory.
    void publish(SegmentBuilder& builder, OnConflict on_conflict = OnConflict::error, unsigned threads = 0,
                 const Progress& progress = {});
    // At once for every search that starts from now on; the codes stay until their segment is merged. Unknown ids are
    // passed over; returns how many were there.
    std::size_t remove(std::span<const std::int64_t> ids);
    // All segments become one, without the removed vectors. directory: as for a builder.
    void compact(unsigned threads = 0, const Progress& progress = {}, const std::string& directory = "");
    // An engine of the segments of all, which it shares with them. Their models must be the same, byte for byte. Where
    // two have an id, the later one's vector stays, or it is an error.
    static std::unique_ptr<Engine> join(std::span<const Engine* const> engines, OnConflict on_conflict,
                                        const Progress& progress = {});

    void save(const std::string& path, const std::string& meta) const;
    std::vector<std::byte> to_bytes(const std::string& meta) const;  // what save writes
    const std::string& meta() const { return meta_; }
    std::map<std::string, std::uint64_t> params() const;             // of the model, and the defaults
    void set_default(const std::string& name, std::uint64_t value);  // "default.nprobe", "default.rerank"

    // Another engine of the same state: changing one leaves the other as it is.
    std::unique_ptr<Engine> copy() const;
    // Another engine over the same segments, which scores as `trained` says (see Model). This one stays as it is.
    std::unique_ptr<Engine> with_scoring(const Parts& trained) const;
    // The same for another input, with a compatible encoder of it ("dim", "codec.*"; see Model).
    std::unique_ptr<Engine> with_encoder(const Parts& encoder) const;

    // Ids that are not given go on from next_id, or from the largest id given so far.
    void number_from(std::int64_t next_id);

    // out: ids.size() x dim, decoded from the finest codes stored. An unknown id is an error that names it.
    void reconstruct(std::span<const std::int64_t> ids, float* out) const;
    static ByteCounts bytes(const Snapshot& snapshot);

private:
    using Defaults = std::map<std::string, std::uint64_t>;
    std::shared_ptr<const Defaults> shared_defaults() const;
    std::unique_ptr<Engine> with_model(std::shared_ptr<const Model> model) const;
    static std::unique_ptr<Engine> of_parts(const Parts& parts, bool mapped);
    Parts as_parts(const std::string& meta) const;
    void replace(const std::shared_ptr<const Snapshot>& current, std::shared_ptr<const Snapshot> next);

    std::shared_ptr<const Model> model_;
    std::string meta_;
    std::shared_ptr<const Snapshot> snapshot_;  // this and the defaults under a BriefLock
    std::shared_ptr<const Defaults> defaults_ = std::make_shared<const Defaults>();
};

}  // namespace fewbits
