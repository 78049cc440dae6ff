#include <stdio.h>
#include <wasm_simd128.h>

static int numbers[4];

int main(int argc, char **argv) {
    int *volatile p = numbers; /* hides the values from the compiler, which would count by itself */
    (void)argv;
    p[2] = argc;
    v128_t x = wasm_v128_load(p);
    wasm_v128_store(p, wasm_i32x4_add(x, x));
    printf("%d\n", p[2]);
    return 0;
}
