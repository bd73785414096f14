// Labels: every list is divided into runs of ascending labels, whatever the history; and a filter by label finds what a
// filter by the ids of the same vectors finds.
#include <algorithm>
#include <limits>
#include <numeric>

#include "base/bitmap.h"
#include "check.h"
#include "index/filtered.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

// A few common labels, among them the extremes, and a rare one.
std::int64_t label_of(std::int64_t id) {
    constexpr std::int64_t labels[] = {std::numeric_limits<std::int64_t>::max(), -4, 0, 7,
                                       std::numeric_limits<std::int64_t>::min()};
    return id % 997 == 3 ? 1234 : labels[random_bits(8, static_cast<std::uint64_t>(id)) % 5];
}

std::vector<std::int64_t> labels_of(std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> labels;
    for (std::int64_t id = begin; id < end; ++id) labels.push_back(label_of(id));
    return labels;
}

std::vector<std::int64_t> range(std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(end - begin));
    std::iota(ids.begin(), ids.end(), begin);
    return ids;
}

// Rows begin .. end - 1 of x, under their numbers as ids, in blocks.
void add_labelled(Engine& engine, std::size_t begin, std::size_t end, bool own_ids = false, std::size_t block = 700) {
    const auto builder = engine.builder(end - begin, "");
    for (std::size_t first = begin; first < end; first += block) {
        const std::size_t after = std::min(end, first + block);
        const auto ids = range(static_cast<std::int64_t>(first), static_cast<std::int64_t>(after));
        const auto labels = labels_of(static_cast<std::int64_t>(first), static_cast<std::int64_t>(after));
        builder->append(x().block(first, after - first), own_ids ? ids.data() : nullptr, 2, nullptr, labels.data());
    }
    engine.publish(*builder);
}

const std::vector<Choice>& choices() {
    static const std::vector<Choice> all = {
        {Metric::l2, 9, "pq4", true, "scalar8"},       {Metric::ip, 50, "pq8", true, ""},
        {Metric::cosine, 0, "staged", false, ""},      {Metric::l2, 9, "staged", false, "float32"},
        {Metric::l2, 7, "pq4", true, "scalar8", true}, {Metric::ip, 0, "float32", false, ""},
    };
    return all;
}

// The runs of every list, held against the labels of the ids in it.
void check_runs(const Snapshot& snapshot) {
    for (const auto& segment : snapshot.segments) {
        REQUIRE(segment->labels() != nullptr);
        std::size_t runs = 0;
        for (std::uint32_t list = 0; list < snapshot.model->partition->nlist(); ++list) {
            const std::uint32_t first = segment->first_row(list), end = first + segment->list_size(list);
            std::uint32_t row = first;
            std::int64_t before = 0;
            segment->labels()->each(first, end, [&](std::uint32_t from, std::uint32_t to, std::int64_t label) {
                CHECK_EQ(from, row);
                CHECK(from < to);
                CHECK(from == first || before < label);
                for (; row < to; ++row) {
                    CHECK_EQ(label_of(segment->id(row)), label);
                    CHECK_EQ(segment->labels()->of(row), label);
                }
                before = label;
                ++runs;
            });
            CHECK_EQ(row, end);
        }
        CHECK_EQ(runs, segment->labels()->size());
    }
}

Parts runs(std::vector<std::uint32_t> rows, std::vector<std::int64_t> values) {
    Parts parts;
    parts.arrays["rows"] = array_of(std::move(rows));
    parts.arrays["values"] = array_of(std::move(values));
    return parts;
}

}  // namespace

TEST("bitmap: ranges that are set, copied and enclosed, against plain bools") {
    Bitmap from;
    for (std::size_t i = 0; i < 400; ++i) from.append(1, i % 5 == 1 || (i > 90 && i < 200));
    for (std::size_t begin = 0; begin <= 400; begin += 23)
        for (std::size_t end = begin; end <= 400; end += 29) {
            Bitmap ranged(450), copied(450);
            ranged.set(begin + 17, end + 17);
            copied.set_from(from, begin, end, begin + 17);
            const auto [first, last] = copied.hull(0, 450);
            for (std::size_t i = 0; i < 450; ++i) {
                const bool in = i >= begin + 17 && i < end + 17;
                CHECK(ranged.test(i) == in);
                CHECK(copied.test(i) == (in && from.test(i - 17)));
                if (copied.test(i)) CHECK(i >= first && i < last);
            }
            CHECK(copied.count(0, 450) == 0 ? first == 450 && last == 450
                                            : copied.test(first) && copied.test(last - 1));
            CHECK(copied.hull(first, last) == std::pair(first, last));
        }
}

