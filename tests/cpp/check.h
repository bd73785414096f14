// A test is a function registered by name; CHECK reports a failure and continues, REQUIRE ends the test. The project
// needs no more, and a test framework would be one more dependency on a machine that has only a compiler.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

namespace check {

struct Test {
    const char* name;
    void (*run)();
};

inline std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

inline int& failures() {
    static int count = 0;
    return count;
}

// The command that started this program, for tests that run it again: with FEWBITS_EMULATOR before it, if that is set
// because the program is for another processor.
inline std::string& command() {
    static std::string text;
    return text;
}

struct Stop {};

inline void report(const char* file, int line, const std::string& what) {
    if (++failures() <= 50) std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
}

struct Register {
    Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

template <class A, class B>
std::string show(const char* expression, const A& a, const B& b) {
    std::ostringstream out;
    out.precision(9);
    out << expression << ": " << a << " and " << b;
    return out.str();
}

// Runs the tests whose names contain argv[1] (without it, all), to the first failure if FEWBITS_FAIL_FAST is set; the
// last line printed is their number.
inline int main(int argc, char** argv) {
    const char* emulator = std::getenv("FEWBITS_EMULATOR");
    command() = (emulator ? std::string(emulator) + " " : "") + "'" + argv[0] + "'";
    int passed = 0, failed = 0;
    for (const Test& test : tests()) {
        if (argc > 1 && !std::strstr(test.name, argv[1])) continue;
        const int before = failures();
        try {
            test.run();
        } catch (const Stop&) {
        } catch (const std::exception& error) {
            report(test.name, 0, std::string("unexpected exception: ") + error.what());
        }
        const bool ok = failures() == before;
        ++(ok ? passed : failed);
        if (!ok) std::fprintf(stderr, "FAILED %s\n", test.name);
        if (!ok && std::getenv("FEWBITS_FAIL_FAST") != nullptr) break;
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

}  // namespace check

#define CHECK_JOIN2(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN2(a, b)
#define TEST(name)                                                                                   \
    static void CHECK_JOIN(test_, __LINE__)();                                                       \
    static const check::Register CHECK_JOIN(register_, __LINE__)(name, CHECK_JOIN(test_, __LINE__)); \
    static void CHECK_JOIN(test_, __LINE__)()
#define CHECK(condition)                                                 \
    do {                                                                 \
        if (!(condition)) check::report(__FILE__, __LINE__, #condition); \
    } while (false)
#define CHECK_EQ(a, b)                                                                                             \
    do {                                                                                                           \
        const auto check_a = (a);                                                                                  \
        const auto check_b = (b);                                                                                  \
        if (!(check_a == check_b)) check::report(__FILE__, __LINE__, check::show(#a " == " #b, check_a, check_b)); \
    } while (false)
#define REQUIRE(condition)                                 \
    do {                                                   \
        if (!(condition)) {                                \
            check::report(__FILE__, __LINE__, #condition); \
            throw check::Stop{};                           \
        }                                                  \
    } while (false)
#define CHECK_THROWS(expression, text)                                                                                \
    do {                                                                                                              \
        bool check_thrown = false;                                                                                    \
        try {                                                                                                         \
            (void)(expression);                                                                                       \
        } catch (const std::exception& e) {                                                                           \
            check_thrown = true;                                                                                      \
            if (!std::strstr(e.what(), text)) check::report(__FILE__, __LINE__, std::string("message: ") + e.what()); \
        }                                                                                                             \
        if (!check_thrown) check::report(__FILE__, __LINE__, "no exception: " #expression);                           \
    } while (false)
