// Shared by all kernel tests: buffers that end at an inaccessible page, and the loop over instruction sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "kernels/kernels.h"
#if defined(FEWBITS_EMULATE_AVX512)
#include "emulate/emulated.h"
#endif

namespace kernel_cases {

// `count` elements whose last byte is the last of its page; the next page faults on any access. Zero-filled.
template <class T>
class Guarded {
public:
    explicit Guarded(std::size_t count) : count_(count) {
        const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t used = (count * sizeof(T) + page - 1) / page * page;
        mapped_ = used + page;
        void* start = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) throw std::bad_alloc();
        start_ = static_cast<std::uint8_t*>(start);
        mprotect(start_ + used, page, PROT_NONE);
        data_ = reinterpret_cast<T*>(start_ + used - count * sizeof(T));
    }
    explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
        if (!values.empty()) std::memcpy(static_cast<void*>(data_), values.data(), values.size() * sizeof(T));
    }
    ~Guarded() { munmap(start_, mapped_); }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return count_; }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }

private:
    std::size_t count_, mapped_;
    std::uint8_t* start_;
    T* data_;
};

// A small counter-free generator: tests need reproducible bytes, not good ones (splitmix64).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(next() % end); }
    std::uint8_t byte() { return static_cast<std::uint8_t>(next()); }
    float uniform(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24f; }

private:
    std::uint64_t state_;
};

// Every instruction set that this CPU supports, best first, and the emulated ones; only the one that FEWBITS_ISA names,
// if it is set, so that one run per set tests each once. The scalar specification is the last.
inline std::span<const fewbits::kernels::Kernels* const> available() {
    static const auto sets = [] {
        using namespace fewbits::kernels;
        if (const char* named = std::getenv("FEWBITS_ISA"); named != nullptr && *named != 0)
            return &active() == scalar_kernels ? std::vector{scalar_kernels} : std::vector{&active(), scalar_kernels};
        const Available all = fewbits::kernels::available();
        std::vector<const Kernels*> list(all.items, all.items + all.count);
#if defined(FEWBITS_EMULATE_AVX512)
        static std::vector<Kernels> emulated;
        for (const Kernels* set : {emulated_avx512vbmi_kernels, emulated_avx512vnni_kernels, emulated_avx512_kernels})
            emulated.push_back(filled(*set, *list.front()));
        std::vector<const Kernels*> wider;
        for (const Kernels& set : emulated) wider.push_back(&set);
        list.insert(list.begin(), wider.begin(), wider.end());
#endif
        return list;
    }();
    return sets;
}

}  // namespace kernel_cases
