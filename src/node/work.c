/* The runner: a process of its own, started from the program's own file; tasks go to it and come back from it. */
#include "node/priv.h"

#include "crypto/hash.h"
#include "fog/receipt.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUNNER_RESTART_MS 1000u

static void runner_send(struct node *n, const struct sandbox_request *req) {
    uint8_t *packet = malloc(SANDBOX_MESSAGE_MAX);
    size_t len = 0;
    enum vl_err err = packet ? sandbox_request_encode(req, packet, SANDBOX_MESSAGE_MAX, &len) : VL_ENOMEM;
    ssize_t put = err ? 0 : send(n->runner_fd, packet, len, MSG_NOSIGNAL);
    free(packet);
    if (err == VL_OK && put == (ssize_t)len) return;
    if (req->kind == SANDBOX_REQ_RUN)
        brain_task_ended(n->brain, node_now(n),
                         &(struct brain_task_end){ .task = req->u.run.task,
                                                   .outcome = TASK_REFUSED,
                                                   .err = err ? err : VL_EBUSY,
                                                   .detail = "the runner took no more tasks" });
}

/* ---- outputs of a task: hashed and adopted on another thread
 * --------------------------------------------------------- */

static struct runner_job **job_find(struct node *n, uint64_t task) {
    struct runner_job **at = &n->jobs;
    while (*at && (*at)->task != task) at = &(*at)->next;
    return at;
}

static void job_free(struct runner_job *j) {
    for (size_t i = 0; i < VL_TASK_OUTPUTS_MAX; i++) free(j->content[i]);
    free(j->packet);
    free(j);
}

static enum vl_err output_take(struct runner_job *j, uint32_t i) {
    const struct sandbox_output *o = &j->exited.outputs[i];
    uint64_t size = 0;
    if (o->size <= VL_INLINE_MAX) {
        struct vl_buf b;
        vl_buf_init(&b, VL_INLINE_MAX);
        enum vl_err err = os_file_read(o->path, &b);
        if (err == VL_OK && b.len != o->size) err = VL_ECORRUPT;
        if (err) {
            vl_buf_free(&b);
            return err;
        }
        crypto_blake2b256(vl_span(b.p, b.len), &j->hash[i]);
        j->content[i] = b.p; /* taken over; NULL when empty */
        return VL_OK;
    }
    enum vl_err err = blob_hash_file(o->path, &j->hash[i], &size);
    if (err == VL_OK && size != o->size) err = VL_ECORRUPT;
    return err ? err : os_blob_adopt(&j->node->blobs, &j->hash[i], o->path);
}

static void outputs_work(uv_work_t *w) {
    struct runner_job *j = w->data;
    for (uint32_t i = 0; i < j->exited.outputs_n && j->err == VL_OK; i++) j->err = output_take(j, i);
}

/* What the sandbox saw, in the words of a report: a program that ended by itself is done, whatever its exit code says
 * is judged by the job: a code other than 0 is the program's failure. */
static void outcome_of(const struct sandbox_exited *e, struct brain_task_end *end) {
    switch (e->outcome) {
    case SANDBOX_EXITED:
        end->outcome = e->exit_code == 0 ? TASK_DONE : TASK_FAILED;
        end->err = e->exit_code == 0 ? VL_OK : VL_ESTATE;
        return;
    case SANDBOX_TRAPPED:
        end->err = VL_ESTATE;
        break;
    case SANDBOX_TIMED_OUT:
    case SANDBOX_CPU_EXCEEDED:
        end->err = VL_ETIMEOUT;
        break;
    case SANDBOX_MEMORY_EXCEEDED:
        end->err = VL_ENOMEM;
        break;
    case SANDBOX_DISK_EXCEEDED:
        end->err = VL_ENOSPC;
        break;
    case SANDBOX_OUTPUT_EXCEEDED:
    case SANDBOX_PROCESS_LIMIT:
        end->err = VL_ELIMIT;
        break;
    case SANDBOX_KILLED:
        end->err = VL_ECLOSED;
        break;
    case SANDBOX_REFUSED:
        end->err = VL_EUNSUPPORTED;
        break;
    case SANDBOX_INTERNAL:
        end->outcome = TASK_REFUSED;
        end->err = VL_EINTERNAL;
        return;
    }
    end->outcome = TASK_FAILED;
}

