// What this CPU could do at most, measured: the two roofs that a kernel's time stands beside. Each is measured once.
#pragma once

#include <string>

#include "cases.h"

namespace fewbits::bench {

// Bytes a second that one thread reads from memory in order.
double memory_bandwidth();

// Operations a second of one thread that does nothing else, by the instruction that the set has for it; 0 where there
// is none (the scalar set; another architecture).
double peak_rate(const std::string& isa, Operation operation);

}  // namespace fewbits::bench
