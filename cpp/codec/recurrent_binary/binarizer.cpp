#include "codec/recurrent_binary/binarizer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codec/sums.h"

namespace fewbits::codec {
namespace {

constexpr std::uint32_t max_hidden = 65535;

MatrixView slice(std::span<const float> all, std::size_t step, std::size_t rows, std::size_t cols) {
    return {all.data() + step * rows * cols, rows, cols};
}

std::vector<float> transposed(MatrixView x) {
    std::vector<float> out(x.size());
    for (std::size_t i = 0; i < x.rows; ++i)
        for (std::size_t j = 0; j < x.cols; ++j) out[j * x.rows + i] = x.row(i)[j];
    return out;
}

// x / |x| for each row; rows without a direction become zero.
void normalize(Matrix<float> x) {
    for (std::size_t i = 0; i < x.rows; ++i) {
        float* row = x.row(i);
        const float squares = squared_norm(row, x.cols);
        const bool usable =
            squares >= std::numeric_limits<float>::min() && squares <= std::numeric_limits<float>::max();
        const float inverse = usable ? 1 / std::sqrt(squares) : 0.0f;
        for (std::size_t j = 0; j < x.cols; ++j) row[j] *= inverse;
    }
}

std::vector<float> normalized(MatrixView x) {
    std::vector<float> out(x.data, x.data + x.size());
    normalize({out.data(), x.rows, x.cols});
    return out;
}

}  // namespace

void Binarizer::Map::apply(MatrixView x, float* y) const {
    linear.apply(x, y);
    if (!in) return;
    std::vector<float> inner(x.rows * in->out_dim()), added(x.rows * out->out_dim());
    in->apply(x, inner.data());
    for (std::size_t j = 0; j < inner.size(); ++j) inner[j] = std::max(inner[j] + bias[j % bias.size()], 0.0f);
    out->apply({inner.data(), x.rows, out->in_dim()}, added.data());
    for (std::size_t j = 0; j < added.size(); ++j) y[j] += added[j];
}

Binarizer::Map Binarizer::read_map(const Parts& parts, const std::string& name, std::uint32_t step, std::uint32_t steps,
                                   std::uint32_t rows, std::uint32_t cols, std::uint32_t hidden) {
    const auto matrix = [&](const std::string& array, std::size_t n, std::size_t d) {
        return Linear(slice(parts.finite(array, checked_mul(steps, checked_mul(n, d))), step, n, d));
    };
    Map map{matrix(name, rows, cols), std::nullopt, std::nullopt, {}};
    if (hidden == 0) return map;
    map.in = matrix(name + "_in", hidden, cols);
    map.out = matrix(name + "_out", rows, hidden);
    const MatrixView bias = slice(parts.finite(name + "_bias", std::size_t{steps} * hidden), step, 1, hidden);
    map.bias.assign(bias.data, bias.data + hidden);
    return map;
}

Binarizer::Binarizer(const Parts& parts, const std::string& prefix, std::uint32_t dim)
    : dim_(dim),
      bits_(static_cast<std::uint32_t>(parts.param(prefix + ".bits", 1, 4))),
      m_(static_cast<std::uint32_t>(parts.param(prefix + ".m", 1, 65535))) {
    const std::uint32_t steps = bits_ - 1;
    if (!parts.has(prefix + ".base")) {
        if (m_ != dim)
            corrupt("param '" + prefix + ".m': got " + std::to_string(m_) + " without maps, expected "
                    + std::to_string(dim));
        return;
    }
    const std::string hidden_name = prefix + ".hidden";
    const std::uint32_t hidden =
        parts.params.count(hidden_name) > 0 ? static_cast<std::uint32_t>(parts.param(hidden_name, 0, max_hidden)) : 0;
    base_ = read_map(parts, prefix + ".base", 0, 1, m_, dim, hidden);
    for (std::uint32_t t = 0; t < steps; ++t) {
        back_.push_back(read_map(parts, prefix + ".back", t, steps, dim, m_, hidden));
        refine_.push_back(read_map(parts, prefix + ".refine", t, steps, m_, dim, hidden));
    }
    if (parts.has(prefix + ".decoder")) {
        decoder_.emplace(slice(parts.finite(prefix + ".decoder", checked_mul(dim, m_)), 0, dim, m_));
    } else {
        const std::vector<float> back =
            transposed(slice(parts.finite(prefix + ".base", checked_mul(m_, dim)), 0, m_, dim));
        decoder_.emplace(MatrixView{back.data(), dim, m_});
    }
}

void Binarizer::project(MatrixView x, float* out) const {
    const std::vector<float> unit = normalized(x);
    if (base_)
        base_->apply({unit.data(), x.rows, dim_}, out);
    else
        std::copy(unit.begin(), unit.end(), out);
}

// R (x - f) for unit rows x.
void Binarizer::refine(std::uint32_t step, MatrixView x, MatrixView b, float* out) const {
    std::vector<float> left(x.size());
    if (base_)
        back_[step].apply(b, left.data());
    else
        std::copy_n(b.data, b.size(), left.begin());
    normalize({left.data(), x.rows, dim_});
    for (std::size_t i = 0; i < left.size(); ++i) left[i] = x.data[i] - left[i];
    if (base_)
        refine_[step].apply({left.data(), x.rows, dim_}, out);
    else
        std::copy(left.begin(), left.end(), out);
}

void Binarizer::encode(MatrixView x, std::uint8_t* codes) const {
    const std::vector<float> unit = normalized(x);
    std::vector<float> signs(x.rows * m_), b(x.rows * m_, 0.0f);
    std::fill_n(codes, b.size(), std::uint8_t{0});
    float weight = 1;
    for (std::uint32_t step = 0; step < bits_; ++step, weight /= 2) {
        if (step == 0)
            project(x, signs.data());
        else
            refine(step - 1, {unit.data(), x.rows, dim_}, {b.data(), x.rows, m_}, signs.data());
        for (std::size_t i = 0; i < b.size(); ++i) {
            const bool negative = signs[i] < 0;  // sgn(0) = +1
            codes[i] = static_cast<std::uint8_t>(codes[i] << 1 | (negative ? 0 : 1));
            b[i] += negative ? -weight : weight;
        }
    }
}

void Binarizer::decode(MatrixView b, float* x) const {
    if (decoder_)
        decoder_->apply(b, x);
    else
        std::copy_n(b.data, b.size(), x);
}

}  // namespace fewbits::codec
