#include "cli/cli.h"

#include "cli/handlers.h"
#include "cli/session.h"

#include <errno.h>
#include <locale.h>
#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --data, VILLAGE_DATA, $XDG_DATA_HOME/village, ~/.local/share/village. False: the path is too long. */
static bool find_data_dir(struct cli *cli) {
    const char *dir = args_text(&cli->args, "data"), *env = getenv("VILLAGE_DATA"), *xdg = getenv("XDG_DATA_HOME");
    int n;
    if (dir == NULL && env != NULL && *env != '\0') dir = env;
    if (dir != NULL) {
        n = snprintf(cli->data_dir, sizeof cli->data_dir, "%s", dir);
    } else if (xdg != NULL && *xdg == '/') { /* relative ones are to be ignored (XDG Base Directory 0.8) */
        n = snprintf(cli->data_dir, sizeof cli->data_dir, "%s/village", xdg);
    } else {
        const char *home = getenv("HOME");
        if (home == NULL || *home != '/') {
            const struct passwd *who = getpwuid(getuid());
            home = who != NULL ? who->pw_dir : "/";
        }
        n = snprintf(cli->data_dir, sizeof cli->data_dir, "%s/.local/share/village", home);
    }
    return n > 0 && (size_t)n < sizeof cli->data_dir;
}

static void set_output(struct cli *cli) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool color = !args_has(&cli->args, "no-color") && (no_color == NULL || *no_color == '\0') && term != NULL &&
                 strcmp(term, "dumb") != 0;
    cli->out = term_open(stdout, color);
    cli->err = term_open(stderr, color);
    cli->json = args_has(&cli->args, "json");
    cli->quiet = args_has(&cli->args, "quiet");
    cli->wide = args_has(&cli->args, "wide");
    if (cli->wide) cli->out.width = 0;
}

static int dispatch(struct cli *cli) {
    struct vl_errmsg msg = { .text = "" };
    enum vl_err err = args_parse(cli->argc, cli->argv, &cli->args, &msg);
    set_output(cli);
    if (err != VL_OK) return cli_fail(cli, err == VL_ENOMEM ? CLI_FAILED : CLI_USAGE, "%s", msg.text);
    if (!find_data_dir(cli)) return cli_fail(cli, CLI_USAGE, "the path of the data folder is too long");
    const struct cli_command *command = cli->args.command;
    if (command == NULL && !args_has(&cli->args, "help") && cli->argc > 1)
        return cli_fail(cli, CLI_USAGE, "no command; `village help` lists them");
    if (command == NULL || args_has(&cli->args, "help")) return command_help(cli);
    return command->run(cli);
}

int cli_main(int argc, char **argv, const struct cli_hooks *hooks) {
    struct cli cli;
    setlocale(LC_CTYPE, "C.UTF-8"); /* wcwidth(); the terminal is taken to speak UTF-8, as every one of today does */
    cli_init(&cli, hooks);
    cli.argc = argc;
    cli.argv = argv;
    int code = sodium_init() >= 0 ? dispatch(&cli) : cli_fail(&cli, CLI_FAILED, "libsodium does not start");
    /* A full disk shows only here; a reader that went away (EPIPE) is no failure of ours. */
    if (fflush(stdout) != 0 && errno != EPIPE && code == CLI_OK)
        code = cli_fail(&cli, CLI_FAILED, "cannot write the output: %s", strerror(errno));
    cli_free(&cli);
    return code;
}
