// Upper bounds of this CPU, measured: the two roofs with which a kernel's time is compared. Each is measured once.
#pragma once

#include <string>

#include "cases.h"

namespace fewbits::bench {

// Bytes per second that one thread reads from memory in order.
double memory_bandwidth();

// Operations per second of one thread that does nothing else, with the best instruction of the set; 0 if it has none
// (the scalar set; another architecture).
double peak_rate(const std::string& isa, Operation operation);

}  // namespace fewbits::bench
