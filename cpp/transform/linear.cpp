#include "transform/linear.h"

#include <algorithm>

#include "blocks/blocks.h"
#include "kernels/kernels.h"

namespace fewbits {

Linear::Linear(MatrixView rows)
    : in_(static_cast<std::uint32_t>(rows.cols)),
      out_(static_cast<std::uint32_t>(rows.rows)),
      blocks_(pack_floats(rows)) {}

void Linear::apply(MatrixView x, float* y) const {
    constexpr std::size_t batch = 1u << 20;
    for (std::size_t first = 0; first < x.rows; first += batch) {
        kernels::Tile tile{};
        tile.points = x.row(first);
        tile.stride = x.cols;
        tile.n = static_cast<std::uint32_t>(std::min(batch, x.rows - first));
        tile.dim = in_;
        tile.blocks = blocks_.data();
        tile.k = out_;
        kernels::active().tile_dot(tile, y + first * out_, out_);
    }
}

}  // namespace fewbits
