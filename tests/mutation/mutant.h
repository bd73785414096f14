// Included by every mutated file. The environment says which of its mutants runs, or in which file a run
// of the original notes the mutants that would have differed: a byte for each.
#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wtype-limits"  // a mutant may be a comparison that is always true

namespace mutation {

inline const int active = [] {
    const char* number = std::getenv("FEWBITS_MUTANT");
    return number ? std::atoi(number) : 0;
}();

inline char* const noted = [] {  // shared with child processes, which may be killed
    constexpr std::size_t bytes = 1 << 16;
    const char* path = std::getenv("FEWBITS_MUTANTS_NOTED");
    const int file = path ? ::open(path, O_RDWR | O_CREAT, 0600) : -1;
    if (file < 0 || ::ftruncate(file, bytes) != 0) return static_cast<char*>(nullptr);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}();

}  // namespace mutation

// The value of a condition: the mutant's if it is active, otherwise the value of the original or of other mutants.
inline bool mutated(int number, bool of_mutant, bool otherwise) {
    if (mutation::noted && of_mutant != otherwise) mutation::noted[number] = 1;
    return mutation::active == number ? of_mutant : otherwise;
}
