// A kernel with random data: what bench/test_kernels.py times, and how much work a run does.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace fewbits::bench {

// The instruction that a kernel cannot do without; its peak rate is the roof for data in cache (roofs.h).
enum class Operation { none, fma, lookup16, lookup256, mac8, mac16 };

struct Case {
    std::string name;          // kernel, working set, queries: "scan4 memory x1"
    double items = 0;          // (vector, query) pairs, rows, (point, centroid) pairs or numbers per run
    double bytes = 0;          // of codes, rows or numbers, counted once per query
    bool from_memory = false;  // reads more than the caches hold: memory is the roof
    Operation operation = Operation::none;
    double operations = 0;  // in one run
    std::function<void()> run;
};

// All kernels of an instruction set. Buffers are made when a case is requested: at most one large one exists at a time.
std::vector<std::string> case_names();
Case make_case(const kernels::Kernels& set, const std::string& name);

}  // namespace fewbits::bench