TEST("labels: runs that do not divide lists with ascending labels are refused") {
    const std::vector<float> floats(10, 0.5f);
    Parts lists;
    lists.arrays["lists"] = array_of(std::vector<std::uint64_t>{0, 4, 4, 10});
    lists.arrays["codes"] = array_of(std::vector<std::uint8_t>(40));
    CodeLayout layout;
    layout.element_bits = 32;
    layout.elements = 1;
    const CodeLists own(layout, lists, 3, 10);
    CHECK_EQ(LabelRuns(runs({0, 3, 4, 9}, {-2, 5, 5, 6}), own, 3).size(), 4u);
    const auto refused = [&](std::vector<std::uint32_t> rows, std::vector<std::int64_t> values) {
        CHECK_THROWS(LabelRuns(runs(std::move(rows), std::move(values)), own, 3), "labels: ");
    };
    refused({0, 3, 4, 9}, {5, 5, 5, 6});         // one label in two runs
    refused({0, 3, 4, 9}, {6, 5, 5, 6});         // descends
    refused({0, 3, 9}, {-2, 5, 6});              // a list begins within a run
    refused({1, 3, 4, 9}, {-2, 5, 5, 6});        // rows without a label
    refused({0, 3, 3, 4, 9}, {-2, 5, 6, 5, 6});  // an empty run
    refused({0, 3, 2, 4, 9}, {-2, 5, 6, 5, 6});  // backwards
    refused({0, 3, 4, 10}, {-2, 5, 5, 6});       // behind the last row
    refused({0, 3, 4, 0xffffffffu}, {-2, 5, 5, 6});
    refused({0, 3, 4, 9}, {-2, 5, 5});
    refused({}, {});
}

TEST("labels: ranges of some labels, of any rows of a list") {
    Engine engine(make_parts({Metric::l2, 9, "pq4", true, ""}, x()));
    add_labelled(engine, 0, n);
    const Segment& segment = *engine.snapshot()->segments[0];
    std::vector<std::int64_t> many = range(-40, 40);
    for (const std::vector<std::int64_t>& labels :
         {std::vector<std::int64_t>{}, {1}, {-4}, {std::numeric_limits<std::int64_t>::min(), 7, 1234}, many})
        for (std::uint32_t list = 0; list < 9; ++list) {
            const std::uint32_t first = segment.first_row(list), end = first + segment.list_size(list);
            for (std::uint32_t begin = first; begin <= end; begin += 61)
                for (std::uint32_t stop = begin; stop <= end; stop += 97) {
                    std::vector<std::uint32_t> got, wanted;
                    segment.labels()->each_of(labels, begin, stop, [&](std::uint32_t from, std::uint32_t to) {
                        for (; from < to; ++from) got.push_back(from);
                    });
                    for (std::uint32_t row = begin; row < stop; ++row)
                        if (std::ranges::count(labels, label_of(segment.id(row))) > 0) wanted.push_back(row);
                    CHECK(got == wanted);
                }
        }
}

