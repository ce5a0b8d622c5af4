/* The inequalities of the protocol: a lease that breaks one must not start, and
 * must say which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lease/lease_step.h"

static tj_lease_options defaults(void)
{
    tj_lease_options options;

    tj_lease_options_init(&options);
    return options;
}

static void refused(const tj_lease_options *options, const char *words)
{
    tj_error error = TJ_ERROR_INIT;

    assert_int_equal(tj_lease_options_check(options, &error), TJ_EINVAL);
    if (!strstr(error.message, words))
        print_error("'%s' is not in '%s'\n", words, error.message);
    assert_non_null(strstr(error.message, words));
}

/* What is shipped must satisfy its own rules. */
static void test_defaults_are_sound(void **state)
{
    tj_lease_options options = defaults();

    assert_int_equal(tj_lease_options_check(&options, NULL), 0);
    assert_true(options.lease_ms == 6000 && options.renew_ms == 800);
    assert_true(options.no_start_ms == 2800 && options.terminate_ms == 3200);
    assert_true(options.kill_ms == 4400 && options.dead_ms == 4800);
}

/* Whoever sets only the lease gets the rest in proportion, at every size. */
static void test_scaled_options_are_sound(void **state)
{
    int64_t lease_ms;

    for (lease_ms = 100; lease_ms <= 3600000; lease_ms += 1 + lease_ms / 97) {
        tj_lease_options options = defaults();
        tj_error error = TJ_ERROR_INIT;

        tj_lease_options_scale(&options, lease_ms);
        if (tj_lease_options_check(&options, &error))
            print_error("%lld: %s\n", (long long)lease_ms, error.message);
        assert_int_equal(tj_lease_options_check(&options, NULL), 0);
    }
}

/* Each rule alone, with its numbers in the text. */
static void test_each_inequality_is_explained(void **state)
{
    tj_lease_options options = defaults();

    options.renew_ms = 1067;
    refused(&options, "3 x 1067 = 3201, terminate_ms is 3200");
    options = defaults();
    options.no_start_ms = 3201;
    refused(&options, "3201 > 3200");
    options = defaults();
    options.no_start_ms = 800;
    refused(&options, "800 <= 800");
    options = defaults();
    options.grace_ms = 1201;
    refused(&options, "3200 + 1201 = 4401, kill_ms is 4400");
    options = defaults();
    options.kill_ms = 4800;
    refused(&options, "4800 >= 4800");
    options = defaults();
    options.slack_ms = 1141;
    refused(&options, "4800 + 1141 = 5941, 6000 less 10000 ppm is 5940");
    options.slack_ms = 1140;
    assert_int_equal(tj_lease_options_check(&options, NULL), 0);
}

/* Values that would overflow or make no sense. */
static void test_ranges_are_checked(void **state)
{
    tj_lease_options options = defaults();

    options.lease_ms = INT64_MAX;
    refused(&options, "lease_ms is 9223372036854775807");
    options = defaults();
    options.renew_ms = 0;
    refused(&options, "renew_ms is 0");
    options = defaults();
    options.heartbeat_timeout_ms = -1;
    refused(&options, "heartbeat_timeout_ms");
    options = defaults();
    options.rho_ppm = 500001;
    refused(&options, "rho_ppm");
    options = defaults();
    options.size--;
    refused(&options, "another version");
}

/* Names end up in files, rows and logs. */
static void test_names_are_checked(void **state)
{
    tj_lease_options options = defaults();

    options.name = "../x";
    refused(&options, "name");
    options.name = NULL;
    refused(&options, "name");
    options = defaults();
    options.host = "";
    refused(&options, "host");
    options.host = "a\nb";
    refused(&options, "host");
    options.host = "0123456789012345678901234567890123456789012345678901234567"
                   "890123456";
    refused(&options, "host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_sound),
        cmocka_unit_test(test_scaled_options_are_sound),
        cmocka_unit_test(test_each_inequality_is_explained),
        cmocka_unit_test(test_ranges_are_checked),
        cmocka_unit_test(test_names_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
