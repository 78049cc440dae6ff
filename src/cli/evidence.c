#include "cli/evidence.h"

#include "os/file.h"
#include "os/folder.h"

#include <stdlib.h>

static int create(struct cli *cli, struct vl_span policy, const struct folder *folder, struct admission **ret) {
    struct vl_errmsg why = { "" };
    struct admission_file *list = calloc(folder->n + 1, sizeof *list);
    if (list == NULL) return cli_fail(cli, CLI_FAILED, "out of memory");
    for (size_t i = 0; i < folder->n; i++)
        list[i] = (struct admission_file){ folder->file[i].name, vl_span(folder->file[i].bytes.p, folder->file[i].bytes.len) };
    enum vl_err err = admission_create(policy, list, folder->n, ret, &why);
    free(list);
    return err ? cli_fail(cli, CLI_USAGE, "%s", why.text[0] ? why.text : vl_err_text(err)) : CLI_OK;
}

int evidence_admission(struct cli *cli, struct admission **ret) {
    const char *policy = args_text(&cli->args, "attest-policy"), *dir = args_text(&cli->args, "attest-dir");
    struct folder folder = { .n = 0 };
    struct vl_errmsg why = { "" };
    struct vl_buf text;
    int code = CLI_OK;
    vl_buf_init(&text, ADMISSION_POLICY_MAX);
    enum vl_err err = policy ? os_file_read(policy, &text) : VL_OK;
    if (err) code = cli_fail(cli, CLI_NOT_FOUND, "cannot read %s: %s", policy, vl_err_text(err));
    if (code == CLI_OK && dir && (err = folder_read(dir, &folder, &why))) code = cli_fail(cli, CLI_NOT_FOUND, "%s", why.text);
    if (code == CLI_OK) code = create(cli, vl_span(text.p, text.len), &folder, ret);
    folder_free(&folder);
    vl_buf_free(&text);
    return code;
}
