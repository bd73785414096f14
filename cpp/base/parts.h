// Named numbers and named arrays: the form of an index in memory, in files and across the Python boundary. Parts
// (codec, partition, ...) are constructed from these and validate them, regardless of their source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace fewbits {

enum class DType : std::uint32_t { u8 = 1, i8 = 2, u16 = 3, f16 = 4, u32 = 5, f32 = 6, u64 = 7, i64 = 8 };

std::size_t dtype_bytes(DType dtype);
const char* dtype_name(DType dtype);

template <class T>
struct dtype_of;  // float16 arrays are read as std::uint16_t with DType::f16
template <>
struct dtype_of<std::uint8_t> {
    static constexpr DType value = DType::u8;
};
template <>
struct dtype_of<std::int8_t> {
    static constexpr DType value = DType::i8;
};
template <>
struct dtype_of<std::uint16_t> {
    static constexpr DType value = DType::u16;
};
template <>
struct dtype_of<std::uint32_t> {
    static constexpr DType value = DType::u32;
};
template <>
struct dtype_of<float> {
    static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<std::uint64_t> {
    static constexpr DType value = DType::u64;
};
template <>
struct dtype_of<std::int64_t> {
    static constexpr DType value = DType::i64;
};

struct Array {
    DType dtype = DType::u8;
    std::span<const std::byte> bytes;   // 64-byte aligned when mapped; at least aligned for the dtype
    std::shared_ptr<const void> owner;  // keeps the bytes alive
    bool bulk = false;                  // large, and holds no offsets; in mapped files, not read at open
};

template <class T>
Array owned_array(std::vector<T>&& values) {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    return {dtype_of<T>::value, std::as_bytes(std::span<const T>(*kept)), kept};
}

// Sorted by name, so that files are byte-identical regardless of the order of insertion. Names: [a-z0-9_.], at most 31
// bytes.
struct Parts {
    std::map<std::string, std::uint64_t> params;
    std::map<std::string, Array> arrays;

    bool has(const std::string& name) const { return arrays.count(name) > 0; }
    // Everything named "<prefix>.<name>", under <name>. Reads nothing else: a file may hold a million segments.
    Parts under(const std::string& prefix) const;
    std::uint64_t param(const std::string& name) const;  // throws corrupt if missing
    std::uint64_t param(const std::string& name, std::uint64_t low,
                        std::uint64_t high) const;  // also throws if not in low..high
    std::uint64_t param_or(const std::string& name, std::uint64_t otherwise) const;
    // The array, if its dtype is that of T and it has exactly `count` elements; otherwise throws corrupt, naming what,
    // got and expected. An array without elements may be missing.
    template <class T>
    std::span<const T> array(const std::string& name, std::size_t count) const {
        const Array& found = array_of(name, dtype_of<T>::value, count);
        return {reinterpret_cast<const T*>(found.bytes.data()), count};
    }
    std::span<const std::uint16_t> array_f16(const std::string& name, std::size_t count) const {
        const Array& found = array_of(name, DType::f16, count);
        return {reinterpret_cast<const std::uint16_t*>(found.bytes.data()), count};
    }
    // As array<float>; also requires every value to be finite.
    std::span<const float> finite(const std::string& name, std::size_t count) const;
    const Array& array_of(const std::string& name, DType dtype, std::size_t count) const;
    template <class T>
    std::size_t count(const std::string& name) const;  // number of elements of an array of T
};

template <class T>
std::size_t Parts::count(const std::string& name) const {
    const auto found = arrays.find(name);
    if (found == arrays.end()) throw Error(ErrorKind::corrupt, "array '" + name + "' is missing");
    return array_of(name, dtype_of<T>::value, found->second.bytes.size() / sizeof(T)).bytes.size() / sizeof(T);
}

}  // namespace fewbits
