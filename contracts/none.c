/* In place of the compiled contract where there is no npm. */
#include <stddef.h>
extern const unsigned char anchor_code[];
extern const size_t anchor_code_n;
const unsigned char anchor_code[] = { 0 };
const size_t anchor_code_n = 0;