TEST("labels: a filter by label finds what one by ids finds, after any history") {
    for (const Choice& choice : choices()) {
        Engine engine(make_parts(choice, x()));
        add_labelled(engine, 0, 3000);
        const auto same = [&] {
            check_runs(*engine.snapshot());
            for (const std::vector<std::int64_t>& labels :
                 {std::vector<std::int64_t>{7}, {1234}, {-4, 0}, {55}, {}, {0, -4, 7, 7, 1234, 99}}) {
                std::vector<std::int64_t> ids;
                for (const std::int64_t id : engine.snapshot()->sorted_ids())
                    if (std::ranges::count(labels, label_of(id)) > 0) ids.push_back(id);
                const auto by_label = Filter::of_labels(labels), by_id = Filter::of_ids(ids, true);
                for (const std::uint32_t nprobe : {1u, 3u, 100u})
                    for (const unsigned threads : {1u, 3u}) {
                        const SearchParams params{
                            .k = k, .nprobe = nprobe, .rerank = choice.rerank.empty() ? 0u : 40u, .threads = threads};
                        const Found found = filtered(engine, *by_label, params);
                        CHECK(found == filtered(engine, *by_id, params));
                        const Found alone = filtered(engine, *by_label, params, q().block(2, 1));
                        CHECK(std::equal(alone.ids.begin(), alone.ids.end(), found.ids.begin() + 2 * k));
                        for (const std::int64_t id : found.ids)
                            CHECK(id < 0 || std::ranges::count(labels, label_of(id)) > 0);
                    }
            }
        };
        same();
        engine.remove(range(100, 900));
        same();
        add_labelled(engine, 3000, 3500);
        add_labelled(engine, 100, 300, true);
        same();
        engine.compact(2);
        same();
        CHECK_EQ(engine.snapshot()->segments.size(), 1u);
    }
}

TEST("labels: compact of segments is what one build makes, and take does not depend on the history") {
    for (const Choice& choice : choices()) {
        Engine parts(make_parts(choice, x())), one(make_parts(choice, x()));
        for (std::size_t first = 0; first < 640; first += 64) add_labelled(parts, first, first + 64);
        const std::vector<std::int64_t> some = range(50, 300);
        const auto taken = parts.take(some);
        parts.compact(3);
        add_labelled(one, 0, 640);
        const auto equal = [](const Engine& first, const Engine& second) {
            const Parts &a = first.snapshot()->segments[0]->parts(), &b = second.snapshot()->segments[0]->parts();
            CHECK_EQ(a.arrays.size(), b.arrays.size());
            for (const auto& [name, array] : a.arrays) CHECK(std::ranges::equal(array.bytes, b.arrays.at(name).bytes));
        };
        equal(parts, one);
        equal(*taken, *one.take(some));
        CHECK(taken->labels(some) == labels_of(50, 300));
    }
}

TEST("labels: for all vectors or none") {
    const Choice choice{Metric::l2, 9, "pq4", true, ""};
    Engine engine(make_parts(choice, x())), plain(make_parts(choice, x()));
    add_labelled(engine, 0, 200);
    add(plain, x().block(0, 100));
    CHECK_THROWS(add(engine, x().block(200, 10)), "labels: expected for all vectors or none");
    const auto builder = plain.builder(10, "");
    const auto labels = labels_of(0, 10);
    builder->append(x().block(0, 5), nullptr, 1, nullptr, labels.data());
    CHECK_THROWS(builder->append(x().block(5, 5), nullptr, 1), "labels: expected for all blocks or none");
    CHECK_THROWS(plain.publish(*builder), "labels: expected for all vectors or none");
    CHECK_THROWS(filtered(plain, *Filter::of_labels(labels), {.k = k}), "filter: got labels");
    CHECK_THROWS(plain.labels(labels), "labels: the vectors of this index have none");
    CHECK_THROWS(engine.labels(std::vector<std::int64_t>{5, 200}), "200 is not in the index");
    const Engine* both[] = {&engine, &plain};
    CHECK_THROWS(Engine::join(both, OnConflict::replace), "labels: expected for all vectors or none");
    engine.remove(range(0, 200));
    add(engine, x().block(0, 10));  // none of the vectors has one any more
    CHECK(!engine.snapshot()->has_labels());
}

TEST("labels: a file in which some segments have labels is corrupt") {
    Engine engine(make_parts({Metric::l2, 9, "pq4", true, ""}, x()));
    add_labelled(engine, 0, 1000);
    add_labelled(engine, 1000, 1100);
    REQUIRE(engine.snapshot()->segments.size() == 2);
    CHECK(Engine::from_bytes(engine.to_bytes(""))->labels(range(0, 1100)) == labels_of(0, 1100));
    Parts parts = engine.as_parts("");
    parts.arrays.erase("seg1.labels.rows");
    CHECK_THROWS(Engine::from_bytes(write_bytes(parts)), "labels: expected in all segments or none");
}
