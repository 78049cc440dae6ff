#include "check.h"
#include "cli/units.h"

#include <stdint.h>

static int64_t size_of(const char *s) {
    int64_t v = -1;
    return units_parse_size(s, 0, INT64_MAX, &v) == VL_OK ? v : -1;
}
static int64_t ms_of(const char *s) {
    int64_t v = -1;
    return units_parse_duration(s, 0, INT64_MAX, &v) == VL_OK ? v : -1;
}

TEST(units, sizes_are_powers_of_1024_in_every_spelling) {
    CHECK_EQ(0, size_of("0"));
    CHECK_EQ(4096, size_of("4096"));
    CHECK_EQ(65536, size_of("64K"));
    CHECK_EQ(65536, size_of("64k"));
    CHECK_EQ(2097152, size_of("2MiB"));
    CHECK_EQ(1610612736, size_of("1.5G"));
    CHECK_EQ(1099511627776, size_of("1T"));
}
TEST(units, sizes_refuse_what_is_not_exactly_a_size) {
    static const char *const bad[] = { "",    " 1",   "1 ",    "-1",         "+1",      "1KB", "1Ki",
                                       "1X",  "K",    ".5G",   "1.",         "1.K",     "0x1", "1e3",
                                       "1M1", "1,5G", "1..5G", "1.2345678G", "\xc2\xb2" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(-1, size_of(bad[i]));
    int64_t v = 7;
    CHECK_EQ(VL_ERANGE, units_parse_size("1.5", 0, 10, &v)); /* half a byte */
    CHECK_EQ(VL_ERANGE, units_parse_size("9223372036854775808", 0, INT64_MAX, &v));
    CHECK_EQ(VL_ERANGE, units_parse_size("9007199254740992K", 0, INT64_MAX, &v));
    CHECK_EQ(VL_ERANGE, units_parse_size("11", 0, 10, &v));
    CHECK_EQ(VL_ERANGE, units_parse_size("4", 5, 10, &v));
    CHECK_EQ(7, v); /* untouched on error */
    CHECK_OK(units_parse_size("10", 5, 10, &v));
    CHECK_EQ(10, v);
}
TEST(units, durations_need_a_unit_and_go_from_large_to_small) {
    CHECK_EQ(250, ms_of("250ms"));
    CHECK_EQ(30000, ms_of("30s"));
    CHECK_EQ(300000, ms_of("5m"));
    CHECK_EQ(5400000, ms_of("1h30m"));
    CHECK_EQ(90061001, ms_of("1d1h1m1s1ms"));
    static const char *const bad[] = { "",     "30",  "s",    "30 s", "-1s", "1.5h", "30m1h",
                                       "1s1s", "1sm", "1msm", "1hh",  "1w",  "1H" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_EQ(-1, ms_of(bad[i]));
    CHECK_EQ(-1, ms_of("106751991168d")); /* past the range of the sum */
}
TEST(units, what_is_spelled_reads_back_as_the_same_value) {
    static const uint64_t sizes[] = { 0, 1, 1023, 1024, 1536, 65536, 1048576, 1099511627776, 123456789 };
    static const uint64_t times[] = { 0, 1, 999, 1000, 60000, 5400000, 86400000, 90061001, 2592000000 };
    char text[UNITS_TEXT];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        units_spell_size(sizes[i], text);
        CHECK_EQ((int64_t)sizes[i], size_of(text));
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        units_spell_duration(times[i], text);
        CHECK_EQ((int64_t)times[i], ms_of(text));
    }
}
TEST(units, people_read_rounded_values) {
    char text[UNITS_TEXT];
    units_format_size(0, text), CHECK_STR("0 B", text);
    units_format_size(1023, text), CHECK_STR("1023 B", text);
    units_format_size(1536, text), CHECK_STR("1.5 KiB", text);
    units_format_size(UINT64_MAX, text), CHECK_STR("15.9 EiB", text);
    units_format_duration(999, text), CHECK_STR("999 ms", text);
    units_format_duration(4250, text), CHECK_STR("4.2 s", text);
    units_format_duration(185000, text), CHECK_STR("3m 05s", text);
    units_format_duration(7800000, text), CHECK_STR("2h 10m", text);
}
