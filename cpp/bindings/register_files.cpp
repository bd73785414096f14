// Inspection and verification of files, without an engine.
#include "bindings/arrays.h"
#include "io/index_file.h"

namespace fewbits::bindings {
namespace {

py::dict log_to(const LogInfo& log) {
    py::dict out;
    out["bytes"] = log.bytes;
    out["changes"] = log.changes;
    out["dropped"] = log.dropped;
    return out;
}

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
        row["in_log"] = section.in_log;
        sections.append(row);
    }
    py::dict out;
    out["version"] = py::make_tuple(info.major, info.minor);
    out["bytes"] = info.bytes;
    out["params"] = info.params;
    out["sections"] = sections;
    out["log"] = info.log ? py::object(log_to(*info.log)) : py::none();
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
    py::class_<IndexFile>(m, "IndexFile")
        .def(py::init<const std::string&>(), "path"_a)
        .def_static(
            "open",
            [](const std::string& path) {
                const Unlocked unlocked;
                return IndexFile::open(path);
            },
            "path"_a)
        .def_property_readonly("params", &IndexFile::params)
        .def_property_readonly("log", [](const IndexFile& file) { return log_to(file.log()); });
    m.def("verify", &verify_file, "path"_a, py::call_guard<Unlocked>());
}

}  // namespace fewbits::bindings
