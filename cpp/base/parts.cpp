// Failing lookups throw Error(corrupt) with a precise message, so readers of Parts need no checks of their own.
#include "base/parts.h"

#include <algorithm>
#include <cmath>

namespace fewbits {
namespace {

const Array nothing;

template <class Values>
void take_prefixed(const Values& all, const std::string& start, Values& own) {
    for (auto item = all.lower_bound(start); item != all.end() && item->first.starts_with(start); ++item)
        own[item->first.substr(start.size())] = item->second;
}

}  // namespace

std::size_t dtype_bytes(DType dtype) {
    switch (dtype) {
        case DType::u8:
        case DType::i8:
            return 1;
        case DType::u16:
        case DType::f16:
            return 2;
        case DType::u32:
        case DType::f32:
            return 4;
        case DType::u64:
        case DType::i64:
            return 8;
    }
    corrupt("unknown dtype " + std::to_string(static_cast<std::uint32_t>(dtype)));
}

const char* dtype_name(DType dtype) {
    switch (dtype) {
        case DType::u8:
            return "u8";
        case DType::i8:
            return "i8";
        case DType::u16:
            return "u16";
        case DType::f16:
            return "f16";
        case DType::u32:
            return "u32";
        case DType::f32:
            return "f32";
        case DType::u64:
            return "u64";
        case DType::i64:
            return "i64";
    }
    corrupt("unknown dtype " + std::to_string(static_cast<std::uint32_t>(dtype)));
}

Parts Parts::under(const std::string& prefix) const {
    Parts own;
    take_prefixed(params, prefix + ".", own.params);
    take_prefixed(arrays, prefix + ".", own.arrays);
    return own;
}

std::uint64_t Parts::param(const std::string& name) const {
    const auto found = params.find(name);
    if (found == params.end()) corrupt("param '" + name + "' is missing");
    return found->second;
}

std::uint64_t Parts::param(const std::string& name, std::uint64_t low, std::uint64_t high) const {
    const std::uint64_t value = param(name);
    if (value < low || value > high)
        corrupt("param '" + name + "' is " + std::to_string(value) + ", expected " + std::to_string(low) + ".."
                + std::to_string(high));
    return value;
}

std::uint64_t Parts::param_or(const std::string& name, std::uint64_t otherwise) const {
    const auto found = params.find(name);
    return found == params.end() ? otherwise : found->second;
}

const Array& Parts::array_of(const std::string& name, DType dtype, std::size_t count) const {
    const auto found = arrays.find(name);
    if (found == arrays.end() && count == 0) return nothing;
    if (found == arrays.end()) corrupt("array '" + name + "' is missing");
    const Array& array = found->second;
    if (array.dtype != dtype)
        corrupt("array '" + name + "' is " + dtype_name(array.dtype) + ", expected " + dtype_name(dtype));
    const std::size_t width = dtype_bytes(dtype);
    if (array.bytes.size() % width != 0 || array.bytes.size() / width != count)
        corrupt("array '" + name + "' has " + std::to_string(array.bytes.size()) + " bytes, expected "
                + std::to_string(count) + " of " + dtype_name(dtype));
    if (reinterpret_cast<std::uintptr_t>(array.bytes.data()) % width != 0)
        corrupt("array '" + name + "' is not aligned for " + dtype_name(dtype));
    return array;
}

std::span<const float> Parts::finite(const std::string& name, std::size_t count) const {
    const std::span<const float> values = array<float>(name, count);
    const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
    if (bad != values.end())
        corrupt("array '" + name + "' is not finite at element " + std::to_string(bad - values.begin()));
    return values;
}

}  // namespace fewbits
