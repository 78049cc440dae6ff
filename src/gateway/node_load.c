/* node_load.c - what metrics say of overload at the coordinator (fog/shed.h). */
#include "gateway/node_backend.h"

static void per_class(const char *name, const char *help, const uint64_t v[SLA_CLASSES], view_metric_fn sink, void *arg) {
    for (unsigned c = 0; c < SLA_CLASSES; c++)
        sink(arg, &(struct view_metric){ .name = name,
                                         .help = help,
                                         .type = VIEW_COUNTER,
                                         .label = "class",
                                         .label_value = sla_class_name((enum sla_class)c),
                                         .value = (double)v[c] });
}

static void gauge(const char *name, const char *help, double value, view_metric_fn sink, void *arg) {
    sink(arg, &(struct view_metric){ .name = name, .help = help, .type = VIEW_GAUGE, .value = value });
}

void node_backend_load_metrics(void *self, view_metric_fn sink, void *arg) {
    struct brain_load l;
    brain_load(node_brain(((struct node_backend *)self)->node), &l);
    gauge("village_shed_level", "0: all jobs are taken, 1: not those of class B, 2: those of class S only.", l.level, sink, arg);
    per_class("village_jobs_taken_total", "Jobs let in, by class.", l.taken, sink, arg);
    per_class("village_jobs_shed_total", "Jobs turned away for overload, by class.", l.refused, sink, arg);
    gauge("village_commit_delay_seconds", "From the last step until what it promised was on disk.", (double)l.commit_ms / 1000, sink,
          arg);
    gauge("village_loop_delay_seconds", "How late the loop came to what was due last.", (double)l.loop_ms / 1000, sink, arg);
    sink(arg, &(struct view_metric){ .name = "village_placing_paced_total",
                                     .help = "Times that placing waited for the disk.",
                                     .type = VIEW_COUNTER,
                                     .value = (double)l.paced });
}
