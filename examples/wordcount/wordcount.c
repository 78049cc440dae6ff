/* wordcount.c - counts words, split over many machines: the demonstration of map work.
 *
 *   wordcount < text          one line "word count" for each word of standard input, sorted by word
 *   wordcount --merge         adds up all such lists in /in and prints the totals, most frequent first, then by word
 *
 * A word is a longest run of letters; a letter is A-Z or a-z (A-Z become a-z), or any byte from 0x80 up. So words of
 * UTF-8 text stay whole and keep their case outside ASCII; typographic quotes and dashes, being such bytes too, stick to
 * their words: use plain ones. Digits, apostrophes and hyphens end a word. Sorting is by bytes, which for UTF-8 is by
 * code point. Words longer than WORD_MAX bytes are cut. Plain C and standard library only: a program like anyone's. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 255u

struct word {
    uint64_t count;
    uint32_t hash;
    char text[];
};
struct table {
    struct word **slots;
    size_t size, used; /* size is a power of two */
};

static void die(const char *what) {
    fprintf(stderr, "wordcount: %s\n", what);
    exit(1);
}

static uint32_t hash_of(const char *s, size_t n) { /* FNV-1a */
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

static void grow(struct table *t) {
    size_t size = t->size ? t->size * 2 : 4096;
    struct word **slots = calloc(size, sizeof *slots);
    if (slots == NULL) die("out of memory");
    for (size_t i = 0; i < t->size; i++) {
        if (t->slots[i] == NULL) continue;
        size_t at = t->slots[i]->hash & (size - 1);
        while (slots[at]) at = (at + 1) & (size - 1);
        slots[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->size = size;
}

static void add(struct table *t, const char *s, size_t n, uint64_t count) {
    if (t->used * 2 >= t->size) grow(t);
    uint32_t h = hash_of(s, n);
    size_t at = h & (t->size - 1);
    for (; t->slots[at]; at = (at + 1) & (t->size - 1)) {
        struct word *w = t->slots[at];
        if (w->hash == h && strncmp(w->text, s, n) == 0 && w->text[n] == 0) {
            w->count += count;
            return;
        }
    }
    struct word *w = malloc(sizeof *w + n + 1);
    if (w == NULL) die("out of memory");
    w->count = count;
    w->hash = h;
    memcpy(w->text, s, n);
    w->text[n] = 0;
    t->slots[at] = w;
    t->used++;
}

static int letter(int c) {
    if (c >= 'A' && c <= 'Z') return c - 'A' + 'a';
    return (c >= 'a' && c <= 'z') || c >= 0x80 ? c : 0;
}

static void count_words(struct table *t, FILE *in) {
    static char buf[65536];
    char word[WORD_MAX];
    size_t len = 0, got;
    while ((got = fread(buf, 1, sizeof buf, in)) > 0)
        for (size_t i = 0; i < got; i++) {
            int c = letter((unsigned char)buf[i]);
            if (c && len < WORD_MAX) word[len++] = (char)c;
            else if (!c && len > 0) {
                add(t, word, len, 1);
                len = 0;
            }
        }
    if (len > 0) add(t, word, len, 1);
    if (ferror(in)) die("cannot read the text");
}

/* Lines "word count", as printed by this program. */
static void add_list(struct table *t, const char *path) {
    char line[WORD_MAX + 32];
    FILE *in = fopen(path, "r");
    if (in == NULL) die(path);
    while (fgets(line, sizeof line, in)) {
        char *space = strrchr(line, ' '), *end;
        if (space == NULL || space == line) die("a line is not \"word count\"");
        uint64_t n = strtoull(space + 1, &end, 10);
        if (end == space + 1 || *end != '\n') die("a line is not \"word count\"");
        add(t, line, (size_t)(space - line), n);
    }
    if (ferror(in)) die(path);
    fclose(in);
}

static void merge(struct table *t) {
    DIR *d = opendir("/in");
    if (d == NULL) die("cannot open /in");
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/in/%s", e->d_name);
        add_list(t, path);
    }
    closedir(d);
}

static int by_word(const void *a, const void *b) {
    return strcmp((*(struct word *const *)a)->text, (*(struct word *const *)b)->text);
}

static int by_count(const void *a, const void *b) {
    uint64_t x = (*(struct word *const *)a)->count, y = (*(struct word *const *)b)->count;
    return x != y ? (x < y ? 1 : -1) : by_word(a, b);
}

int main(int argc, char **argv) {
    struct table t = { 0 };
    int merging = argc > 1 && strcmp(argv[1], "--merge") == 0;
    if (argc > 1 && !merging) die("usage: wordcount [--merge]");
    if (merging) merge(&t);
    else count_words(&t, stdin);
    size_t n = 0;
    for (size_t i = 0; i < t.size; i++)
        if (t.slots[i]) t.slots[n++] = t.slots[i];
    if (n > 0) qsort(t.slots, n, sizeof *t.slots, merging ? by_count : by_word);
    for (size_t i = 0; i < n; i++) printf("%s %llu\n", t.slots[i]->text, (unsigned long long)t.slots[i]->count);
    if (fflush(stdout) != 0) die("cannot write the result");
    return 0;
}
