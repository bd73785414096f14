#include "storage/spill.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "io/advise.h"

namespace fewbits::io {
namespace {

Descriptor file_in(const std::string& directory) {
    const Descriptor folder = open_folder(directory);
    return nameless_file(folder.get(), "fewbits-spill");
}

}  // namespace

Spill::Spill(const std::string& directory, std::size_t row_bytes)
    : directory_(directory), row_bytes_(row_bytes), file_(file_in(directory)) {
    require(row_bytes > 0, "spill: rows of 0 bytes");
}

void Spill::append(std::span<const std::uint8_t> rows) {
    require(rows.size() % row_bytes_ == 0, "spill: not a whole number of rows");
    try {
        write_all(file_.get(), std::as_bytes(rows), bytes_);
    } catch (const Error& error) {
        throw Error(error.kind(), "spill file in '" + directory_ + "': " + error.what(), error.error_number());
    }
    bytes_ += rows.size();
}

Array Spill::map() const {
    if (bytes_ == 0) return {};
    std::shared_ptr<const void> owner = map_file(file_.get(), bytes_);
    const std::span<const std::byte> bytes(static_cast<const std::byte*>(owner.get()), bytes_);
    advise_random(bytes);
    return {DType::u8, bytes, std::move(owner)};
}

Spill reordered(const Spill& rows, std::span<const std::uint32_t> order, const std::string& directory,
                ProgressCounter& steps) {
    static constexpr std::size_t batch = 8192;  // reads requested from the disk at once
    const std::size_t row_bytes = rows.row_bytes();
    const Array mapped = rows.map();
    const std::uint8_t* base = reinterpret_cast<const std::uint8_t*>(mapped.bytes.data());
    Spill result(directory, row_bytes);
    std::vector<std::uint32_t> ascending;
    std::vector<std::uint8_t> gathered;
    for (std::size_t first = 0; first < order.size(); first += batch) {
        const auto picked = order.subspan(first, std::min(batch, order.size() - first));
        ascending.assign(picked.begin(), picked.end());
        std::sort(ascending.begin(), ascending.end());
        require(ascending.back() < rows.rows(), "spill: row number beyond the last row");
        advise_rows(base, row_bytes, ascending);
        gathered.resize(picked.size() * row_bytes);
        for (std::size_t i = 0; i < picked.size(); ++i)
            std::memcpy(gathered.data() + i * row_bytes, base + picked[i] * row_bytes, row_bytes);
        result.append(gathered);
        steps.add(picked.size());
    }
    return result;
}

}  // namespace fewbits::io
