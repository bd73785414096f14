// The contents of this build: instruction sets, and the kinds of every part as data.
#include "bindings/arrays.h"
#include "codec/registry.h"
#include "kernels/kernels.h"
#include "partition/partition.h"
#include "transform/query_map.h"
#include "transform/transform.h"

namespace fewbits::bindings {
namespace {

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    const kernels::Available available = kernels::available();
    for (std::size_t i = 0; i < available.count; ++i) names.emplace_back(available.items[i]->isa);
    return names;
}

template <class Row>
py::dict to_dict(const Row& row) {
    py::dict out;
    out["kind"] = row.kind;
    out["name"] = row.name;
    return out;
}

py::dict to_dict(const CodecKind& codec) {
    py::dict traits;
    for (const CodecTrait& trait : codec_traits()) traits[trait.name] = codec.traits.*trait.value;
    py::dict out = to_dict<CodecKind>(codec);
    out["traits"] = std::move(traits);
    return out;
}

template <class Rows>
py::list to_list(const Rows& rows) {
    py::list out;
    for (const auto& row : rows) out.append(to_dict(row));
    return out;
}

py::dict registry() {
    py::dict out;
    out["codecs"] = to_list(codec_kinds());
    out["transforms"] = to_list(transform_kinds());
    out["query_maps"] = to_list(query_map_kinds);
    out["partitions"] = to_list(partition_kinds());
    out["metrics"] = to_list(metric_kinds);
    out["isas"] = available_isas();
    return out;
}

}  // namespace

void register_registry(py::module_& m) {
    kernels::active();  // with an unknown FEWBITS_ISA, the import fails instead of the first search
    m.def("isa", [] { return std::string(kernels::active().isa); });
    m.def("available_isas", available_isas);
    m.def("registry", registry, "The kinds of every part: numbers as in files, names, and the traits of codecs.");
}

}  // namespace fewbits::bindings
