// Included before every file of a mutated build: which of its mutants runs, by the environment.
#pragma once

#include <cstdlib>

inline bool is_mutant(int number) {
    static const char* const chosen = std::getenv("FEWBITS_MUTANT");
    static const int active = chosen ? std::atoi(chosen) : 0;
    return active == number;
}
