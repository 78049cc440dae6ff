/* nop.c - the program that does nothing: what a task costs by itself. */
int main(void) { return 0; }
