#include "fog/plan.h"
enum vl_err plan_run(const struct plan_input *in, struct plan_result *ret) { (void)in; (void)ret; return VL_EUNSUPPORTED; }
void plan_result_free(struct plan_result *r) { (void)r; }