static void job_report(struct runner_job *j) {
    struct node *n = j->node;
    struct task_output *outputs = calloc(VL_TASK_OUTPUTS_MAX, sizeof *outputs);
    char detail[TASK_ERROR_MAX + 1];
    struct brain_task_end end = { .task = j->task,
                                  .exit_code = j->exited.exit_code,
                                  .cpu_us = j->exited.cpu_us,
                                  .peak_bytes = j->exited.peak_bytes,
                                  .toolchain = n->toolchain,
                                  .outputs = outputs };
    outcome_of(&j->exited, &end);
    if (j->err || outputs == NULL) {
        end.outcome = TASK_REFUSED;
        end.err = outputs ? j->err : VL_ENOMEM;
        end.detail = "the outputs of the task could not be stored";
    } else {
        for (uint32_t i = 0; i < j->exited.outputs_n; i++)
            outputs[end.outputs_n++] =
                (struct task_output){ .name = vl_span_str(j->exited.outputs[i].name),
                                      .hash = j->hash[i],
                                      .size = j->exited.outputs[i].size,
                                      .inline_bytes =
                                          vl_span(j->content[i], j->content[i] ? j->exited.outputs[i].size : 0) };
        if (j->exited.text[0] != '\0')
            snprintf(detail, sizeof detail, "%s", j->exited.text);
        else if (end.outcome == TASK_FAILED && j->exited.outcome == SANDBOX_EXITED)
            snprintf(detail, sizeof detail, "the program ended with exit code %d", (int)j->exited.exit_code);
        else
            detail[0] = '\0';
        for (char *p = detail; *p; p++)
            if ((unsigned char)*p < 0x20) *p = ' ';
        end.detail = detail;
    }
    if (n->brain) brain_task_ended(n->brain, node_now(n), &end);
    free(outputs);
}

static void outputs_done(uv_work_t *w, int status) {
    struct runner_job *j = w->data;
    struct node *n = j->node;
    if (status && j->err == VL_OK) j->err = VL_EIO;
    bool ours = *job_find(n, j->task) == j;
    if (ours) {
        *job_find(n, j->task) = j->next;
        job_report(j);
        if (n->runner_running)
            runner_send(n, &(struct sandbox_request){ .kind = SANDBOX_REQ_RELEASE, .u.task = j->task });
    }
    job_free(j);
    node_pump(n);
    node_handle_closed(n);
}

static void task_exited(struct node *n, const struct sandbox_event *ev, uint8_t *packet) {
    struct runner_job *j = *job_find(n, ev->u.exited.task);
    if (j == NULL || j->working) {
        free(packet);
        return;
    }
    j->exited = ev->u.exited;
    j->packet = packet;
    j->working = true;
    j->work.data = j;
    n->handles++;
    if (uv_queue_work(n->loop, &j->work, outputs_work, outputs_done) != 0) {
        j->err = VL_ENOMEM;
        outputs_done(&j->work, 0);
    }
}

/* ---- requests ------------------------------------------------------------------------------------------------------
 */

static uint32_t strings_count(struct vl_span s) { return task_strings_count(s); }

void runner_run(struct node *n, uint64_t task, const struct assignment *a) {
    const struct task_spec *s = &a->spec;
    struct sandbox_request *req = calloc(1, sizeof *req);
    struct runner_job *j = calloc(1, sizeof *j);
    char(*paths)[640] = calloc(VL_TASK_INPUTS_MAX + 1, sizeof *paths);
    char(*names)[VL_NAME_MAX] = calloc(VL_TASK_INPUTS_MAX, sizeof *names);
    uint8_t *argv = malloc(VL_NAME_MAX + VL_ARGS_BYTES);
    char command[TASK_COMMAND_MAX + 1] = "";
    uint64_t size;
    enum vl_err err = req && j && paths && names && argv && n->runner_ready ? VL_OK : VL_ENOMEM;
    if (err == VL_OK) {
        struct sandbox_run *r = &req->u.run;
        req->kind = SANDBOX_REQ_RUN;
        *r = (struct sandbox_run){ .task = task,
                                   .kind = s->kind == TASK_WASM ? SANDBOX_WASM : SANDBOX_NATIVE,
                                   .module = s->program,
                                   .stdin_path = "",
                                   .deterministic = s->deterministic,
                                   .network = s->network,
                                   .inputs_n = s->n_inputs };
        memcpy(argv, s->name.p, s->name.n);
        argv[s->name.n] = '\0';
        if (s->args.n) memcpy(argv + s->name.n + 1, s->args.p, s->args.n);
        r->argv = vl_span(argv, s->name.n + 1 + s->args.n);
        r->argc = 1 + strings_count(s->args);
        r->env = s->env;
        r->envc = strings_count(s->env);
        r->limits = sandbox_limits_default();
        r->limits.timeout_ms = s->limits.timeout_ms;
        r->limits.cpu_ms = s->limits.cpu_ms;
        r->limits.memory_bytes = s->limits.memory_bytes;
        r->limits.disk_bytes = s->limits.disk_bytes;
        r->limits.output_bytes = s->limits.output_bytes;
        r->limits.processes = s->limits.processes;
        vl_put_u64(r->seed, s->seed);
        vl_put_u32(r->seed + 8, a->task);
        memcpy(command, s->command.p ? (const char *)s->command.p : "", s->command.n);
        r->program = command;
        if (s->kind == TASK_WASM) {
            err = blob_ensure(n, &s->program, paths[VL_TASK_INPUTS_MAX], &size);
            r->program = paths[VL_TASK_INPUTS_MAX];
        }
        for (uint32_t i = 0; i < s->n_inputs && err == VL_OK; i++) {
            const struct task_input *in = &s->inputs[i];
            memcpy(names[i], in->name.p, in->name.n);
            if (in->inline_bytes.n > 0 || in->size == 0)
                err = os_blob_size(&n->blobs, &in->hash, &size) == VL_OK
                          ? VL_OK
                          : os_blob_cache(&n->blobs, &in->hash, in->inline_bytes.p, in->inline_bytes.n);
            if (err == VL_OK) err = blob_ensure(n, &in->hash, paths[i], &size);
            r->inputs[i] = (struct sandbox_input){ .name = names[i], .path = paths[i] };
        }
        if (s->n_inputs > 0) r->stdin_path = paths[0];
    }
    if (err) {
        free(j);
        brain_task_ended(
            n->brain, node_now(n),
            &(struct brain_task_end){
                .task = task, .outcome = TASK_REFUSED, .err = err, .detail = "the task could not be prepared" });
    } else {
        j->node = n;
        j->task = task;
        j->next = n->jobs;
        n->jobs = j;
        runner_send(n, req);
    }
    free(req);
    free(paths);
    free(names);
    free(argv);
}

