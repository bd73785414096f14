#include "golden.h"

#include <algorithm>
#include <filesystem>

namespace golden {

const std::vector<File>& files() {
    static const std::vector<File> all = [] {
        std::vector<File> found;
        for (const auto& entry : std::filesystem::directory_iterator(FEWBITS_GOLDEN))
            if (entry.path().extension() == ".fb")
                found.push_back({entry.path().stem().string(), io_fixture::slurp(entry.path().string())});
        std::ranges::sort(found, {}, &File::name);
        return found;
    }();
    return all;
}

}  // namespace golden
