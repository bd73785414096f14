// A byte array that grows by realloc: large ones grow by remapping pages, not by copying, so growing never doubles
// memory.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "base/matrix.h"
#include "base/parts.h"
#include "base/progress.h"

namespace fewbits {

class AppendBuffer {
public:
    explicit AppendBuffer(std::size_t row_bytes = 0) : row_bytes_(row_bytes) {}

    std::size_t row_bytes() const { return row_bytes_; }
    std::uint8_t* row(std::size_t i) { return bytes_.get() + i * row_bytes_; }
    std::uint8_t* data() { return bytes_.get(); }
    template <class T>
    T* as() {
        return reinterpret_cast<T*>(bytes_.get());
    }
    template <class T>
    const T* as() const {
        return reinterpret_cast<const T*>(bytes_.get());
    }

    void reserve(std::size_t rows) { reserve_bytes(checked_mul(rows, row_bytes_)); }
    void reserve_bytes(std::size_t bytes) {
        if (bytes <= capacity_) return;
        auto* grown = static_cast<std::uint8_t*>(std::realloc(bytes_.get(), bytes));
        if (grown == nullptr) throw std::bad_alloc();
        (void)bytes_.release();
        bytes_.reset(grown);
        capacity_ = bytes;
    }
    // Ensures room for `rows` in total, growing by at least a quarter.
    void extend(std::size_t rows) {
        const std::size_t bytes = checked_mul(rows, row_bytes_);
        if (bytes > capacity_) reserve_bytes(std::max(bytes, capacity_ + capacity_ / 4));
    }

    // Row r becomes the former row order[r]. If `steps` throws, the order is neither the old nor the new one.
    void permute(const std::vector<std::uint32_t>& order, ProgressCounter& steps) {
        if (row_bytes_ == 0) return;
        std::vector<bool> done(order.size());
        std::vector<std::uint8_t> first(row_bytes_);
        for (std::size_t start = 0; start < order.size(); ++start) {
            steps.add(1);
            if (done[start]) continue;
            std::memcpy(first.data(), row(start), row_bytes_);
            std::size_t to = start;
            for (std::size_t from = order[to]; from != start; to = from, from = order[to]) {
                std::memcpy(row(to), row(from), row_bytes_);
                done[to] = true;
            }
            std::memcpy(row(to), first.data(), row_bytes_);
            done[to] = true;
        }
    }

    // The first `bytes` as an array that owns them; this buffer is empty afterwards.
    Array take(DType dtype, std::size_t bytes) {
        if (bytes < capacity_ && bytes > 0) {
            if (auto* shrunk = static_cast<std::uint8_t*>(std::realloc(bytes_.get(), bytes))) {
                (void)bytes_.release();
                bytes_.reset(shrunk);
            }
        }
        const auto* data = reinterpret_cast<const std::byte*>(bytes_.get());
        capacity_ = 0;
        return {dtype, {data, bytes}, std::shared_ptr<const void>(std::move(bytes_))};
    }

private:
    struct Free {
        void operator()(std::uint8_t* p) const { std::free(p); }
    };
    std::unique_ptr<std::uint8_t, Free> bytes_;
    std::size_t row_bytes_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace fewbits
