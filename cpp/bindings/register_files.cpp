// Inspection and verification of files, without an engine.
#include "bindings/arrays.h"
#include "io/file.h"

namespace fewbits::bindings {
namespace {

py::dict inspect(const std::string& path) {
    const FileInfo info = inspect_file(path);
    py::list sections;
    for (const SectionInfo& section : info.sections) {
        py::dict row;
        row["name"] = section.name;
        row["dtype"] = dtype_name(section.dtype);
        row["offset"] = section.offset;
        row["bytes"] = section.bytes;
        row["checksum"] = section.checksum;
        row["bulk"] = section.bulk;
        sections.append(row);
    }
    py::dict out;
    out["version"] = py::make_tuple(info.major, info.minor);
    out["bytes"] = info.bytes;
    out["params"] = info.params;
    out["sections"] = sections;
    return out;
}

}  // namespace

void register_files(py::module_& m) {
    using namespace py::literals;
    m.def("inspect", &inspect, "path"_a);
    m.def(
        "params_of",
        [](const py::buffer& file) {
            const HeldBytes bytes(file);
            const Unlocked unlocked;
            return read_bytes(bytes.span()).params;
        },
        "file"_a);
    m.def("verify", &verify_file, "path"_a, py::call_guard<Unlocked>());
}

}  // namespace fewbits::bindings
