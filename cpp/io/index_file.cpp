#include "io/index_file.h"

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "io/contents.h"
#include "io/runs.h"

namespace fewbits {

using namespace io;

namespace {

constexpr std::uint64_t least_folded = std::uint64_t{1} << 20;  // logs up to this length are not folded in
constexpr std::uint64_t most_decoded = 16;                      // half of what readers accept

#if defined(_WIN32)
constexpr int stale = EBUSY;  // which has no ESTALE
#else
constexpr int stale = ESTALE;
#endif

[[noreturn]] void fail_stale(const std::string& what) {
    throw Error(ErrorKind::io,
                what + " since this index read or wrote it: open the path again, or save to replace what it holds",
                stale);
}

// Runs `work`; adds the path to every error.
template <class Work>
auto with_path(const std::string& path, Work work) {
    try {
        return work();
    } catch (const Error& error) {
        throw Error(error.kind(), path + ": " + error.what(), error.error_number());
    }
}

using Bytes = std::vector<std::byte>;

std::shared_ptr<const Bytes> shared(Bytes bytes) {
    return std::make_shared<const Bytes>(std::move(bytes));
}

// The two changes as one.
Bytes joined(std::span<const std::byte> earlier, std::span<const std::byte> later) {
    Bytes both(std::max(decoded_bytes(earlier), decoded_bytes(later)));
    xor_runs(earlier, both);
    xor_runs(later, both);
    return encode_runs(both);
}

// Arrays that own their bytes.
std::map<std::string, Array> owned(std::map<std::string, Array> arrays) {
    for (auto& [name, array] : arrays) {
        if (array.owner || array.bytes.empty()) continue;
        const auto copy = shared({array.bytes.begin(), array.bytes.end()});
        array.bytes = *copy;
        array.owner = copy;
    }
    return arrays;
}

bool same_table(const std::vector<Stored>& x, const std::vector<Stored>& y) {
    return std::ranges::equal(x, y, [](const Stored& a, const Stored& b) {
        return a.info.name == b.info.name && a.info.offset == b.info.offset && a.info.bytes == b.info.bytes
               && a.in_file == b.in_file;
    });
}

}  // namespace

// The next state, and what of it the log lacks. Sections that are to be written have no offsets yet.
struct IndexFile::Added {
    struct Section {
        std::string name;
        std::size_t i;  // of the sections of this name
        std::shared_ptr<const void> owner;
        std::span<const std::byte> bytes;
    };

    explicit Added(std::uint64_t most_room) : room(most_room) {}

    void keep(const std::string& name, Known known);
    void put(const std::string& name, const Array& array, const Known* before);
    bool put_runs(Known& known, const Known* before, std::uint64_t limit);
    static std::vector<Stored> table_of(const std::map<std::string, Known>& arrays);
    std::vector<Stored> table() const { return table_of(arrays); }
    std::uint64_t bytes() const;

