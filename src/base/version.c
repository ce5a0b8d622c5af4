/* Which version of the library this is. */
#include <timedjobs/version.h>

const char *tj_version(void)
{
    return TJ_VERSION_STRING;
}