void runner_kill(struct node *n, uint64_t task) {
    if (*job_find(n, task) == NULL || !n->runner_running) return;
    runner_send(n, &(struct sandbox_request){ .kind = SANDBOX_REQ_KILL, .u.task = task });
}

void runner_pace(struct node *n, uint32_t cap_milli) {
    n->cap_milli = cap_milli;
    if (n->runner_ready) runner_send(n, &(struct sandbox_request){ .kind = SANDBOX_REQ_PACE, .u.cap_milli = cap_milli });
}

/* ---- events ---------------------------------------------------------------------------------------------------------
 */

static void hello(struct node *n, const struct sandbox_hello *h) {
    static const char *const groups[] = { [SANDBOX_CGROUP_NONE] = "none", [SANDBOX_CGROUP_V1] = "v1", [SANDBOX_CGROUP_V2] = "v2" };
    snprintf(n->runner_text, sizeof n->runner_text, "%s%s%s%s%s%s%s", h->wasm2c, h->wasm2c[0] ? ", " : "", h->cc,
             h->cc[0] ? ", " : "", h->bwrap, h->text[0] ? ": " : "", h->text);
    n->toolchain = h->toolchain;
    n->runner_ready = true;
    vl_log(n->cfg.log, node_now(n), h->wasm && h->native ? VL_INFO : VL_WARN, "runner ready", VL_B("wasm", h->wasm),
           VL_B("native", h->native), VL_S("cgroups", groups[h->cgroup]), VL_S("detail", n->runner_text));
    n->features = (h->wasm ? NODE_FEATURE_WASM : 0) | (h->native ? NODE_FEATURE_NATIVE : 0);
    if (n->cap_milli != 1000) runner_pace(n, n->cap_milli);
    brain_runner_ready(n->brain, node_now(n), n->features);
}

static void refused(struct node *n, const struct sandbox_event *ev) {
    if (ev->u.refused.request != SANDBOX_REQ_RUN) return;
    struct runner_job **at = job_find(n, ev->u.refused.task), *j = *at;
    if (j == NULL || j->working) return;
    *at = j->next;
    brain_task_ended(
        n->brain, node_now(n),
        &(struct brain_task_end){
            .task = j->task, .outcome = TASK_REFUSED, .err = ev->u.refused.err, .detail = ev->u.refused.text });
    job_free(j);
}