    std::uint64_t room;  // that runs may take in memory
    std::map<std::string, Known> arrays;
    std::vector<Section> sections;
};

// An array that is on disk already, perhaps under another name.
void IndexFile::Added::keep(const std::string& name, Known known) {
    for (Stored& section : known.sections) section.info.name = name;
    if (known.sections.size() > 1 || known.sections[0].runs)
        room -= std::min(room, known.sections.size() * known.bytes.size());
    arrays.emplace(name, std::move(known));
}

// Adds runs to the sections of `known`, or makes it runs alone, if they take fewer bytes than `limit`. As in segments,
// runs are joined to those before them once they are as long, so that there are few.
bool IndexFile::Added::put_runs(Known& known, const Known* before, std::uint64_t limit) {
    Known next = before ? *before : Known{};
    Bytes runs = encode_runs(known.bytes, before ? before->bytes : std::span<const std::byte>());
    while (next.sections.size() > 1 && next.runs.back() && next.runs.back()->size() <= 2 * runs.size()) {
        runs = joined(*next.runs.back(), runs);
        next.sections.pop_back();
        next.runs.pop_back();
    }
    if (runs.size() >= limit || (next.sections.size() + 1) * known.bytes.size() > room) return false;
    known.sections = std::move(next.sections);
    known.runs = std::move(next.runs);
    known.sections.push_back({{{}, known.dtype, 0, runs.size(), 0, false}, false, true});
    known.runs.push_back(shared(std::move(runs)));
    return true;
}

// An array that is new, or has changed since `before`.
void IndexFile::Added::put(const std::string& name, const Array& array, const Known* before) {
    Known known = known_of(array, array.owner.use_count() == 1);
    const std::uint64_t limit = array.bytes.size() / 2;
    const bool grown = before && !array.bulk && before->dtype == array.dtype && !before->bulk && before->readable()
                       && before->bytes.size() <= array.bytes.size() && !before->bytes.empty();
    const std::shared_ptr<const void> alive = grown ? before->owner.lock() : nullptr;
    if (!(grown && put_runs(known, before, limit)) && (array.bulk || !put_runs(known, nullptr, limit))) {
        known.sections = {{{{}, array.dtype, 0, array.bytes.size(), 0, array.bulk}, false, false}};
        known.runs = {nullptr};
    }
    const auto& runs = known.runs.back();
    sections.push_back({name, known.sections.size() - 1, runs ? std::shared_ptr<const void>(runs) : array.owner,
                        runs ? std::span<const std::byte>(*runs) : array.bytes});
    keep(name, std::move(known));
}

std::vector<Stored> IndexFile::Added::table_of(const std::map<std::string, Known>& arrays) {
    std::vector<Stored> all;
    for (const auto& [name, known] : arrays) all.insert(all.end(), known.sections.begin(), known.sections.end());
    return all;
}

std::uint64_t IndexFile::Added::bytes() const {
    std::uint64_t sum = 2 * sizeof(Mark) + table().size() * sizeof(Entry);
    for (const Section& section : sections) sum += next_offset(section.bytes.size());
    return sum;
}

bool IndexFile::Known::is(const Array& array) const {
    return array.owner && bytes.data() == array.bytes.data() && bytes.size() == array.bytes.size()
           && dtype == array.dtype && bulk == array.bulk && !owner.owner_before(array.owner)
           && !array.owner.owner_before(owner);
}

bool IndexFile::Known::equals(const Array& array) const {
    const std::shared_ptr<const void> alive = owner.lock();
    return readable() && dtype == array.dtype && bulk == array.bulk && std::ranges::equal(bytes, array.bytes);
}

// The same, if the bytes are in other memory now.
IndexFile::Known IndexFile::Known::in(const Array& array) const {
    Known known = known_of(array, array.owner.use_count() == 1);
    known.sections = sections;
    known.runs = runs;
    return known;
}

IndexFile::Known IndexFile::known_of(const Array& array, bool keeps) {
    Known known{array.dtype, array.bulk, array.bytes, array.owner, nullptr, {}, {}};
    if (keeps && !array.bulk) known.kept = array.owner;
    return known;
}

IndexFile::IndexFile(const std::string& path) : path_(path) {}

std::unique_ptr<IndexFile> IndexFile::open(const std::string& path) {
    return with_path(path, [&] {
        auto file = std::make_unique<IndexFile>(path);
        file->contents_ = std::make_unique<Contents>(path);
        const Log& log = file->contents_->log();
        file->params_ = file->contents_->info().params;
        file->log_ = {log.end, log.number, log.dropped};
        return file;
    });
}

Parts IndexFile::read(bool mapped, Verify verify) {
    require(contents_ != nullptr, "an index file is read once");
    return with_path(path_, [&] {
        const std::unique_ptr<Contents> contents = std::move(contents_);
        Parts parts = contents->parts(mapped, verify);
        Parts params;
        params.params = parts.params;
        const Array stored_params = all_arrays(std::move(params)).at(params_name);
        for (const Stored& section : contents->sections()) {
            const std::string& name = section.info.name;
            if (!arrays_.contains(name))
                arrays_.emplace(
                    name, name == params_name ? known_of(stored_params, true) : known_of(parts.arrays.at(name), false));
            Known& known = arrays_.at(name);
            known.sections.push_back(section);
            known.runs.push_back(section.runs ? shared(contents->bytes_of(section)) : nullptr);
        }
        identity_ = contents->log().identity;
        number_ = contents->log().number;
        end_ = contents->log().end;
        file_bytes_ = contents->info().bytes;
        major_ = contents->info().major;
        file_sections_ = contents->info().sections;
        known_ = true;
        return parts;
    });
}

void IndexFile::give_back(Parts parts) {
    for (const auto& [name, array] : parts.arrays)
        if (const auto known = arrays_.find(name);
            known != arrays_.end() && !array.bulk && array.owner.use_count() == 1)
            known->second.kept = array.owner;
}

IndexFile::~IndexFile() {
    if (!lock_ || !lock_->is_mine() || end_ > 0) return;
    try {  // an empty log is of no use to anyone
        const Place place(path_);
        if (lock_->is_in(place.folder(), place.log_name())) remove_in(place.folder(), place.log_name());
    } catch (...) {
    }
}

bool IndexFile::holds_file(const Place& place) const {
    const std::optional<Source> file = Source::existing(place.path());
    if (!file) return false;
    try {
        const Header header = read_header(*file);
        std::vector<std::byte> head(sizeof header + header.sections * sizeof(Entry));
        file->read(0, head);
        if (identity_of(head) == identity_) return true;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::version) throw;
    }
    fail_stale("another program replaced the file");
}

