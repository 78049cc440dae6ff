/* wasi_table.h - the 46 functions of wasi_snapshot_preview1 with their WebAssembly signatures (i: i32, I: i64, result
 * after the colon), from the witx of the WASI repository, legacy/preview1. The module check compares imports with it,
 * because the generated C would call a function of another signature without complaint. */
#ifndef VL_SANDBOX_WASI_TABLE_H
#define VL_SANDBOX_WASI_TABLE_H

#define WASI_MODULE "wasi_snapshot_preview1"

#define WASI_TABLE(X)                                                                                                  \
    X(args_get, "ii:i")                                                                                                \
    X(args_sizes_get, "ii:i")                                                                                          \
    X(environ_get, "ii:i")                                                                                             \
    X(environ_sizes_get, "ii:i")                                                                                       \
    X(clock_res_get, "ii:i")                                                                                           \
    X(clock_time_get, "iIi:i")                                                                                         \
    X(fd_advise, "iIIi:i")                                                                                             \
    X(fd_allocate, "iII:i")                                                                                            \
    X(fd_close, "i:i")                                                                                                 \
    X(fd_datasync, "i:i")                                                                                              \
    X(fd_fdstat_get, "ii:i")                                                                                           \
    X(fd_fdstat_set_flags, "ii:i")                                                                                     \
    X(fd_fdstat_set_rights, "iII:i")                                                                                   \
    X(fd_filestat_get, "ii:i")                                                                                         \
    X(fd_filestat_set_size, "iI:i")                                                                                    \
    X(fd_filestat_set_times, "iIIi:i")                                                                                 \
    X(fd_pread, "iiiIi:i")                                                                                             \
    X(fd_prestat_get, "ii:i")                                                                                          \
    X(fd_prestat_dir_name, "iii:i")                                                                                    \
    X(fd_pwrite, "iiiIi:i")                                                                                            \
    X(fd_read, "iiii:i")                                                                                               \
    X(fd_readdir, "iiiIi:i")                                                                                           \
    X(fd_renumber, "ii:i")                                                                                             \
    X(fd_seek, "iIii:i")                                                                                               \
    X(fd_sync, "i:i")                                                                                                  \
    X(fd_tell, "ii:i")                                                                                                 \
    X(fd_write, "iiii:i")                                                                                              \
    X(path_create_directory, "iii:i")                                                                                  \
    X(path_filestat_get, "iiiii:i")                                                                                    \
    X(path_filestat_set_times, "iiiiIIi:i")                                                                            \
    X(path_link, "iiiiiii:i")                                                                                          \
    X(path_open, "iiiiiIIii:i")                                                                                        \
    X(path_readlink, "iiiiii:i")                                                                                       \
    X(path_remove_directory, "iii:i")                                                                                  \
    X(path_rename, "iiiiii:i")                                                                                         \
    X(path_symlink, "iiiii:i")                                                                                         \
    X(path_unlink_file, "iii:i")                                                                                       \
    X(poll_oneoff, "iiii:i")                                                                                           \
    X(proc_exit, "i:")                                                                                                 \
    X(proc_raise, "i:i")                                                                                               \
    X(random_get, "ii:i")                                                                                              \
    X(sched_yield, ":i")                                                                                               \
    X(sock_accept, "iii:i")                                                                                            \
    X(sock_recv, "iiiiii:i")                                                                                           \
    X(sock_send, "iiiii:i")                                                                                            \
    X(sock_shutdown, "ii:i")

#endif
