// Saving and syncing, of either kind of engine.
#pragma once

#include <string>
#include <utility>

#include "bindings/arrays.h"
#include "io/index_file.h"

namespace fewbits::bindings {

using WriteParts = void (IndexFile::*)(Parts);

template <class AnyEngine, WriteParts write>
void write_to(const AnyEngine& engine, IndexFile& file, const py::bytes& meta) {
    const std::string text = meta;
    const Unlocked unlocked;
    (file.*write)(engine.as_parts(text));
}

}  // namespace fewbits::bindings