void IndexFile::create_log(const Place& place) {
    const std::optional<Permissions> of_file = permissions_of_replaced(place.folder(), place.name());
    if (!of_file) fail_errno("cannot stat the file", ENOENT);
    lock_.emplace(LogLock::created(place.folder(), place.log_name()));
    keep_permissions(lock_->get(), *of_file);
    listed_ = false;
    number_ = end_ = 0;
}

// Takes the log beside the file, if there is one: it must be the one that this read.
void IndexFile::hold_log(const Place& place) {
    std::optional<LogLock> found = LogLock::existing(place.folder(), place.log_name());
    if (!found) {
        if (known_ && number_ > 0) fail_stale("the log was removed");
        return;
    }
    if (!known_) {
        lock_.emplace(std::move(*found));
        return;
    }
    const std::optional<Source> source = Source::existing(followed(place.path()) + log_ending);
    const Log log = source ? read_log(*source, identity_, file_sections_) : Log{};
    if (log.number != number_ || log.end != end_) fail_stale("another index changed the log");
    lock_.emplace(std::move(*found));
    if (number_ == 0) {  // of a file that was replaced, or empty, or of a first change that was not completed
        remove_log(place, *lock_);
        lock_.reset();
        return;
    }
    resize_file(lock_->get(), end_);
    sync_data(lock_->get());  // the writer may have been killed before it did
    mark_synced();
    listed_ = false;
}

// Gets the lock, and makes sure that path and log are as this knows them. Otherwise everything is to be saved.
void IndexFile::hold(const Place& place) {
    if (lock_ && !lock_->is_mine()) lock_.reset();  // after a fork
    if (lock_ && !lock_->is_in(place.folder(), place.log_name())) {
        lock_.reset();
        if (known_) fail_stale("the log was removed");
    }
    known_ = known_ && holds_file(place);
    if (lock_) return;
    hold_log(place);
    if (!lock_ && known_) create_log(place);
}

void IndexFile::save_all(const Place& place, Arrays arrays, std::uint64_t major) {
    known_ = false;                     // until it is done
    std::map<std::string, Known> next;  // once the file is written, nothing may fail for lack of memory
    for (const auto& [name, array] : arrays) {
        Known known = known_of(array, array.owner.use_count() == 1);
        known.sections = {{{name, array.dtype, 0, 0, 0, array.bulk}, true, false}};
        known.runs = {nullptr};
        next.emplace(name, std::move(known));
    }
    Written written = io::write_file(place, arrays, major);
    if (lock_) {
        remove_log(place, *lock_);
        lock_.reset();
    }
    identity_ = written.identity;
    file_bytes_ = written.bytes;
    file_sections_ = std::move(written.sections);
    major_ = major;
    number_ = end_ = 0;
    auto section = file_sections_.begin();
    for (auto& [name, known] : next) {
        SectionInfo& info = known.sections[0].info;
        info.offset = section->offset;
        info.bytes = section->bytes;
        info.checksum = section->checksum;
        ++section;
    }
    arrays_ = std::move(next);
    known_ = true;
}

