// The fuzz target: any bytes, after their checksums are made right, are rejected or are an index that works, and
// opening them takes little memory. tests/golden is the initial corpus.
#include "exercise.h"
#include "io/io_fixture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    io_fixture::Bytes file(data, data + size);
    if (file.size() >= sizeof(fewbits::io::Header)) io_fixture::seal(file);
    try {
        exercise::open_and_use(std::as_bytes(std::span(file)));
    } catch (const fewbits::Error& error) {
        if (error.kind() != fewbits::ErrorKind::corrupt && error.kind() != fewbits::ErrorKind::version) throw;
    }
    return 0;
}
