// The fuzz target: any bytes, after their checksums are made right, are rejected or are an index that works, and
// opening them takes little memory. What follows a file is its log. tests/golden is the initial corpus.
#include "exercise.h"
#include "io/log_states.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    io_fixture::Bytes file(data, data + size), log;
    if (size >= sizeof(fewbits::io::Header)) {
        const std::uint64_t end =
            std::clamp<std::uint64_t>(io_fixture::header_of(file).file_bytes, sizeof(fewbits::io::Header), size);
        log.assign(data + end, data + size);
        file.resize(end);
        io_fixture::seal(file);
        log_states::seal_log(log, log_states::identity_of(file));
    }
    try {
        exercise::open_and_use(std::as_bytes(std::span(file)), std::as_bytes(std::span(log)));
    } catch (const fewbits::Error& error) {
        if (error.kind() != fewbits::ErrorKind::corrupt && error.kind() != fewbits::ErrorKind::version) throw;
    }
    return 0;
}