void IndexFile::save(Parts parts) {
    const auto one = mutex_.lock();
    const std::uint64_t major = parts.param_or(format_name, 1);
    with_path(path_, [&] {
        const Place place(path_);
        if (lock_ && (!lock_->is_mine() || !lock_->is_in(place.folder(), place.log_name()))) lock_.reset();
        if (!lock_)
            if (auto found = LogLock::existing(place.folder(), place.log_name())) lock_.emplace(std::move(*found));
        save_all(place, owned(all_arrays(std::move(parts))), major);
    });
}

void IndexFile::sync(Parts parts) {
    const auto one = mutex_.lock();
    const std::uint64_t major = parts.param_or(format_name, 1);
    with_path(path_, [&] {
        const Place place(path_);
        hold(place);
        Arrays arrays = owned(all_arrays(std::move(parts)));
        if (known_ && major == major_) {
            Added next = added(arrays);
            if (next.sections.empty() && same_table(next.table(), Added::table_of(arrays_))) return;
            if (end_ + next.bytes() <= std::max(file_bytes_ / 2, least_folded)) return append(place, std::move(next));
        }
        save_all(place, std::move(arrays), major);
        create_log(place);
    });
}

IndexFile::Added IndexFile::added(const Arrays& arrays) const {
    Added next(most_decoded * file_bytes_);
    std::unordered_multimap<const void*, const Known*> by_memory;
    for (const auto& [name, known] : arrays_) by_memory.emplace(known.bytes.data(), &known);
    for (const auto& [name, array] : arrays) {
        const auto [first, last] = by_memory.equal_range(array.bytes.data());
        const auto same = std::find_if(first, last, [&](const auto& found) { return found.second->is(array); });
        const auto before = arrays_.find(name);
        if (same != last)
            next.keep(name, *same->second);
        else if (before != arrays_.end() && before->second.equals(array))
            next.keep(name, before->second.in(array));
        else
            next.put(name, array, before == arrays_.end() ? nullptr : &before->second);
    }
    return next;
}

void IndexFile::append(const Place& place, Added next) {
    known_ = false;  // until it is done
    const Handle fd = lock_->get();
    const auto write = [&](std::span<const std::byte> bytes, std::uint64_t offset) { write_all(fd, bytes, offset); };
    const Mark begin = make_begin(identity_, number_ + 1, end_);
    std::uint64_t at = end_ + sizeof begin;
    try {
        write(std::as_bytes(std::span(&begin, 1)), end_);
        for (const Added::Section& section : next.sections) {
            SectionInfo& info = next.arrays.at(section.name).sections[section.i].info;
            info.offset = next_offset(at);
            info.checksum = write_array(section.bytes, info.offset, write);
            at = info.offset + info.bytes;
        }
        const std::vector<Entry> table = make_table(next.table());
        const Mark end = make_end(begin, next_offset(at), table);
        write(std::as_bytes(std::span(table)), end.table);
        at = end.table + table.size() * sizeof(Entry);
        test_point("change without end");
        write(std::as_bytes(std::span(&end, 1)), at);
    } catch (...) {  // no reader has seen it: an incomplete change is not read
        try {
            resize_file(fd, end_);
        } catch (const Error&) {
        }
        throw;
    }
    test_point("change written");
    sync_data(fd);
    if (!listed_) sync_folder(place.folder());
    test_point("change synced");
    listed_ = true;
    ++number_;
    end_ = at + sizeof(Mark);
    arrays_ = std::move(next.arrays);
    known_ = true;
    mark_synced();
}

// Tells readers that the last change is on disk: if it is damaged later, it was complete. They can do without it.
void IndexFile::mark_synced() noexcept try {
    const Mark begin = make_begin(identity_, number_ + 1, end_);
    write_all(lock_->get(), std::as_bytes(std::span(&begin, 1)), end_);
} catch (...) {
}

}  // namespace fewbits