static void runner_readable(uv_poll_t *p, int status, int events) {
    struct node *n = p->data;
    (void)events;
    for (unsigned i = 0; status == 0 && i < 64; i++) {
        uint8_t *packet = malloc(SANDBOX_MESSAGE_MAX);
        struct sandbox_event *ev = malloc(sizeof *ev);
        ssize_t got = packet && ev ? recv(n->runner_fd, packet, SANDBOX_MESSAGE_MAX, MSG_DONTWAIT) : -1;
        bool keep = false;
        if (got > 0 && sandbox_event_decode(vl_span(packet, (size_t)got), ev) == VL_OK) {
            switch (ev->kind) {
            case SANDBOX_EVT_HELLO:
                hello(n, &ev->u.hello);
                break;
            case SANDBOX_EVT_STARTED:
                brain_task_started(n->brain, node_now(n), ev->u.task);
                break;
            case SANDBOX_EVT_EXITED:
                task_exited(n, ev, packet);
                keep = true;
                break;
            case SANDBOX_EVT_REFUSED:
                refused(n, ev);
                break;
            case SANDBOX_EVT_COMPILED:
            case SANDBOX_EVT_STATS:
                break;
            }
        }
        free(ev);
        if (!keep) free(packet);
        if (got <= 0) {
            if (got == 0 || (errno != EAGAIN && errno != EINTR)) uv_poll_stop(p); /* the process exit says the rest */
            break;
        }
    }
    node_pump(n);
}

/* ---- the process
 * ------------------------------------------------------------------------------------------------------ */

static void poll_closed(uv_handle_t *h) {
    struct node *n = h->data;
    close(n->runner_fd);
    n->runner_fd = -1;
    n->runner_polling = false;
    node_handle_closed(n);
}

static void process_closed(uv_handle_t *h) { node_handle_closed(h->data); }

static void runner_exited(uv_process_t *p, int64_t code, int signal) {
    struct node *n = p->data;
    n->runner_running = n->runner_ready = false;
    uv_close((uv_handle_t *)p, process_closed);
    if (n->runner_polling && !uv_is_closing((uv_handle_t *)&n->runner_poll))
        uv_close((uv_handle_t *)&n->runner_poll, poll_closed);
    for (struct runner_job **at = &n->jobs; *at;) { /* those whose outputs are being stored end by themselves */
        struct runner_job *j = *at;
        *at = j->next;
        if (!j->working) job_free(j);
    }
    if (n->stopping || n->brain == NULL) return;
    vl_log(n->cfg.log, node_now(n), VL_ERROR, "runner ended; starting another", VL_I("code", code),
           VL_I("signal", signal));
    brain_runner_lost(n->brain, node_now(n));
    n->runner_restart_at = node_now(n) + RUNNER_RESTART_MS;
    node_pump(n);
}

enum vl_err runner_start(struct node *n) {
    int pair[2];
    char work[512], cache[512], slots[16];
    n->runner_restart_at = VL_MS_NEVER;
    if (n->brain_cfg.caps.slots == 0) return VL_OK;
    snprintf(work, sizeof work, "%s/work", n->data_dir);
    snprintf(cache, sizeof cache, "%s/modules", n->data_dir);
    snprintf(slots, sizeof slots, "%u", n->brain_cfg.caps.slots);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return os_err(errno);
    int size = 4 << 20; /* many RUNs may wait while a sandbox is being built */
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    char *args[] = { "village", "runner", "--fd", "3", "--work", work, "--cache", cache, "--slots", slots, NULL };
    uv_stdio_container_t io[4] = { { .flags = UV_IGNORE },
                                   { .flags = UV_INHERIT_FD, .data.fd = 2 },
                                   { .flags = UV_INHERIT_FD, .data.fd = 2 },
                                   { .flags = UV_INHERIT_FD, .data.fd = pair[1] } };
    uv_process_options_t o = {
        .exit_cb = runner_exited, .file = "/proc/self/exe", .args = args, .stdio_count = 4, .stdio = io
    };
    n->runner.data = n;
    n->handles++;
    int rc = uv_spawn(n->loop, &n->runner, &o);
    close(pair[1]);
    if (rc != 0) {
        close(pair[0]);
        uv_close((uv_handle_t *)&n->runner, process_closed);
        return VL_EIO;
    }
    n->runner_running = true;
    n->stats.runner_starts++;
    n->runner_fd = pair[0];
    n->runner_poll.data = n;
    if (uv_poll_init(n->loop, &n->runner_poll, n->runner_fd) != 0) return VL_EIO;
    n->handles++;
    n->runner_polling = true;
    uv_poll_start(&n->runner_poll, UV_READABLE, runner_readable);
    runner_send(n, &(struct sandbox_request){ .kind = SANDBOX_REQ_HELLO, .u.protocol = SANDBOX_PROTOCOL });
    return VL_OK;
}

void runner_stop(struct node *n) {
    if (n->runner_polling && !uv_is_closing((uv_handle_t *)&n->runner_poll))
        uv_close((uv_handle_t *)&n->runner_poll,
                 poll_closed); /* end of file makes the runner kill its tasks and exit */
}
