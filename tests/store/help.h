/* help.h - what the store's tests share: scratch directories, short ways to write and count. */
#ifndef TESTS_STORE_HELP_H
#define TESTS_STORE_HELP_H

#include "store/store.h"

#define DIR_MAX 512
/* A new directory under $TMPDIR or /tmp. */
void scratch_dir(char ret_dir[DIR_MAX]);
/* Removes a directory of plain files. */
void remove_dir(const char *dir);
/* "dir/name", static storage, good until the next call. */
const char *path_in(const char *dir, const char *name);

struct outcome {
    int calls, order;
    enum vl_err err;
    uint64_t seqs[4];
    size_t n_seqs;
};
/* A store_done that fills a struct outcome; order counts all calls since start. */
void note(void *outcome, const struct store_result *r);
/* Submits and waits for the outcome. */
enum vl_err commit(struct store *s, struct store_batch *b);

void put_meta(struct store_batch *b, const char *key, const char *value);
void insert_meta(struct store_batch *b, const char *key, const char *value);
/* The value as text of at most 63 characters, "-" when absent; static storage. */
const char *get_meta(struct store *s, const char *key);
void put_job(struct store_batch *b, uint8_t id, int64_t state);
/* First bytes of the ids of the jobs that the query gives, as text such as "3 2 1"; static storage. */
const char *scan_jobs(struct store *s, const struct store_query *q);
/* Rows of a public table, however many. */
size_t count_rows(struct store *s, enum store_table table);
/* Events after `after`, checked to be consecutive; SIZE_MAX when reading failed. */
size_t count_events(struct store *s, unsigned stream, uint64_t after);

#endif
